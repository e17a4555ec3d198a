use std::borrow::Cow;

use geojson::feature::Id;
use geojson::{Feature, Geometry};
use serde_json::{Map, Value};

use super::cell::{Cell, Row};
use super::columns::GEOMETRY;
use crate::dataset::defect::Defect;
use crate::dataset::geometry::of_geojson;

/// The column with the feature's `id`, where features have one and no property of that name.
const ID: &str = "id";

/// Takes a feature apart: its properties and its geometry.
pub(super) fn feature(value: Map<String, Value>) -> Result<Row<'static>, Defect> {
    // What is a feature but for its geometry is said to be so.
    let geometry = value.get("geometry").cloned();
    let feature = match serde_json::from_value::<Feature>(Value::Object(value)) {
        Ok(feature) => feature,
        Err(_) if geometry.is_some_and(|it| serde_json::from_value::<Geometry>(it).is_err()) => {
            return Err(Defect::UnreadableGeometry);
        }
        Err(_) => return Err(Defect::MalformedRow),
    };
    let mut properties = feature.properties.unwrap_or_default();
    if let Some(id) = feature.id
        && !properties.contains_key(ID)
    {
        let id = match id {
            Id::String(text) => Value::String(text),
            Id::Number(number) => Value::Number(number),
        };
        properties.insert(ID.to_owned(), id);
    }
    if properties.contains_key(GEOMETRY) {
        return Err(Defect::MalformedRow);
    }
    let geometry = feature.geometry.map(|geometry| of_geojson(&geometry.value)).transpose();
    let geometry = geometry.or(Err(Defect::UnreadableGeometry))?;
    Ok(Row { cells: cells(properties), geometry })
}

/// The members of an object as values; what is nested is text.
pub(super) fn cells(members: Map<String, Value>) -> Vec<(Cow<'static, str>, Cell<'static>)> {
    let cell = |value: Value| match value {
        Value::Null => Cell::Null,
        Value::Bool(value) => Cell::Boolean(value),
        Value::String(text) => Cell::Text(text.into()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Cell::Integer(integer),
            (None, Some(double)) if number.is_f64() => Cell::Double(double),
            _ => Cell::Text(number.to_string().into()),
        },
        nested => Cell::Text(nested.to_string().into()),
    };
    members.into_iter().map(|(name, value)| (name.into(), cell(value))).collect()
}
