use super::shape::{Dimensions, Part, Path, Position, Shape};

/// How deep collections may hold collections.
const DEPTH: usize = 16;

/// Reads well-known binary: ISO or EWKB, of either byte order. Never takes more memory than the
/// bytes can fill, nor goes deeper than `DEPTH`, whatever they say.
pub(in crate::dataset) fn read(bytes: &[u8]) -> Result<Shape, &'static str> {
    let mut reader = Reader { rest: bytes, little: true };
    let (dimensions, kind) = reader.head()?;
    let part = reader.part(kind, dimensions, DEPTH)?;
    if !reader.rest.is_empty() {
        return Err("a geometry has bytes after its end");
    }
    Ok(Shape { dimensions, part })
}

struct Reader<'a> {
    rest: &'a [u8],
    little: bool,
}

const CUT: &str = "a geometry is cut short";

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(CUT)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, &'static str> {
        let bytes = self.take()?;
        Ok(if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    fn head(&mut self) -> Result<(Dimensions, u32), &'static str> {
        self.little = match self.take::<1>()? {
            [0] => false,
            [1] => true,
            _ => return Err("a geometry is no WKB"),
        };
        let word = self.u32()?;
        let (flags, base) = (word & 0xE000_0000, word & 0x1FFF_FFFF);
        if flags & 0x2000_0000 != 0 {
            self.u32()?;
        }
        let (iso, kind) = (base / 1000, base % 1000);
        if iso > 3 || (iso > 0 && flags & 0xC000_0000 != 0) {
            return Err("a geometry is no WKB");
        }
        let z = flags & 0x8000_0000 != 0 || iso == 1 || iso == 3;
        let m = flags & 0x4000_0000 != 0 || iso == 2 || iso == 3;
        let dimensions = match (z, m) {
            (false, false) => Dimensions::Xy,
            (true, false) => Dimensions::Xyz,
            (false, true) => Dimensions::Xym,
            (true, true) => Dimensions::Xyzm,
        };
        Ok((dimensions, kind))
    }

    fn part(
        &mut self,
        kind: u32,
        dimensions: Dimensions,
        depth: usize,
    ) -> Result<Part, &'static str> {
        Ok(match kind {
            1 => Part::Point(self.point(dimensions)?),
            2 => Part::Line(self.path(dimensions)?),
            3 => Part::Polygon(self.many(4, |reader| reader.path(dimensions))?),
            4 => Part::Points(self.many(5, |reader| {
                reader.inner(1, dimensions)?;
                reader.point(dimensions)
            })?),
            5 => Part::Lines(self.many(9, |reader| {
                reader.inner(2, dimensions)?;
                reader.path(dimensions)
            })?),
            6 => Part::Polygons(self.many(9, |reader| {
                reader.inner(3, dimensions)?;
                reader.many(4, |reader| reader.path(dimensions))
            })?),
            7 if depth == 0 => return Err("a geometry holds too many others in each other"),
            7 => Part::Collection(self.many(9, |reader| {
                let (found, kind) = reader.head()?;
                if found != dimensions {
                    return Err("the parts of a geometry differ in their dimensions");
                }
                reader.part(kind, dimensions, depth - 1)
            })?),
            _ => return Err("a geometry is of a kind that is no simple feature"),
        })
    }

    fn inner(&mut self, wanted: u32, dimensions: Dimensions) -> Result<(), &'static str> {
        match self.head()? {
            found if found == (dimensions, wanted) => Ok(()),
            _ => Err("the parts of a geometry are of another kind than the whole"),
        }
    }

    /// As many items as the next number says, each of at least `least` bytes.
    fn many<T>(
        &mut self,
        least: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, &'static str>,
    ) -> Result<Vec<T>, &'static str> {
        let count = self.u32()? as usize;
        if count > self.rest.len() / least {
            return Err(CUT);
        }
        (0..count).map(|_| item(self)).collect()
    }

    fn path(&mut self, dimensions: Dimensions) -> Result<Path, &'static str> {
        self.many(8 * dimensions.len(), |reader| reader.position(dimensions))
    }

    fn position(&mut self, dimensions: Dimensions) -> Result<Position, &'static str> {
        let mut position = [0.0; 4];
        for number in position.iter_mut().take(dimensions.len()) {
            let bytes = self.take()?;
            *number =
                if self.little { f64::from_le_bytes(bytes) } else { f64::from_be_bytes(bytes) };
        }
        Ok(position)
    }

    fn point(&mut self, dimensions: Dimensions) -> Result<Option<Position>, &'static str> {
        self.position(dimensions).map(Some)
    }
}

/// Writes little-endian ISO WKB; the empty point has NaN for its numbers.
pub(in crate::dataset) fn write(shape: &Shape, out: &mut Vec<u8>) {
    Writer { out, dimensions: shape.dimensions }.whole(&shape.part);
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    dimensions: Dimensions,
}

impl Writer<'_> {
    fn whole(&mut self, part: &Part) {
        match part {
            Part::Point(point) => self.point(point.as_ref()),
            Part::Line(path) => self.line(path),
            Part::Polygon(rings) => self.polygon(rings),
            Part::Points(points) => {
                self.head(4);
                self.count(points.len());
                for point in points {
                    self.point(point.as_ref());
                }
            }
            Part::Lines(lines) => {
                self.head(5);
                self.count(lines.len());
                for line in lines {
                    self.line(line);
                }
            }
            Part::Polygons(polygons) => {
                self.head(6);
                self.count(polygons.len());
                for rings in polygons {
                    self.polygon(rings);
                }
            }
            Part::Collection(parts) => {
                self.head(7);
                self.count(parts.len());
                for part in parts {
                    self.whole(part);
                }
            }
        }
    }

    fn head(&mut self, kind: u32) {
        let plus = match self.dimensions {
            Dimensions::Xy => 0,
            Dimensions::Xyz => 1000,
            Dimensions::Xym => 2000,
            Dimensions::Xyzm => 3000,
        };
        self.out.push(1);
        self.out.extend_from_slice(&(kind + plus).to_le_bytes());
    }

    fn count(&mut self, count: usize) {
        // What is read has at most as many parts as its own bytes can count.
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.out.extend_from_slice(&count.to_le_bytes());
    }

    fn point(&mut self, point: Option<&Position>) {
        self.head(1);
        self.position(point.unwrap_or(&[f64::NAN; 4]));
    }

    fn line(&mut self, path: &Path) {
        self.head(2);
        self.path(path);
    }

    fn polygon(&mut self, rings: &[Path]) {
        self.head(3);
        self.count(rings.len());
        for ring in rings {
            self.path(ring);
        }
    }

    fn path(&mut self, path: &Path) {
        self.count(path.len());
        for position in path {
            self.position(position);
        }
    }

    fn position(&mut self, position: &Position) {
        for number in &position[..self.dimensions.len()] {
            self.out.extend_from_slice(&number.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
