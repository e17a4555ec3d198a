//! What a tile archive says of itself.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::TilesError;
use crate::model::{ColumnType, Layer, TableSink, TilesSink};

/// Where the schema of the rows carries the summary to the archive.
const KEY: &str = "coppice.tiles";

/// What the tables say of a set of tiles, beyond the tiles themselves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Summary {
    /// West, south, east, north in degrees; none where there is no feature.
    pub(super) bounds: Option<[f64; 4]>,
    /// The fields of each layer with their types, as in `vector_layers`.
    pub(super) fields: BTreeMap<String, BTreeMap<String, String>>,
}

/// The rows of a tile archive: `z`, `x`, `y`, and the tile's bytes, not compressed.
pub(super) fn schema() -> Schema {
    Schema::new(vec![
        Field::new("z", DataType::UInt8, false),
        Field::new("x", DataType::UInt32, false),
        Field::new("y", DataType::UInt32, false),
        Field::new("data", DataType::Binary, false),
    ])
}

impl Summary {
    /// The schema of the rows, with the summary in its metadata.
    pub(super) fn into_schema(self) -> Result<SchemaRef, TilesError> {
        let text = serde_json::to_string(&self).map_err(|e| TilesError::Sink(e.to_string()))?;
        Ok(schema().with_metadata([(KEY.to_owned(), text)].into()).into())
    }

    /// Finds the summary again.
    pub(super) fn of(schema: &Schema) -> Result<Self, TilesError> {
        let text = schema.metadata().get(KEY);
        text.and_then(|text| serde_json::from_str(text).ok())
            .ok_or(TilesError::Row("the rows carry no summary"))
    }

    /// The metadata of the archive. Nothing in it depends on when or where it was made.
    pub(super) fn metadata(&self, name: &str, sink: &TilesSink) -> String {
        let layers: Vec<_> = sink.layers.iter().map(|layer| self.layer(layer, sink)).collect();
        let mut metadata = json!({
            "name": name,
            "type": "overlay",
            "format": "pbf",
            "version": sink.tile_profile_version.to_string(),
            "vector_layers": layers,
        });
        if let Some(attribution) = &sink.attribution {
            metadata["attribution"] = json!(attribution);
        }
        metadata.to_string()
    }

    fn layer(&self, layer: &Layer, sink: &TilesSink) -> serde_json::Value {
        json!({
            "id": layer.name,
            "fields": self.fields.get(&layer.name).cloned().unwrap_or_default(),
            "minzoom": layer.min_zoom.unwrap_or(sink.min_zoom).max(sink.min_zoom),
            "maxzoom": sink.max_zoom,
        })
    }
}

/// The type of a property in `vector_layers`, as `TileJSON` 3 writes it.
pub(super) fn field_type(data_type: ColumnType) -> &'static str {
    match data_type {
        ColumnType::Boolean => "Boolean",
        ColumnType::Smallint
        | ColumnType::Integer
        | ColumnType::Bigint
        | ColumnType::Real
        | ColumnType::Double => "Number",
        _ => "String",
    }
}

/// The columns that become properties of a layer's features: those declared, and the id where it
/// cannot be a feature's own (which is a whole number).
pub(super) fn properties<'a>(
    layer: &'a Layer,
    table: &TableSink,
) -> Result<Vec<(&'a str, ColumnType)>, TilesError> {
    let mut names: Vec<&str> = layer.properties.iter().map(String::as_str).collect();
    if !is_whole(column(layer, table, &layer.id)?) && !names.contains(&layer.id.as_str()) {
        names.push(&layer.id);
    }
    names.into_iter().map(|name| Ok((name, column(layer, table, name)?))).collect()
}

/// Whether a column can be the id of features.
pub(super) fn is_whole(data_type: ColumnType) -> bool {
    matches!(data_type, ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint)
}

/// The type of a column that a layer names.
pub(super) fn column(
    layer: &Layer,
    table: &TableSink,
    name: &str,
) -> Result<ColumnType, TilesError> {
    let found = table.columns.iter().find(|column| column.name == name);
    found.map(|column| column.data_type).ok_or_else(|| {
        TilesError::Sink(format!("layer {}: `{}` has no column {name}", layer.name, layer.from))
    })
}
