use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder,
    RecordBatch, RecordBatchOptions, StringBuilder, TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;

use super::cell::{self, Cell, Kind, Row};
use crate::dataset::DatasetError;
use crate::dataset::geometry::{Shape, write};

/// The column with the geometry.
pub(super) const GEOMETRY: &str = "geometry";

/// A batch is full when it has so many rows, or so many bytes of geometry.
const FULL_ROWS: usize = 8192;
const FULL_BYTES: usize = 8 << 20;

/// The columns of one file: their names as met, and the kinds of their values; `None` where all
/// are null.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    order: Vec<String>,
    kinds: BTreeMap<String, Option<Kind>>,
}

impl Kinds {
    /// Takes the kinds of a row's values in. A declared column keeps its kind.
    pub(super) fn add(&mut self, row: &Row<'_>, declared: &BTreeMap<String, Kind>) {
        for (name, value) in &row.cells {
            let kind = declared.get(name.as_ref()).copied().or_else(|| Kind::of(value));
            self.column(name, kind);
        }
    }

    /// Takes a column in that may have no value at all.
    pub(super) fn column(&mut self, name: &str, kind: Option<Kind>) {
        let Some(known) = self.kinds.get_mut(name) else {
            self.order.push(name.to_owned());
            self.kinds.insert(name.to_owned(), kind);
            return;
        };
        *known = match (*known, kind) {
            (Some(one), Some(other)) => Some(one.or_wider(other)),
            (one, other) => one.or(other),
        };
    }
}

/// Joins the columns of several files into one schema: a column that one of them has not is null
/// there; one that two of them have with values of different types is refused.
pub(super) fn joined(
    parts: &[(String, Kinds)],
    by_name: bool,
    geometry: bool,
) -> Result<SchemaRef, DatasetError> {
    let mut order: Vec<&String> = Vec::new();
    let mut kinds: BTreeMap<&String, (Option<Kind>, &String)> = BTreeMap::new();
    for (key, part) in parts {
        for name in &part.order {
            let found = part.kinds.get(name).copied().flatten();
            let Some((known, first)) = kinds.get_mut(name) else {
                order.push(name);
                kinds.insert(name, (found, key));
                continue;
            };
            *known = match (*known, found) {
                (Some(one), Some(other)) => {
                    Some(one.joined(other).ok_or_else(|| DatasetError::Parts {
                        column: name.clone(),
                        one: (one.name().to_owned(), (*first).clone()),
                        other: (other.name().to_owned(), key.clone()),
                    })?)
                }
                (None, Some(other)) => {
                    *first = key;
                    Some(other)
                }
                (one, None) => one,
            };
        }
    }
    if by_name {
        order.sort_unstable();
    }
    let kind = |name: &String| kinds.get(name).and_then(|(kind, _)| *kind);
    let field = |name: &&String| {
        Field::new(*name, kind(name).map_or(DataType::Utf8, Kind::data_type), true)
    };
    let mut fields: Vec<Field> = order.iter().map(field).collect();
    if geometry {
        fields.push(Field::new(GEOMETRY, DataType::Binary, true));
    }
    Ok(Arc::new(Schema::new(fields)))
}

enum Builder {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Double(Float64Builder),
    Text(StringBuilder),
    Date(Date32Builder),
    Time(TimestampMicrosecondBuilder),
}

impl Builder {
    fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int64 => Self::Integer(Int64Builder::new()),
            DataType::Float64 => Self::Double(Float64Builder::new()),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Timestamp(..) => {
                Self::Time(TimestampMicrosecondBuilder::new().with_timezone("+00:00"))
            }
            _ => Self::Text(StringBuilder::new()),
        }
    }

    fn append(&mut self, value: &Cell<'_>) {
        match self {
            Self::Boolean(builder) => builder.append_option(cell::boolean(value)),
            Self::Integer(builder) => builder.append_option(cell::integer(value)),
            Self::Double(builder) => builder.append_option(cell::double(value)),
            Self::Text(builder) => builder.append_option(cell::text(value)),
            Self::Date(builder) => builder.append_option(cell::date(value)),
            Self::Time(builder) => builder.append_option(cell::time(value)),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Double(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Collects rows into batches of a schema that `joined` gave.
pub(super) struct Batches {
    schema: SchemaRef,
    builders: Vec<Builder>,
    places: BTreeMap<String, usize>,
    /// Which columns the row at hand has filled.
    filled: Vec<bool>,
    geometry: Option<BinaryBuilder>,
    rows: usize,
    bytes: usize,
    wkb: Vec<u8>,
}

impl Batches {
    pub(super) fn new(schema: SchemaRef, geometry: bool) -> Self {
        let columns = schema.fields().len() - usize::from(geometry);
        let fields = schema.fields().iter().take(columns);
        let builders: Vec<_> = fields.clone().map(|f| Builder::new(f.data_type())).collect();
        let places = fields.enumerate().map(|(place, f)| (f.name().clone(), place)).collect();
        let filled = vec![false; columns];
        let geometry = geometry.then(BinaryBuilder::new);
        Self { schema, builders, places, filled, geometry, rows: 0, bytes: 0, wkb: Vec::new() }
    }

    pub(super) fn add(&mut self, cells: &[(Cow<'_, str>, Cell<'_>)], shape: Option<&Shape>) {
        self.filled.fill(false);
        for (index, (name, value)) in cells.iter().enumerate() {
            // Most rows have their columns in the order of the schema.
            let here = index < self.filled.len() && self.schema.field(index).name() == name;
            let place = if here { Some(index) } else { self.places.get(name.as_ref()).copied() };
            if let Some(place) = place
                && !std::mem::replace(&mut self.filled[place], true)
            {
                self.builders[place].append(value);
            }
        }
        for (builder, filled) in self.builders.iter_mut().zip(&self.filled) {
            if !filled {
                builder.append(&Cell::Null);
            }
        }
        if let Some(builder) = &mut self.geometry {
            self.wkb.clear();
            if let Some(shape) = shape {
                write(shape, &mut self.wkb);
                self.bytes += self.wkb.len();
                builder.append_value(&self.wkb);
            } else {
                builder.append_null();
            }
        }
        self.rows += 1;
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= FULL_ROWS || self.bytes >= FULL_BYTES
    }

    /// What was collected since the last time, if anything.
    pub(super) fn take(&mut self) -> Result<Option<RecordBatch>, DataFusionError> {
        let rows = std::mem::take(&mut self.rows);
        if rows == 0 {
            return Ok(None);
        }
        self.bytes = 0;
        let mut columns: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        columns.extend(self.geometry.iter_mut().map(|b| Arc::new(b.finish()) as ArrayRef));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        Ok(Some(RecordBatch::try_new_with_options(schema, columns, &options)?))
    }
}
