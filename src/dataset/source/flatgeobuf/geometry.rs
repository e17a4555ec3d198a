use flatgeobuf::{Geometry, GeometryType, Header};

use crate::dataset::geometry::{Dimensions, Part, Path, Shape};

type Made<T> = Result<T, &'static str>;

/// Takes the geometry of a feature.
pub(super) fn shape(geometry: &Geometry<'_>, header: &Header<'_>) -> Made<Shape> {
    let dimensions = match (header.has_z(), header.has_m()) {
        (false, false) => Dimensions::Xy,
        (true, false) => Dimensions::Xyz,
        (false, true) => Dimensions::Xym,
        (true, true) => Dimensions::Xyzm,
    };
    let kind = match header.geometry_type() {
        GeometryType::Unknown => geometry.type_(),
        kind => kind,
    };
    Ok(Shape { dimensions, part: part(geometry, kind, dimensions)? })
}

fn part(geometry: &Geometry<'_>, kind: GeometryType, dimensions: Dimensions) -> Made<Part> {
    let inner = |kind| {
        let parts = geometry.parts().map(|parts| parts.iter());
        parts.into_iter().flatten().map(move |one| {
            let kind = if kind == GeometryType::Unknown { one.type_() } else { kind };
            part(&one, kind, dimensions)
        })
    };
    let path = || path(geometry, dimensions);
    Ok(match kind {
        GeometryType::Point => Part::Point(path()?.first().copied()),
        GeometryType::MultiPoint => Part::Points(path()?.into_iter().map(Some).collect()),
        GeometryType::LineString => Part::Line(path()?),
        GeometryType::MultiLineString => Part::Lines(split(geometry, path()?)?),
        GeometryType::Polygon => Part::Polygon(split(geometry, path()?)?),
        GeometryType::MultiPolygon => {
            let polygons = inner(GeometryType::Polygon).map(|part| match part? {
                Part::Polygon(rings) => Ok(rings),
                _ => Err("a part of a polygon is none"),
            });
            Part::Polygons(polygons.collect::<Made<_>>()?)
        }
        // Verified tables are nested 64 deep at most.
        GeometryType::GeometryCollection => {
            Part::Collection(inner(GeometryType::Unknown).collect::<Made<_>>()?)
        }
        _ => return Err("a geometry is of a kind that is no simple feature"),
    })
}

fn path(geometry: &Geometry<'_>, dimensions: Dimensions) -> Made<Path> {
    let Some(xy) = geometry.xy() else { return Ok(Vec::new()) };
    let mut path: Path = vec![[0.0; 4]; xy.len() / 2];
    for (index, number) in xy.iter().enumerate().take(path.len() * 2) {
        path[index / 2][index % 2] = number;
    }
    let (z, m) = (geometry.z(), geometry.m());
    let more = match dimensions {
        Dimensions::Xy => [None, None],
        Dimensions::Xyz => [Some(z), None],
        Dimensions::Xym => [Some(m), None],
        Dimensions::Xyzm => [Some(z), Some(m)],
    };
    for (place, numbers) in (2..).zip(more.into_iter().flatten()) {
        let numbers = numbers.filter(|numbers| numbers.len() == path.len());
        let numbers = numbers.ok_or("a geometry has not as many heights as positions")?;
        for (position, number) in path.iter_mut().zip(numbers.iter()) {
            position[place] = number;
        }
    }
    Ok(path)
}

/// Cuts the positions where the parts end.
fn split(geometry: &Geometry<'_>, path: Path) -> Made<Vec<Path>> {
    let Some(ends) = geometry.ends().filter(|ends| !ends.is_empty()) else {
        return Ok(if path.is_empty() { Vec::new() } else { vec![path] });
    };
    let (mut paths, mut start) = (Vec::new(), 0);
    for end in ends {
        let end = end as usize;
        paths.push(path.get(start..end).ok_or("the parts of a geometry do not add up")?.to_vec());
        start = end;
    }
    if start == path.len() { Ok(paths) } else { Err("the parts of a geometry do not add up") }
}
