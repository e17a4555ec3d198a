use std::collections::BTreeMap;
use std::fmt;

/// Why a row cannot be read as declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Defect {
    /// A line, record or feature that does not parse, or has too few or too many fields.
    MalformedRow,
    /// Text that is no UTF-8.
    BadEncoding,
    /// A value that is not of its column's type.
    WrongType,
    /// A geometry that does not parse, or is of a kind that cannot be kept.
    UnreadableGeometry,
    /// A coordinate that is NaN or infinite.
    NotFinite,
    /// A latitude beyond 90 or a longitude beyond 180 degrees.
    OffTheMap,
    /// A line or ring of too few different points.
    TooFewPoints,
    /// A ring that does not end where it begins.
    UnclosedRing,
    /// A ring that crosses or touches itself.
    SelfIntersection,
    /// Rings or parts of one area that cross, overlap or lie outside each other.
    RingsOverlap,
    /// An edge that crosses the antimeridian without being cut there.
    Antimeridian,
    /// Coordinates outside the area of the wanted reference system.
    CannotBeTransformed,
    /// The box that a covering column gives does not hold the geometry.
    OutsideItsBox,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MalformedRow => "malformed-row",
            Self::BadEncoding => "bad-encoding",
            Self::WrongType => "wrong-type",
            Self::UnreadableGeometry => "unreadable-geometry",
            Self::NotFinite => "not-finite",
            Self::OffTheMap => "off-the-map",
            Self::TooFewPoints => "too-few-points",
            Self::UnclosedRing => "unclosed-ring",
            Self::SelfIntersection => "self-intersection",
            Self::RingsOverlap => "rings-overlap",
            Self::Antimeridian => "antimeridian",
            Self::CannotBeTransformed => "cannot-be-transformed",
            Self::OutsideItsBox => "outside-its-box",
        })
    }
}

/// How many rows of a kind are named.
const NAMED: usize = 5;

/// Rows with defects, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tally(BTreeMap<Defect, (u64, Vec<u64>)>);

impl Tally {
    /// Counts a row; the first row of a file is 1.
    pub(in crate::dataset) fn add(&mut self, defect: Defect, row: u64) {
        let (count, named) = self.0.entry(defect).or_default();
        *count += 1;
        if named.len() < NAMED {
            named.push(row);
        }
    }

    /// All rows of all kinds.
    pub(crate) fn rows(&self) -> u64 {
        self.0.values().map(|(count, _)| count).sum()
    }

    /// The kinds with their counts, and the first rows of each where they may be named.
    pub(super) fn shown(&self, name_rows: bool) -> String {
        let kinds = self.0.iter().map(|(defect, (count, rows))| {
            if !name_rows {
                return format!("{defect} {count}");
            }
            let more = if *count > rows.len() as u64 { ", ..." } else { "" };
            let rows = rows.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            format!("{defect} {count} (row {rows}{more})")
        });
        kinds.collect::<Vec<_>>().join("; ")
    }
}
