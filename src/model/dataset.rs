use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{DatasetVersionId, PolicyLabel};
use crate::digest::Digest;

/// One file of a dataset version, as the catalog declares it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its key in the canonical stores.
    pub key: String,
    /// Its media type, such as `application/vnd.apache.parquet`.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub digest: Digest,
    /// The reference system that the catalog gives it, such as `EPSG:26914`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crs: Option<String>,
}

/// What the catalog says of one version of one dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetVersion {
    /// The dataset, such as `ks_counties`.
    pub dataset: String,
    /// The version, such as `2026-02.abcd1234`.
    pub version: DatasetVersionId,
    /// A title for people.
    pub title: String,
    /// A description for people.
    pub description: String,
    /// Who may see it. `None` is missing or unknown: deny.
    pub policy_label: Option<PolicyLabel>,
    /// When an embargo ends.
    pub embargo_until: Option<DateTime<Utc>>,
    /// The licence, an URL or SPDX id.
    pub license: Option<String>,
    /// How many rows all artifacts of one form hold.
    pub rows: Option<u64>,
    /// West, south, east, north in degrees (CRS84).
    pub bbox: Option<[f64; 4]>,
    /// When the data are from: start and end, RFC 3339.
    pub time: (Option<String>, Option<String>),
    /// Its columns with their types, as far as the catalog gives them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<(String, Option<String>)>,
    /// Its files; one table may come in several media types.
    pub artifacts: Vec<Artifact>,
}
