use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch,
    StringBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use geojson::feature::Id;
use geojson::{Feature, JsonObject};
use serde_json::Value;

use super::super::wkb;
use super::reader::malformed;

/// The column with the geometry.
pub(super) const GEOMETRY: &str = "geometry";
/// The column with the feature's `id`, where features have one and no property of that name.
const ID: &str = "id";

/// A batch is full when it has so many features, or so many bytes of geometry.
const FULL_ROWS: usize = 8192;
const FULL_BYTES: usize = 8 << 20;

/// The narrowest type that keeps every value of a property; what is mixed or nested is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Integer,
    Double,
    Text,
}

impl Kind {
    fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => return None,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_i64() => Self::Integer,
            Value::Number(number) if number.is_f64() => Self::Double,
            _ => Self::Text,
        })
    }

    fn or_wider(self, other: Self) -> Self {
        match (self, other) {
            (kind, other) if kind == other => kind,
            (Self::Integer, Self::Double) | (Self::Double, Self::Integer) => Self::Double,
            _ => Self::Text,
        }
    }
}

/// The properties seen so far with the kinds of their values; `None` where all are null.
#[derive(Debug, Default)]
pub(super) struct Kinds(BTreeMap<String, Option<Kind>>);

impl Kinds {
    pub(super) fn add(&mut self, feature: &mut Feature, key: &str) -> Result<(), DataFusionError> {
        for (name, value) in properties(feature) {
            if name == GEOMETRY {
                return Err(malformed(key, "a property is named `geometry`"));
            }
            let kind = self.0.entry(name).or_default();
            *kind = match (*kind, Kind::of(&value)) {
                (Some(one), Some(other)) => Some(one.or_wider(other)),
                (one, other) => one.or(other),
            };
        }
        Ok(())
    }

    /// The columns: the properties by name, then the geometry.
    pub(super) fn schema(&self) -> SchemaRef {
        let of = |kind: &Option<Kind>| match kind {
            Some(Kind::Boolean) => DataType::Boolean,
            Some(Kind::Integer) => DataType::Int64,
            Some(Kind::Double) => DataType::Float64,
            Some(Kind::Text) | None => DataType::Utf8,
        };
        let mut fields: Vec<_> =
            self.0.iter().map(|(name, kind)| Field::new(name, of(kind), true)).collect();
        fields.push(Field::new(GEOMETRY, DataType::Binary, true));
        Arc::new(Schema::new(fields))
    }
}

fn properties(feature: &mut Feature) -> JsonObject {
    let mut properties = feature.properties.take().unwrap_or_default();
    if let Some(id) = feature.id.take()
        && !properties.contains_key(ID)
    {
        let id = match id {
            Id::String(text) => Value::String(text),
            Id::Number(number) => Value::Number(number),
        };
        properties.insert(ID.to_owned(), id);
    }
    properties
}

enum Builder {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Double(Float64Builder),
    Text(StringBuilder),
}

impl Builder {
    fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int64 => Self::Integer(Int64Builder::new()),
            DataType::Float64 => Self::Double(Float64Builder::new()),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    fn append(&mut self, value: Option<&Value>) {
        let value = value.filter(|value| !value.is_null());
        match self {
            Self::Boolean(builder) => builder.append_option(value.and_then(Value::as_bool)),
            Self::Integer(builder) => builder.append_option(value.and_then(Value::as_i64)),
            Self::Double(builder) => builder.append_option(value.and_then(Value::as_f64)),
            Self::Text(builder) => match value {
                None => builder.append_null(),
                Some(Value::String(text)) => builder.append_value(text),
                Some(other) => builder.append_value(other.to_string()),
            },
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Double(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Collects features into batches of a schema that `Kinds` gave.
pub(super) struct Batches {
    schema: SchemaRef,
    builders: Vec<Builder>,
    geometry: BinaryBuilder,
    rows: usize,
    bytes: usize,
    wkb: Vec<u8>,
}

impl Batches {
    pub(super) fn new(schema: SchemaRef) -> Self {
        let properties = schema.fields().len() - 1;
        let fields = schema.fields().iter().take(properties);
        let builders = fields.map(|field| Builder::new(field.data_type())).collect();
        let geometry = BinaryBuilder::new();
        Self { schema, builders, geometry, rows: 0, bytes: 0, wkb: Vec::new() }
    }

    pub(super) fn add(&mut self, mut feature: Feature, key: &str) -> Result<(), DataFusionError> {
        let properties = properties(&mut feature);
        for (builder, field) in self.builders.iter_mut().zip(self.schema.fields()) {
            builder.append(properties.get(field.name()));
        }
        match &feature.geometry {
            None => self.geometry.append_null(),
            Some(geometry) => {
                self.wkb.clear();
                wkb::write(&geometry.value, &mut self.wkb).map_err(|why| malformed(key, why))?;
                self.bytes += self.wkb.len();
                self.geometry.append_value(&self.wkb);
            }
        }
        self.rows += 1;
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= FULL_ROWS || self.bytes >= FULL_BYTES
    }

    /// What was collected since the last time, if anything.
    pub(super) fn take(&mut self) -> Result<Option<RecordBatch>, DataFusionError> {
        if std::mem::take(&mut self.rows) == 0 {
            return Ok(None);
        }
        self.bytes = 0;
        let mut columns: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        columns.push(Arc::new(self.geometry.finish()));
        Ok(Some(RecordBatch::try_new(Arc::clone(&self.schema), columns)?))
    }
}
