//! `release.json`: what is published, and which version of the formats a document has.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;

/// The first version of a format.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is there for its schema")]
pub(super) enum V1 {
    /// The first.
    #[schemars(rename = "v1")]
    V1,
}

/// The first version of a format, spelled as a number.
#[derive(JsonSchema)]
#[schemars(extend("const" = 1))]
#[expect(dead_code, reason = "it is there for its schema")]
pub(super) struct Spelling(u8);

/// That a dataset version is published, and on which evidence.
#[derive(JsonSchema)]
#[schemars(extend("anyOf" = [
    {"required": ["kfm_release_version"], "properties": {"kfm_release_version": {"const": "v1"}}},
    {"required": ["version"], "properties": {"version": {"const": 1}}},
]))]
#[expect(dead_code, reason = "it is there for its schema")]
pub(super) struct Release {
    /// The version of this format.
    kfm_release_version: Option<V1>,
    /// The version of this format as first spelled; read, not written any more.
    version: Option<Spelling>,
    /// The dataset, as in the key.
    #[schemars(length(min = 1))]
    dataset: String,
    /// The version, as in the key.
    #[schemars(length(min = 1))]
    dataset_version_id: String,
    /// What became of it, such as `released`, `superseded` or `withdrawn`.
    #[schemars(length(min = 1))]
    status: String,
    /// When it was released.
    released_at: DateTime<Utc>,
    /// Who may see it.
    policy_label: Option<String>,
    /// The run that the ledger knows it by.
    audit_ref: Option<String>,
    /// What it rests on: `dcat://`, `stac://`, `prov://`, `doc://` or `graph://` references.
    #[schemars(inner(regex(pattern = "^(dcat|stac|prov|doc|graph)://.+$")))]
    evidence_refs: Vec<String>,
}
