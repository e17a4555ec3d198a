use std::str::FromStr;

use wkt::Wkt;
use wkt::types::{Coord, Dimension, Point, Polygon};

use super::shape::{Dimensions, Part, Path, Position, Shape};

/// How deep brackets may stand in each other: the parser calls itself for each.
const DEPTH: usize = 32;

/// Reads well-known text.
pub(in crate::dataset) fn of_wkt(text: &str) -> Result<Shape, &'static str> {
    let mut open = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'(' => open += 1,
            b')' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > DEPTH {
            return Err("a geometry holds too many others in each other");
        }
    }
    let geometry = Wkt::<f64>::from_str(text).or(Err("a geometry is no well-known text"))?;
    let dimension = match &geometry {
        Wkt::Point(it) => it.dimension(),
        Wkt::LineString(it) => it.dimension(),
        Wkt::Polygon(it) => it.dimension(),
        Wkt::MultiPoint(it) => it.dimension(),
        Wkt::MultiLineString(it) => it.dimension(),
        Wkt::MultiPolygon(it) => it.dimension(),
        Wkt::GeometryCollection(it) => it.dimension(),
    };
    let dimensions = match dimension {
        Dimension::XY => Dimensions::Xy,
        Dimension::XYZ => Dimensions::Xyz,
        Dimension::XYM => Dimensions::Xym,
        Dimension::XYZM => Dimensions::Xyzm,
    };
    Ok(Shape { dimensions, part: part(&geometry, dimensions)? })
}

fn part(geometry: &Wkt<f64>, dimensions: Dimensions) -> Result<Part, &'static str> {
    let lines = |lines: &[wkt::types::LineString<f64>]| -> Result<Vec<Path>, &'static str> {
        lines.iter().map(|line| path(line.coords(), dimensions)).collect()
    };
    let rings = |polygon: &Polygon<f64>| lines(polygon.rings());
    Ok(match geometry {
        Wkt::Point(it) => Part::Point(point(it, dimensions)?),
        Wkt::LineString(line) => Part::Line(path(line.coords(), dimensions)?),
        Wkt::Polygon(polygon) => Part::Polygon(rings(polygon)?),
        Wkt::MultiPoint(points) => {
            let points = points.points().iter().map(|it| point(it, dimensions));
            Part::Points(points.collect::<Result<_, _>>()?)
        }
        Wkt::MultiLineString(all) => Part::Lines(lines(all.line_strings())?),
        Wkt::MultiPolygon(polygons) => {
            Part::Polygons(polygons.polygons().iter().map(rings).collect::<Result<_, _>>()?)
        }
        Wkt::GeometryCollection(parts) => {
            let parts = parts.geometries().iter().map(|inner| part(inner, dimensions));
            Part::Collection(parts.collect::<Result<_, _>>()?)
        }
    })
}

fn path(coords: &[Coord<f64>], dimensions: Dimensions) -> Result<Path, &'static str> {
    coords.iter().map(|coord| position(coord, dimensions)).collect()
}

fn point(point: &Point<f64>, dimensions: Dimensions) -> Result<Option<Position>, &'static str> {
    point.coord().map(|coord| position(coord, dimensions)).transpose()
}

fn position(coord: &Coord<f64>, dimensions: Dimensions) -> Result<Position, &'static str> {
    let (x, y) = (coord.x, coord.y);
    match (dimensions, coord.z, coord.m) {
        (Dimensions::Xy, None, None) => Ok([x, y, 0.0, 0.0]),
        (Dimensions::Xyz, Some(z), None) => Ok([x, y, z, 0.0]),
        (Dimensions::Xym, None, Some(m)) => Ok([x, y, m, 0.0]),
        (Dimensions::Xyzm, Some(z), Some(m)) => Ok([x, y, z, m]),
        _ => Err("the positions of a geometry differ in their number of dimensions"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_with_all_its_numbers() {
        let shape = of_wkt("POLYGON Z ((0 0 1, 4 0 1, 4 4 1, 0 0 1))").unwrap();
        assert_eq!(shape.dimensions, Dimensions::Xyz);
        let Part::Polygon(rings) = shape.part else { panic!("no polygon") };
        assert_eq!(
            rings,
            [[[0., 0., 1., 0.], [4., 0., 1., 0.], [4., 4., 1., 0.], [0., 0., 1., 0.]]]
        );
        assert_eq!(of_wkt("POINT EMPTY").unwrap().part, Part::Point(None));
        for wrong in ["POINT(1)", "POINT(1 2", "nowhere", "", "POINT(a b)"] {
            assert!(of_wkt(wrong).is_err(), "{wrong}");
        }
        let deep = format!("{}POINT(1 2){}", "GEOMETRYCOLLECTION(".repeat(9000), ")".repeat(9000));
        assert!(of_wkt(&deep).is_err());
    }
}
