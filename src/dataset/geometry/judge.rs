use super::planar;
use super::shape::{Path, Role, Shape};
use crate::dataset::defect::Defect;

/// The first thing that is wrong with a geometry. Whether it lies on the map can be told where
/// its coordinates are degrees.
pub(in crate::dataset) fn judge(shape: &Shape, degrees: bool) -> Option<Defect> {
    let mut found = None;
    let count = shape.dimensions.len();
    shape.each(|position| {
        let defect = if !position[..count].iter().all(|number| number.is_finite()) {
            Defect::NotFinite
        } else if degrees && (position[0].abs() > 180.0 || position[1].abs() > 90.0) {
            Defect::OffTheMap
        } else {
            return;
        };
        found.get_or_insert(defect);
    });
    if found.is_some() {
        return found;
    }
    shape.part.each_path(&mut |path, role| {
        let defect = of_path(path, role).or_else(|| {
            let leaps = degrees && path.windows(2).any(|ends| leaps(&ends[0], &ends[1]));
            leaps.then_some(Defect::Antimeridian)
        });
        if found.is_none() {
            found = defect;
        }
    });
    found.or_else(|| planar::invalid(&shape.part))
}

fn of_path(path: &Path, role: Role) -> Option<Defect> {
    let (least, ring) = match role {
        Role::Line => (2, false),
        Role::Ring => (4, true),
    };
    if ring && path.len() >= 3 && path.first() != path.last() {
        return Some(Defect::UnclosedRing);
    }
    // A line without any point is the empty one.
    let empty = path.is_empty() && !ring;
    let one = path.iter().all(|position| path.first().is_some_and(|p| p[..2] == position[..2]));
    (!empty && (path.len() < least || one)).then_some(Defect::TooFewPoints)
}

/// Whether an edge takes the long way round: one who drew it meant the short way, across the
/// antimeridian. An edge along the whole of a parallel or a pole is the frame of a world map.
pub(super) fn leaps(from: &[f64], to: &[f64]) -> bool {
    // Nothing lies beyond them.
    let along = |axis: usize, edge: f64| from[axis].abs() >= edge && to[axis].abs() >= edge;
    let (frame, pole) = (along(0, 180.0), along(1, 90.0));
    (from[0] - to[0]).abs() > 180.0 && !frame && !pole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::geometry::{Dimensions, Part, of_wkt};

    #[test]
    fn each_defect_is_named() {
        let cases = [
            ("POINT(-97 38)", None),
            ("POINT EMPTY", None),
            ("POINT(-97 98)", Some(Defect::OffTheMap)),
            ("POINT(-197 38)", Some(Defect::OffTheMap)),
            ("LINESTRING(0 0)", Some(Defect::TooFewPoints)),
            ("LINESTRING(0 0, 0 0)", Some(Defect::TooFewPoints)),
            ("LINESTRING EMPTY", None),
            ("LINESTRING(0 0, 1 1, 0 1, 1 0)", None),
            ("LINESTRING(179 0, -179 0)", Some(Defect::Antimeridian)),
            ("POLYGON((0 0, 4 0, 4 4, 0 0))", None),
            ("POLYGON EMPTY", None),
            ("POLYGON((0 0, 4 0, 4 4, 0 4))", Some(Defect::UnclosedRing)),
            ("POLYGON((0 0, 4 0, 0 0))", Some(Defect::TooFewPoints)),
            ("POLYGON((0 0, 4 4, 4 0, 0 4, 0 0))", Some(Defect::SelfIntersection)),
            (
                "POLYGON((0 0, 9 0, 9 9, 0 0), (20 20, 21 20, 21 21, 20 20))",
                Some(Defect::RingsOverlap),
            ),
            (
                "MULTIPOLYGON(((0 0, 4 0, 4 4, 0 4, 0 0)), ((1 1, 5 1, 5 5, 1 5, 1 1)))",
                Some(Defect::RingsOverlap),
            ),
            ("POLYGON((-180 -90, 180 -90, 180 90, -180 90, -180 -90))", None),
            ("POLYGON((179 0, -179 0, -179 1, 179 1, 179 0))", Some(Defect::Antimeridian)),
            ("GEOMETRYCOLLECTION(POINT(0 0), LINESTRING(1 1))", Some(Defect::TooFewPoints)),
        ];
        for (text, defect) in cases {
            assert_eq!(judge(&of_wkt(text).unwrap(), true), defect, "{text}");
        }
        let metres = of_wkt("LINESTRING(500000 4200000, 400000 4200000)").unwrap();
        assert_eq!(judge(&metres, false), None);
        let height = Part::Point(Some([0.0, 0.0, f64::INFINITY, 0.0]));
        let height = Shape { dimensions: Dimensions::Xyz, part: height };
        assert_eq!(judge(&height, true), Some(Defect::NotFinite));
        assert_eq!(judge(&Shape::point(f64::NAN, f64::NAN), true), Some(Defect::NotFinite));
    }
}
