use geo::{BooleanOps, MultiPolygon, Rect, coord};

use super::planar;
use super::shape::{Part, Path, Position};

/// Cuts lines and areas that cross the antimeridian in two, as GeoJSON (RFC 7946, 3.1.9) asks.
/// `None` where an area holds a pole.
pub(super) fn cut(part: &Part) -> Option<Part> {
    Some(match part {
        Part::Point(_) | Part::Points(_) => part.clone(),
        Part::Line(path) => Part::Lines(pieces(path)),
        Part::Lines(paths) => Part::Lines(paths.iter().flat_map(pieces).collect()),
        Part::Polygon(rings) => Part::Polygons(areas(rings)?),
        Part::Polygons(polygons) => {
            let all: Option<Vec<_>> = polygons.iter().map(|rings| areas(rings)).collect();
            Part::Polygons(all?.into_iter().flatten().collect())
        }
        Part::Collection(parts) => Part::Collection(parts.iter().map(cut).collect::<Option<_>>()?),
    })
}

/// The path without leaps: its longitudes may go beyond 180 degrees.
fn unrolled(path: &Path, near: Option<f64>) -> Path {
    let mut out: Path = Vec::with_capacity(path.len());
    for position in path {
        let mut position = *position;
        if let Some(last) = out.last().map(|last| last[0]).or(near) {
            position[0] -= ((position[0] - last) / 360.0).round() * 360.0;
        }
        out.push(position);
    }
    out
}

fn pieces(path: &Path) -> Vec<Path> {
    let mut pieces: Vec<Path> = vec![Vec::new()];
    let mut last: Option<Position> = None;
    for position in path {
        if let Some(from) = last
            && super::judge::leaps(&from, position)
        {
            let side = 180_f64.copysign(from[0]);
            let ahead = position[0] + 2.0 * side;
            let share = (side - from[0]) / (ahead - from[0]);
            let y = from[1] + share * (position[1] - from[1]);
            pieces.last_mut().into_iter().for_each(|piece| piece.push([side, y, 0.0, 0.0]));
            pieces.push(vec![[-side, y, 0.0, 0.0]]);
        }
        pieces.last_mut().into_iter().for_each(|piece| piece.push(*position));
        last = Some(*position);
    }
    // A path that ends on the meridian leaves a piece of no length.
    for piece in &mut pieces {
        piece.dedup_by(|a, b| a[..2] == b[..2]);
    }
    pieces.retain(|piece| piece.len() > 1);
    pieces
}

fn areas(rings: &[Path]) -> Option<Vec<Vec<Path>>> {
    let mut rolled: Vec<Path> = Vec::new();
    for ring in rings {
        let near = rolled.first().and_then(|ring| ring.first()).map(|position| position[0]);
        let ring = unrolled(ring, near);
        // One that does not come back to where it began goes round a pole.
        if ring.first().map(|p| p[0]) != ring.last().map(|p| p[0]) {
            return None;
        }
        rolled.push(ring);
    }
    let whole = planar::polygon(&rolled);
    let mut areas = Vec::new();
    for turn in [-360.0, 0.0, 360.0] {
        let world =
            Rect::new(coord! { x: turn - 180.0, y: -90.0 }, coord! { x: turn + 180.0, y: 90.0 });
        let piece: MultiPolygon = whole.intersection(&world.to_polygon());
        for polygon in piece {
            let mut rings = planar::rings(polygon);
            for position in rings.iter_mut().flatten() {
                position[0] = (position[0] - turn).clamp(-180.0, 180.0);
            }
            areas.push(rings);
        }
    }
    Some(areas)
}
