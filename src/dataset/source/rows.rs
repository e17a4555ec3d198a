use std::borrow::Cow;
use std::io::BufRead;

use datafusion::error::DataFusionError;

use super::cell::{Cell, Kind, Row, double};
use super::form::Form;
use super::{csv, features, flatgeobuf, sequence};
use crate::dataset::crs::Crs;
use crate::dataset::defect::Defect;
use crate::dataset::geometry::{Shape, of_wkt};
use crate::model::GeometryColumns;

/// Takes the rows of an artifact.
pub(super) trait Take {
    /// The columns, where the artifact names them before its rows.
    fn columns(&mut self, columns: Vec<(String, Option<Kind>)>);

    /// The next row, or why it is none; the first one is number 1.
    fn row(&mut self, number: u64, row: Result<Row<'_>, Defect>) -> Result<(), DataFusionError>;
}

/// What an artifact says of its reference system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    Known(Crs),
    /// One that no code names, in its words.
    Unknown(String),
}

impl Said {
    pub(super) fn of(found: Option<Crs>, words: impl FnOnce() -> String) -> Self {
        found.map_or_else(|| Self::Unknown(words()), Self::Known)
    }
}

/// Reads every row, one at a time, and says what the artifact said of its reference system.
pub(super) fn rows(
    form: Form,
    input: &mut dyn BufRead,
    key: &str,
    geometry: Option<&GeometryColumns>,
    take: &mut dyn Take,
) -> Result<Said, DataFusionError> {
    match form {
        Form::Csv => csv::rows(input, key, b',', geometry, take),
        Form::Tsv => csv::rows(input, key, b'\t', geometry, take),
        Form::GeoJson => features::rows(input, key, take),
        Form::Sequence => sequence::rows(input, key, geometry, take),
        // Parquet is read by the engine.
        Form::FlatGeobuf | Form::Parquet => flatgeobuf::rows(input, key, take),
    }
}

/// Makes the geometry of a row out of the columns that hold it. Well-known text becomes the
/// geometry; longitude and latitude stay columns too.
pub(super) fn locate(
    cells: &mut Vec<(Cow<'_, str>, Cell<'_>)>,
    columns: &GeometryColumns,
) -> Result<Option<Shape>, Defect> {
    match columns {
        GeometryColumns::Wkt { wkt } => {
            let Some(at) = cells.iter().position(|(name, _)| name == wkt) else { return Ok(None) };
            match cells.remove(at).1 {
                Cell::Null => Ok(None),
                Cell::Text(text) | Cell::Untyped(text) => {
                    of_wkt(&text).map(Some).or(Err(Defect::UnreadableGeometry))
                }
                _ => Err(Defect::WrongType),
            }
        }
        GeometryColumns::Point { lon, lat } => {
            let of = |column: &String| cells.iter().find(|(name, _)| name == column);
            let number = |column| match of(column).map(|(_, cell)| cell) {
                None | Some(Cell::Null) => Ok(None),
                // Of NaN it is said that it is no number, not that it is of another type.
                Some(Cell::Untyped(text)) => text.parse().map(Some).or(Err(Defect::WrongType)),
                Some(cell) => double(cell).map(Some).ok_or(Defect::WrongType),
            };
            match (number(lon)?, number(lat)?) {
                (None, None) => Ok(None),
                (Some(x), Some(y)) => Ok(Some(Shape::point(x, y))),
                _ => Err(Defect::UnreadableGeometry),
            }
        }
    }
}
