//! The columns of a search record, and the one form that a query's result is brought into.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef, TimeUnit};

use super::SearchError;
use crate::model::Failure;
use crate::proof::{ColumnEncoding, RowEncoding, Rows};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A time, as text in RFC 3339 or as a timestamp; kept in microseconds.
    Time,
    /// Degrees.
    Number,
}

/// The columns in order, whether they may be NULL, and what they hold.
pub(super) const COLUMNS: [(&str, bool, Kind); 14] = [
    ("id", false, Kind::Text),
    ("dataset", true, Kind::Text),
    ("dataset_version_id", true, Kind::Text),
    ("title", true, Kind::Text),
    ("body", true, Kind::Text),
    ("names", true, Kind::Text),
    ("time_start", true, Kind::Time),
    ("time_end", true, Kind::Time),
    ("west", true, Kind::Number),
    ("south", true, Kind::Number),
    ("east", true, Kind::Number),
    ("north", true, Kind::Number),
    ("evidence_ref", false, Kind::Text),
    ("policy_label", false, Kind::Text),
];

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            Self::Number => DataType::Float64,
        }
    }

    fn wanted(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Time => "a time",
            Self::Number => "a number",
        }
    }

    fn takes(self, found: &DataType) -> bool {
        match self {
            _ if found == &DataType::Null => true,
            Self::Text => found.is_string(),
            Self::Time => {
                found.is_string()
                    || matches!(
                        found,
                        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64
                    )
            }
            Self::Number => found.is_numeric(),
        }
    }
}

pub(super) fn schema() -> SchemaRef {
    let field =
        |(name, nullable, kind): (&str, bool, Kind)| Field::new(name, kind.data_type(), nullable);
    Arc::new(Schema::new(COLUMNS.map(field).to_vec()))
}

/// Checks that a query's result is search records.
pub(super) fn check(schema: &SchemaRef) -> Result<(), SearchError> {
    for (column, _, kind) in COLUMNS {
        let Ok(field) = schema.field_with_name(column) else {
            return Err(SearchError::Column { column });
        };
        if !kind.takes(field.data_type()) {
            let found = field.data_type().clone();
            return Err(SearchError::Type { column, found, wanted: kind.wanted() });
        }
    }
    let known = |name: &str| COLUMNS.iter().any(|(column, ..)| *column == name);
    match schema.fields().iter().find(|field| !known(field.name())) {
        Some(field) => Err(SearchError::Unknown { column: field.name().clone() }),
        None => Ok(()),
    }
}

/// Brings a batch of a query's result into the one form that is stored.
pub(super) fn normal(batch: &RecordBatch) -> Result<RecordBatch, SearchError> {
    check(&batch.schema())?;
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let mut arrays = Vec::with_capacity(COLUMNS.len());
    for (column, nullable, kind) in COLUMNS {
        let Some(array) = batch.column_by_name(column) else {
            return Err(SearchError::Column { column });
        };
        // The cast's own words may quote the value.
        let Ok(array) = cast_with_options(array, &kind.data_type(), &options) else {
            return Err(SearchError::Value { column, wanted: kind.wanted() });
        };
        if !nullable && array.null_count() > 0 {
            return Err(SearchError::Null { column });
        }
        let numbers = array.as_primitive_opt::<Float64Type>();
        if numbers.is_some_and(|numbers| numbers.iter().flatten().any(|n| !n.is_finite())) {
            return Err(SearchError::Value { column, wanted: "a finite number" });
        }
        arrays.push(array);
    }
    Ok(RecordBatch::try_new(schema(), arrays)?)
}

/// Encodes search records as columns, after they were brought into the form that is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordEncoding;

impl RowEncoding for RecordEncoding {
    fn name(&self) -> &'static str {
        ColumnEncoding.name()
    }

    fn encode(&self, batch: &RecordBatch) -> Result<Rows, Failure> {
        ColumnEncoding.encode(&normal(batch)?)
    }
}
