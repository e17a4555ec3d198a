use geojson::{GeometryValue, Position as JsonPosition};

use super::shape::{Dimensions, Part, Path, Position, Shape};

/// Takes a GeoJSON geometry, with Z where its positions have three numbers.
pub(in crate::dataset) fn of_geojson(geometry: &GeometryValue) -> Result<Shape, &'static str> {
    let dimensions = match first(geometry).unwrap_or(2) {
        2 => Dimensions::Xy,
        3 => Dimensions::Xyz,
        _ => return Err("a position has neither two nor three numbers"),
    };
    Ok(Shape { dimensions, part: part(geometry, dimensions)? })
}

/// How many numbers the first position has; `None` if there is no position.
fn first(geometry: &GeometryValue) -> Option<usize> {
    let of = |position: &JsonPosition| position.as_slice().len();
    match geometry {
        GeometryValue::Point { coordinates } => Some(of(coordinates)),
        GeometryValue::MultiPoint { coordinates } | GeometryValue::LineString { coordinates } => {
            coordinates.first().map(of)
        }
        GeometryValue::MultiLineString { coordinates } | GeometryValue::Polygon { coordinates } => {
            coordinates.iter().flatten().next().map(of)
        }
        GeometryValue::MultiPolygon { coordinates } => {
            coordinates.iter().flatten().flatten().next().map(of)
        }
        GeometryValue::GeometryCollection { geometries } => {
            geometries.iter().find_map(|part| first(&part.value))
        }
    }
}

fn part(geometry: &GeometryValue, dimensions: Dimensions) -> Result<Part, &'static str> {
    let point = |position: &JsonPosition| position_of(position, dimensions);
    let path = |positions: &Vec<JsonPosition>| -> Result<Path, &'static str> {
        positions.iter().map(point).collect()
    };
    let paths = |all: &Vec<Vec<JsonPosition>>| -> Result<Vec<Path>, &'static str> {
        all.iter().map(path).collect()
    };
    Ok(match geometry {
        GeometryValue::Point { coordinates } => Part::Point(Some(point(coordinates)?)),
        GeometryValue::LineString { coordinates } => Part::Line(path(coordinates)?),
        GeometryValue::Polygon { coordinates } => Part::Polygon(paths(coordinates)?),
        GeometryValue::MultiPoint { coordinates } => {
            Part::Points(path(coordinates)?.into_iter().map(Some).collect())
        }
        GeometryValue::MultiLineString { coordinates } => Part::Lines(paths(coordinates)?),
        GeometryValue::MultiPolygon { coordinates } => {
            Part::Polygons(coordinates.iter().map(paths).collect::<Result<_, _>>()?)
        }
        // The parser of JSON goes no deeper than 128 levels.
        GeometryValue::GeometryCollection { geometries } => {
            let parts = geometries.iter().map(|inner| part(&inner.value, dimensions));
            Part::Collection(parts.collect::<Result<_, _>>()?)
        }
    })
}

fn position_of(position: &JsonPosition, dimensions: Dimensions) -> Result<Position, &'static str> {
    let numbers = position.as_slice();
    if numbers.len() != dimensions.len() {
        return Err("the positions of a geometry differ in their number of dimensions");
    }
    let mut out = [0.0; 4];
    out[..numbers.len()].copy_from_slice(numbers);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Result<Shape, &'static str> {
        let geometry: geojson::Geometry = json.parse().unwrap();
        of_geojson(&geometry.value)
    }

    #[test]
    fn heights_are_kept_and_mixed_dimensions_refused() {
        let shape = of(r#"{"type":"Point","coordinates":[-97.5,38,410]}"#).unwrap();
        assert_eq!(shape.dimensions, Dimensions::Xyz);
        assert_eq!(shape.part, Part::Point(Some([-97.5, 38.0, 410.0, 0.0])));
        assert!(of(r#"{"type":"LineString","coordinates":[[0,0],[1,1,1]]}"#).is_err());
        assert!(of(r#"{"type":"Point","coordinates":[0,0,0,0]}"#).is_err());
        assert!(of(r#"{"type":"MultiPoint","coordinates":[]}"#).is_ok());
    }
}
