use geo::{BooleanOps, MultiPolygon, unary_union};

use super::shape::{Dimensions, Part, Shape};
use super::{judge, meridian, planar};
use crate::dataset::defect::Defect;

/// Makes a geometry right where that can be done without a guess: rings are closed, crossing and
/// overlapping areas taken apart and joined, what crosses the antimeridian is cut there. `None`
/// where it cannot: no position is moved, and no height made up.
pub(in crate::dataset) fn repair(shape: &Shape, defect: Defect, degrees: bool) -> Option<Shape> {
    let mut shape = shape.clone();
    let mut defect = Some(defect);
    if defect == Some(Defect::UnclosedRing) {
        for ring in shape.part.rings_mut() {
            if ring.first() != ring.last() {
                ring.extend(ring.first().copied());
            }
        }
        defect = judge(&shape, degrees);
    }
    if defect == Some(Defect::Antimeridian) && shape.dimensions == Dimensions::Xy {
        shape.part = meridian::cut(&shape.part)?;
        defect = judge(&shape, degrees);
    }
    let areas = matches!(defect, Some(Defect::SelfIntersection | Defect::RingsOverlap));
    if areas && shape.dimensions == Dimensions::Xy {
        shape.part = rebuilt(&shape.part)?;
        defect = judge(&shape, degrees);
    }
    defect.is_none().then_some(shape)
}

/// The same area as polygons that neither cross nor overlap.
fn rebuilt(part: &Part) -> Option<Part> {
    let apart =
        |rings: &Vec<_>| planar::polygon(rings).union(&MultiPolygon::<f64>::new(Vec::new()));
    let (polygons, single) = match part {
        Part::Polygon(rings) => (apart(rings), true),
        Part::Polygons(all) => {
            let parts: Vec<MultiPolygon> = all.iter().map(apart).collect();
            (unary_union(&parts), false)
        }
        Part::Collection(parts) => {
            let parts: Option<Vec<Part>> = parts.iter().map(rebuilt).collect();
            return parts.map(Part::Collection);
        }
        other => return Some(other.clone()),
    };
    let mut polygons: Vec<_> = polygons.into_iter().map(planar::rings).collect();
    match polygons.len() {
        0 => None,
        1 if single => polygons.pop().map(Part::Polygon),
        _ => Some(Part::Polygons(polygons)),
    }
}

#[cfg(test)]
mod tests {
    use geo::Area;

    use super::*;
    use crate::dataset::geometry::of_wkt;

    fn repaired(text: &str) -> Option<Shape> {
        let shape = of_wkt(text).unwrap();
        let defect = judge(&shape, true).expect(text);
        repair(&shape, defect, true)
    }

    fn area(part: &Part) -> f64 {
        match part {
            Part::Polygon(rings) => planar::polygon(rings).unsigned_area(),
            Part::Polygons(all) => all.iter().map(|r| planar::polygon(r).unsigned_area()).sum(),
            _ => 0.0,
        }
    }

    #[test]
    fn what_can_be_made_right_is() {
        let cases = [
            ("POLYGON((0 0, 4 0, 4 4, 0 4))", 16.0),
            ("POLYGON((0 0, 4 4, 4 0, 0 4, 0 0))", 8.0),
            ("POLYGON((0 0, 4 4, 4 0, 0 4))", 8.0),
            ("MULTIPOLYGON(((0 0, 4 0, 4 4, 0 4, 0 0)), ((2 0, 6 0, 6 4, 2 4, 2 0)))", 24.0),
            ("POLYGON((179 0, -179 0, -179 1, 179 1, 179 0))", 2.0),
            (
                "POLYGON((170 0, -170 0, -170 9, 170 9, 170 0), (179 1, -179 1, -179 2, 179 2, 179 1))",
                178.0,
            ),
        ];
        for (text, wanted) in cases {
            let shape = repaired(text).expect(text);
            assert_eq!(judge(&shape, true), None, "{text}: {shape:?}");
            assert!((area(&shape.part) - wanted).abs() < 1e-9, "{text}: {shape:?}");
        }
        let line = repaired("LINESTRING(179 0, -179 2, -178 2)").unwrap();
        let Part::Lines(lines) = line.part else { panic!("not cut: {line:?}") };
        assert_eq!(lines[0].last().unwrap()[..2], [180.0, 1.0]);
        assert_eq!(lines[1][0][..2], [-180.0, 1.0]);
        assert_eq!(lines[1].len(), 3);
    }

    #[test]
    fn what_would_be_a_guess_is_not() {
        let cases = [
            "POINT(0 91)",
            "LINESTRING(0 0)",
            "POLYGON((0 0, 4 0, 0 0))",
            // The height at the crossing is not known.
            "POLYGON Z((0 0 1, 4 4 2, 4 0 3, 0 4 4, 0 0 1))",
            // Around the pole.
            "POLYGON((0 80, 120 80, -120 80, 0 80))",
        ];
        for text in cases {
            assert_eq!(repaired(text), None, "{text}");
        }
    }
}
