//! How a job reads a dataset, as its document says it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ColumnType;

/// What the artifacts of a dataset do not say of themselves, and how they are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReadAs {
    /// The reference system of the coordinates, as `EPSG:<code>` or `OGC:CRS84`. Where the
    /// artifacts name one it must be this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crs: Option<String>,
    /// Where the geometry is in a form that has no geometries of its own (CSV, NDJSON). It becomes
    /// the column `geometry`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geometry: Option<GeometryColumns>,
    /// The types of columns; a value of another type makes its row a bad one. By default the
    /// narrowest type that keeps every value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, ColumnType>,
    /// The SRID in which the query sees the geometries; by default 4326, longitude and latitude.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub srid: Option<i32>,
}

impl ReadAs {
    /// Whether nothing is said: what is not written into a document.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// The columns that hold a geometry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum GeometryColumns {
    /// A point.
    Point {
        /// The column with the longitude or easting.
        lon: String,
        /// The column with the latitude or northing.
        lat: String,
    },
    /// Any geometry.
    Wkt {
        /// The column with the geometry as well-known text.
        wkt: String,
    },
}

/// What is done with a row that cannot be read as declared. In every case such rows are counted
/// and named.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum OnBadRow {
    /// One such row blocks the job.
    #[default]
    Refuse,
    /// They are left out, up to a bound.
    Skip(Bound),
    /// Geometries that can be made right are; the others are left out, up to a bound.
    Repair(Repair),
}

/// How many rows at most. Where both are given, both hold.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bound {
    /// So many rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<u64>,
    /// So large a part of all rows, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_fraction: Option<f64>,
}

impl Bound {
    /// Whether it bounds anything.
    pub fn is_given(&self) -> bool {
        self.max_rows.is_some() || self.max_fraction.is_some()
    }

    /// Whether so many of all rows are within it; without a bound any number is.
    pub fn holds(&self, rows: u64, of: u64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "a bound is no count")]
        let within = |most: f64| rows as f64 <= most * of as f64;
        self.max_rows.is_none_or(|most| rows <= most) && self.max_fraction.is_none_or(within)
    }
}

/// How much may be repaired.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Repair {
    /// How many rows may be repaired; by default any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<u64>,
    /// How large a part of all rows may be repaired, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_fraction: Option<f64>,
    /// How many rows that cannot be repaired may be left out; by default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<Bound>,
}

impl OnBadRow {
    /// Whether one such row blocks: what is not written into a document.
    pub fn is_refuse(&self) -> bool {
        matches!(self, Self::Refuse)
    }

    /// Whether geometries are repaired.
    pub fn repairs(&self) -> bool {
        matches!(self, Self::Repair(_))
    }

    /// Whether so many of all rows may be left out.
    pub fn may_skip(&self, rows: u64, of: u64) -> bool {
        let bound = match self {
            Self::Refuse => None,
            Self::Skip(bound) => Some(*bound),
            Self::Repair(repair) => repair.skip,
        };
        rows == 0 || bound.is_some_and(|bound| bound.is_given() && bound.holds(rows, of))
    }

    /// Whether so many of all rows may be repaired.
    pub fn may_repair(&self, rows: u64, of: u64) -> bool {
        match self {
            Self::Repair(Repair { max_rows, max_fraction, .. }) => {
                Bound { max_rows: *max_rows, max_fraction: *max_fraction }.holds(rows, of)
            }
            _ => rows == 0,
        }
    }
}
