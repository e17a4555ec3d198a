use geo::algorithm::validation::{InvalidMultiPolygon, InvalidPolygon};
use geo::{Coord, LineString, MultiPolygon, Polygon, Validation};

use super::shape::{Part, Path};
use crate::dataset::defect::Defect;

/// The polygon of these rings in the plane.
pub(super) fn polygon(rings: &[Path]) -> Polygon {
    let mut lines = rings.iter().map(line);
    let exterior = lines.next().unwrap_or_else(|| LineString::new(Vec::new()));
    Polygon::new(exterior, lines.collect())
}

fn line(path: &Path) -> LineString {
    path.iter().map(|position| Coord { x: position[0], y: position[1] }).collect()
}

/// The rings of a polygon.
pub(super) fn rings(polygon: Polygon) -> Vec<Path> {
    let (exterior, interiors) = polygon.into_inner();
    std::iter::once(exterior)
        .chain(interiors)
        .map(|ring| ring.into_iter().map(|coord| [coord.x, coord.y, 0.0, 0.0]).collect())
        .collect()
}

/// What is wrong with the polygons of a geometry, taken as areas.
pub(super) fn invalid(part: &Part) -> Option<Defect> {
    match part {
        Part::Polygon(rings) => polygon(rings).check_validation().err().map(|error| of(&error)),
        Part::Polygons(polygons) => {
            let all = MultiPolygon::new(polygons.iter().map(|rings| polygon(rings)).collect());
            all.check_validation().err().map(|error| match error {
                InvalidMultiPolygon::InvalidPolygon(_, error) => of(&error),
                _ => Defect::RingsOverlap,
            })
        }
        Part::Collection(parts) => parts.iter().find_map(invalid),
        Part::Point(_) | Part::Line(_) | Part::Points(_) | Part::Lines(_) => None,
    }
}

fn of(error: &InvalidPolygon) -> Defect {
    match error {
        InvalidPolygon::TooFewPointsInRing(_) => Defect::TooFewPoints,
        InvalidPolygon::SelfIntersection(_) => Defect::SelfIntersection,
        InvalidPolygon::NonFiniteCoord(..) => Defect::NotFinite,
        _ => Defect::RingsOverlap,
    }
}
