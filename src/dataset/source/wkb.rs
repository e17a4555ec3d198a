use geojson::{GeometryValue, Position};

/// Writes a GeoJSON geometry as little-endian ISO WKB, with Z where its positions have three
/// numbers. The crate `wkb` takes geometries in the plane only when they come out of `geojson`.
pub(super) fn write(geometry: &GeometryValue, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let dimensions = dimensions(geometry).unwrap_or(2);
    if !(2..=3).contains(&dimensions) {
        return Err("a position has neither two nor three numbers");
    }
    Writer { out, dimensions }.geometry(geometry)
}

/// How many numbers the first position has; `None` if there is no position.
fn dimensions(geometry: &GeometryValue) -> Option<usize> {
    let of = |position: &Position| position.as_slice().len();
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
            geometries.iter().find_map(|part| dimensions(&part.value))
        }
    }
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    dimensions: usize,
}

type Written = Result<(), &'static str>;

impl Writer<'_> {
    fn geometry(&mut self, geometry: &GeometryValue) -> Written {
        match geometry {
            GeometryValue::Point { coordinates } => {
                self.head(1);
                self.position(coordinates)
            }
            GeometryValue::LineString { coordinates } => {
                self.head(2);
                self.positions(coordinates)
            }
            GeometryValue::Polygon { coordinates } => {
                self.head(3);
                self.many(coordinates, |writer, ring| writer.positions(ring))
            }
            GeometryValue::MultiPoint { coordinates } => {
                self.head(4);
                self.many(coordinates, |writer, point| {
                    writer.head(1);
                    writer.position(point)
                })
            }
            GeometryValue::MultiLineString { coordinates } => {
                self.head(5);
                self.many(coordinates, |writer, line| {
                    writer.head(2);
                    writer.positions(line)
                })
            }
            GeometryValue::MultiPolygon { coordinates } => {
                self.head(6);
                self.many(coordinates, |writer, polygon| {
                    writer.head(3);
                    writer.many(polygon, |writer, ring| writer.positions(ring))
                })
            }
            GeometryValue::GeometryCollection { geometries } => {
                self.head(7);
                self.many(geometries, |writer, part| writer.geometry(&part.value))
            }
        }
    }

    fn head(&mut self, kind: u32) {
        let kind = if self.dimensions == 3 { kind + 1000 } else { kind };
        self.out.push(1);
        self.out.extend_from_slice(&kind.to_le_bytes());
    }

    fn many<T>(&mut self, parts: &[T], write: impl Fn(&mut Self, &T) -> Written) -> Written {
        let count = u32::try_from(parts.len()).or(Err("a geometry has too many parts"))?;
        self.out.extend_from_slice(&count.to_le_bytes());
        parts.iter().try_for_each(|part| write(self, part))
    }

    fn positions(&mut self, positions: &[Position]) -> Written {
        self.many(positions, Self::position)
    }

    fn position(&mut self, position: &Position) -> Written {
        let numbers = position.as_slice();
        if numbers.len() != self.dimensions {
            return Err("the positions of a geometry differ in their number of dimensions");
        }
        for number in numbers {
            self.out.extend_from_slice(&number.to_le_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use geo_traits::{CoordTrait, GeometryTrait, GeometryType, PointTrait, PolygonTrait};

    use super::*;

    fn of(json: &str) -> Result<Vec<u8>, &'static str> {
        let geometry: geojson::Geometry = json.parse().unwrap();
        let mut out = Vec::new();
        write(&geometry.value, &mut out).map(|()| out)
    }

    #[test]
    fn another_reader_finds_the_same_coordinates() {
        let bytes = of(r#"{"type":"Point","coordinates":[-97.5,38,410]}"#).unwrap();
        let read = ::wkb::reader::read_wkb(&bytes).unwrap();
        let GeometryType::Point(point) = read.as_type() else { panic!("no point") };
        let coord = point.coord().unwrap();
        assert_eq!((coord.x(), coord.y(), coord.nth(2)), (-97.5, 38.0, Some(410.0)));
        let polygon = "[[[0,0],[4,0],[4,4],[0,0]],[[1,1],[2,1],[2,2],[1,1]]]";
        let bytes = of(&format!(r#"{{"type":"MultiPolygon","coordinates":[{polygon}]}}"#)).unwrap();
        let read = ::wkb::reader::read_wkb(&bytes).unwrap();
        let GeometryType::MultiPolygon(parts) = read.as_type() else { panic!("no polygons") };
        let part = geo_traits::MultiPolygonTrait::polygon(parts, 0).unwrap();
        assert_eq!(part.num_interiors(), 1);
    }

    #[test]
    fn mixed_dimensions_are_refused() {
        assert!(of(r#"{"type":"LineString","coordinates":[[0,0],[1,1,1]]}"#).is_err());
        assert!(of(r#"{"type":"Point","coordinates":[0,0,0,0]}"#).is_err());
        assert!(of(r#"{"type":"MultiPoint","coordinates":[]}"#).is_ok());
    }
}
