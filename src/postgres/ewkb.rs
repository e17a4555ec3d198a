//! Brings any WKB into the one form in which PostGIS sends a geometry: little-endian EWKB, the
//! SRID on the outermost geometry only, Z and M as flag bits, an empty point as positive NaN.
//!
//! An encoder of our own, because the `wkb` crate writes only the ISO form.

use std::str::FromStr;

const Z: u32 = 0x8000_0000;
const M: u32 = 0x4000_0000;
const SRID: u32 = 0x2000_0000;
const POINT: u32 = 1;
const COLLECTION: u32 = 7;
/// Deeper nesting is refused, before it overflows the stack.
const MAX_DEPTH: u32 = 32;
/// The NaN that PostGIS writes for an empty point.
const EMPTY: u64 = 0x7ff8_0000_0000_0000;

/// Why a geometry is not accepted. Never holds a coordinate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EwkbError {
    /// The bytes end early.
    #[error("the WKB ends early")]
    Short,
    /// Bytes follow the geometry.
    #[error("bytes follow the WKB")]
    Trailing,
    /// No geometry that is supported.
    #[error("WKB type {0} is not supported")]
    Type(u32),
    /// A coordinate is NaN.
    #[error("a coordinate is NaN")]
    NotANumber,
    /// A part has other dimensions or another type than the whole allows.
    #[error("a part does not fit the whole")]
    Part,
    /// Nested too deeply.
    #[error("nested too deeply")]
    Depth,
    /// The geometry is in another reference system.
    #[error("it has SRID {found}, the column {declared}")]
    Srid {
        /// What the geometry says.
        found: i32,
        /// What the column says.
        declared: i32,
    },
    /// The geometry is of another kind.
    #[error("it is a {found}, the column takes {declared}")]
    Kind {
        /// What the geometry is.
        found: String,
        /// What the column takes.
        declared: String,
    },
    /// The declared kind is none.
    #[error("`{0}` is no kind of geometry")]
    UnknownKind(String),
}

/// What a column takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// The WKB type, or 0 for any.
    base: u32,
    flags: u32,
}

const NAMES: [&str; 8] = [
    "Geometry",
    "Point",
    "LineString",
    "Polygon",
    "MultiPoint",
    "MultiLineString",
    "MultiPolygon",
    "GeometryCollection",
];

impl FromStr for Kind {
    type Err = EwkbError;

    fn from_str(text: &str) -> Result<Self, EwkbError> {
        let lower = text.to_ascii_lowercase();
        for (suffix, flags) in [("zm", Z | M), ("z", Z), ("m", M), ("", 0)] {
            let Some(name) = lower.strip_suffix(suffix) else { continue };
            if let Some(base) = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name)) {
                return Ok(Self { base: u32::try_from(base).unwrap_or(0), flags });
            }
        }
        Err(EwkbError::UnknownKind(text.to_owned()))
    }
}

impl Kind {
    /// The name as PostGIS takes it in a type modifier, such as `MultiPolygonZ`.
    pub(crate) fn name(self) -> String {
        let z = if self.flags & Z == 0 { "" } else { "Z" };
        let m = if self.flags & M == 0 { "" } else { "M" };
        format!("{}{z}{m}", NAMES[self.base as usize % NAMES.len()])
    }

    fn is_multi_of(self, base: u32) -> bool {
        base <= 3 && self.base == base + 3
    }
}

/// Appends `wkb` (ISO or extended, either byte order) to `out` in PostGIS' own form. A single
/// geometry becomes a multiple one where the column takes only those.
pub(crate) fn normalise(
    wkb: &[u8],
    kind: Kind,
    srid: i32,
    out: &mut Vec<u8>,
) -> Result<(), EwkbError> {
    let mut reader = Reader { bytes: wkb, big: false };
    let head = reader.head()?;
    if head.srid.is_some_and(|found| found != 0 && found != srid) {
        return Err(EwkbError::Srid { found: head.srid.unwrap_or(0), declared: srid });
    }
    let promoted = kind.is_multi_of(head.base);
    if head.flags != kind.flags || !(kind.base == 0 || kind.base == head.base || promoted) {
        let found = Kind { base: head.base, flags: head.flags }.name();
        return Err(EwkbError::Kind { found, declared: kind.name() });
    }
    let base = if promoted { kind.base } else { head.base };
    let flag = if srid == 0 { 0 } else { SRID };
    write_head(out, base | head.flags | flag);
    if srid != 0 {
        out.extend_from_slice(&srid.to_le_bytes());
    }
    if promoted {
        promote(&mut reader, &head, out)?;
    } else {
        body(&mut reader, &head, 0, out)?;
    }
    if reader.bytes.is_empty() { Ok(()) } else { Err(EwkbError::Trailing) }
}

/// Writes a single geometry as the only part of a multiple one; an empty one as no part.
fn promote(reader: &mut Reader<'_>, head: &Head, out: &mut Vec<u8>) -> Result<(), EwkbError> {
    let empty = if head.base == POINT {
        reader.peek_point_is_empty(head.dimensions())?
    } else {
        Reader { ..*reader }.u32()? == 0
    };
    out.extend_from_slice(&u32::from(!empty).to_le_bytes());
    let start = out.len();
    write_head(out, head.base | head.flags);
    body(reader, head, 0, out)?;
    if empty {
        out.truncate(start);
    }
    Ok(())
}

fn write_head(out: &mut Vec<u8>, code: u32) {
    out.push(1);
    out.extend_from_slice(&code.to_le_bytes());
}

fn body(
    reader: &mut Reader<'_>,
    head: &Head,
    depth: u32,
    out: &mut Vec<u8>,
) -> Result<(), EwkbError> {
    let dimensions = head.dimensions();
    match head.base {
        POINT => {
            if reader.peek_point_is_empty(dimensions)? {
                reader.take(dimensions * 8)?;
                (0..dimensions).for_each(|_| out.extend_from_slice(&EMPTY.to_le_bytes()));
                Ok(())
            } else {
                reader.coordinates(dimensions, out)
            }
        }
        2 => line(reader, dimensions, out),
        3 => {
            let rings = reader.count(out)?;
            (0..rings).try_for_each(|_| line(reader, dimensions, out))
        }
        _ => {
            if depth >= MAX_DEPTH {
                return Err(EwkbError::Depth);
            }
            let parts = reader.count(out)?;
            (0..parts).try_for_each(|_| {
                let part = reader.head()?;
                let fits = head.base == COLLECTION || part.base + 3 == head.base;
                if !fits || part.flags != head.flags {
                    return Err(EwkbError::Part);
                }
                write_head(out, part.base | part.flags);
                body(reader, &part, depth + 1, out)
            })
        }
    }
}

fn line(reader: &mut Reader<'_>, dimensions: usize, out: &mut Vec<u8>) -> Result<(), EwkbError> {
    let points = reader.count(out)?;
    let values = usize::try_from(points).unwrap_or(usize::MAX).checked_mul(dimensions);
    reader.coordinates(values.ok_or(EwkbError::Short)?, out)
}

struct Head {
    base: u32,
    flags: u32,
    srid: Option<i32>,
}

impl Head {
    fn dimensions(&self) -> usize {
        2 + (self.flags & (Z | M)).count_ones() as usize
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// The byte order of the geometry that is being read; each part says its own.
    big: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], EwkbError> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(EwkbError::Short)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, EwkbError> {
        let bytes = self.take(4)?.first_chunk().ok_or(EwkbError::Short)?;
        Ok(if self.big { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) })
    }

    fn head(&mut self) -> Result<Head, EwkbError> {
        self.big = match self.take(1)? {
            [0] => true,
            [1] => false,
            _ => return Err(EwkbError::Type(0)),
        };
        let code = self.u32()?;
        let iso = code & 0x0fff_ffff;
        let (base, iso_flags) = match iso / 1000 {
            0 => (iso, 0),
            1 => (iso - 1000, Z),
            2 => (iso - 2000, M),
            3 => (iso - 3000, Z | M),
            _ => return Err(EwkbError::Type(iso)),
        };
        if !(POINT..=COLLECTION).contains(&base) {
            return Err(EwkbError::Type(iso));
        }
        let srid = if code & SRID == 0 { None } else { Some(self.u32()?.cast_signed()) };
        Ok(Head { base, flags: iso_flags | code & (Z | M), srid })
    }

    fn count(&mut self, out: &mut Vec<u8>) -> Result<u32, EwkbError> {
        let count = self.u32()?;
        out.extend_from_slice(&count.to_le_bytes());
        Ok(count)
    }

    fn coordinates(&mut self, values: usize, out: &mut Vec<u8>) -> Result<(), EwkbError> {
        let bytes = self.take(values.checked_mul(8).ok_or(EwkbError::Short)?)?;
        out.reserve(bytes.len());
        for eight in bytes.as_chunks::<8>().0 {
            let value =
                if self.big { f64::from_be_bytes(*eight) } else { f64::from_le_bytes(*eight) };
            if value.is_nan() {
                return Err(EwkbError::NotANumber);
            }
            out.extend_from_slice(&value.to_le_bytes());
        }
        Ok(())
    }

    fn peek_point_is_empty(&self, dimensions: usize) -> Result<bool, EwkbError> {
        let bytes = Reader { ..*self }.take(dimensions * 8)?;
        Ok(bytes.as_chunks::<8>().0.iter().all(|eight| {
            let value =
                if self.big { f64::from_be_bytes(*eight) } else { f64::from_le_bytes(*eight) };
            value.is_nan()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
            .collect()
    }

    fn to(kind: &str, wkb: &[u8]) -> Result<Vec<u8>, EwkbError> {
        let mut out = Vec::new();
        normalise(wkb, kind.parse()?, 4326, &mut out).map(|()| out)
    }

    const ONE: &str = "000000000000f03f";
    const ONE_BIG: &str = "3ff0000000000000";

    #[test]
    fn byte_order_iso_flags_and_srid_come_into_one_form() {
        let want = hex(&format!("01010000a0e6100000{ONE}{ONE}{ONE}"));
        for wkb in [
            format!("01e9030000{ONE}{ONE}{ONE}"),
            format!("00000003e9{ONE_BIG}{ONE_BIG}{ONE_BIG}"),
            format!("0101000080{ONE}{ONE}{ONE}"),
            format!("01010000a0e6100000{ONE}{ONE}{ONE}"),
        ] {
            assert_eq!(to("PointZ", &hex(&wkb)).unwrap(), want, "{wkb}");
            assert!(to("Point", &hex(&wkb)).is_err());
        }
    }

    #[test]
    fn a_single_one_becomes_multiple_and_an_empty_one_none() {
        let point = format!("0101000000{ONE}{ONE}");
        let want = hex(&format!("0104000020e6100000010000000101000000{ONE}{ONE}"));
        assert_eq!(to("MultiPoint", &hex(&point)).unwrap(), want);
        let empty = "0101000000000000000000f8ff000000000000f87f";
        assert_eq!(to("MultiPoint", &hex(empty)).unwrap(), hex("0104000020e610000000000000"));
        assert_eq!(
            to("Point", &hex(empty)).unwrap(),
            hex("0101000020e6100000000000000000f87f000000000000f87f")
        );
        assert_eq!(
            to("MultiPolygon", &hex("010300000000000000")).unwrap(),
            hex("0106000020e610000000000000")
        );
    }

    #[test]
    fn what_cannot_be_exact_is_refused() {
        let nan = format!("0101000000{ONE}000000000000f87f");
        assert_eq!(to("Point", &hex(&nan)), Err(EwkbError::NotANumber));
        let other = format!("0101000020110f0000{ONE}{ONE}");
        assert_eq!(to("Point", &hex(&other)), Err(EwkbError::Srid { found: 3857, declared: 4326 }));
        let good = hex(&format!("0101000000{ONE}{ONE}"));
        assert_eq!(to("Point", &good[..20]), Err(EwkbError::Short));
        assert_eq!(to("Point", &[&good[..], &[0]].concat()), Err(EwkbError::Trailing));
        assert!(matches!(to("Polygon", &good), Err(EwkbError::Kind { .. })));
        assert!(matches!(to("Blob", &good), Err(EwkbError::UnknownKind(_))));
        let deep = [hex("010700000001000000").repeat(40), good].concat();
        assert_eq!(to("Geometry", &deep), Err(EwkbError::Depth));
        assert_eq!(to("Geometry", &hex("0102000000ffffffff")), Err(EwkbError::Short));
    }
}
