//! What lists files: `checksums.json` of a version, `manifest.json` of an acquisition.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Deserialize;

use super::release::{Spelling, V1};

/// What the artifacts of a dataset version are: the list that their bytes are held against.
#[derive(JsonSchema)]
#[schemars(extend("anyOf" = [
    {"required": ["kfm_checksums_version"], "properties": {"kfm_checksums_version": {"const": "v1"}}},
    {"required": ["version"], "properties": {"version": {"const": 1}}},
]))]
#[expect(dead_code, reason = "it is there for its schema")]
pub(super) struct Checksums {
    /// The version of this format.
    kfm_checksums_version: Option<V1>,
    /// The version of this format as first spelled; read, not written any more.
    version: Option<Spelling>,
    /// The dataset, as in the key.
    #[schemars(length(min = 1))]
    dataset: String,
    /// The version, as in the key.
    #[schemars(length(min = 1))]
    dataset_version_id: String,
    /// Every artifact of the version.
    artifacts: Vec<ListedFile>,
}

/// What an acquisition brought: what was fetched, from where, when.
#[derive(JsonSchema)]
#[schemars(extend("anyOf" = [
    {"required": ["kfm_raw_manifest_version"], "properties": {"kfm_raw_manifest_version": {"const": "v1"}}},
    {"required": ["version"], "properties": {"version": {"const": 1}}},
]))]
#[expect(dead_code, reason = "it is there for its schema")]
pub(super) struct RawManifest {
    /// The version of this format.
    kfm_raw_manifest_version: Option<V1>,
    /// The version of this format as first spelled; read, not written any more.
    version: Option<Spelling>,
    /// The dataset, as in the key.
    #[schemars(length(min = 1))]
    dataset: String,
    /// The acquisition, as in the key.
    #[schemars(length(min = 1))]
    acquisition_id: String,
    /// When it was acquired.
    acquired_at: DateTime<Utc>,
    /// Where it came from: a name or an URL.
    #[schemars(length(min = 1))]
    source: String,
    /// The licence that it came under: an URL or SPDX id.
    license: Option<String>,
    /// Every file of the acquisition.
    artifacts: Vec<ListedFile>,
}

/// A file that a document lists, by at least one digest.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(extend("anyOf" = [
    {"required": ["blake3"], "properties": {"blake3": {"type": "string"}}},
    {"required": ["sha256"], "properties": {"sha256": {"type": "string"}}},
]))]
pub(in super::super) struct ListedFile {
    /// Its key below the folder of the document, verbatim: nothing in it is percent-encoded.
    #[schemars(length(min = 1))]
    pub(in super::super) path: String,
    /// Its size in bytes.
    pub(in super::super) size: u64,
    /// Its media type.
    #[serde(default)]
    pub(in super::super) media_type: Option<String>,
    /// The BLAKE3 of its bytes, in lower-case hex.
    #[serde(default)]
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub(in super::super) blake3: Option<String>,
    /// The SHA-256 of its bytes, in lower-case hex.
    #[serde(default)]
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub(in super::super) sha256: Option<String>,
}
