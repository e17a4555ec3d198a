use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{DatasetVersionId, PolicyLabel, Zone};

/// The version of a line that this program reads.
const VERSION: u32 = 1;

/// One line of the list of withdrawals, an append-only NDJSON file that lies outside of every
/// snapshot: what was erased, or may be seen by fewer, since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Withdrawal {
    /// The version of this format; 1 where it is left out.
    #[serde(default = "first")]
    pub(crate) version: u32,
    /// The key of one object, as in the manifest. Either this or `dataset_version_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// A version of a dataset: with `erase` all of its artifacts, documents and releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dataset_version_id: Option<DatasetVersionId>,
    /// What happens to it.
    pub(crate) action: Action,
    /// The stricter label; with `relabel` only, and only of a version. Never `embargoed`: an
    /// embargo has its date in the catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<PolicyLabel>,
    /// When that was decided.
    pub(crate) at: DateTime<Utc>,
    /// Why; for people.
    pub(crate) reason: String,
}

fn first() -> u32 {
    VERSION
}

/// What happens to what a line names. There is no way back: what was withdrawn stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    /// It is restored no more.
    Erase,
    /// It gets a stricter policy label.
    Relabel,
}

/// What a line says, with nothing left out or over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    EraseKey(String),
    EraseVersion(DatasetVersionId),
    Relabel(DatasetVersionId, PolicyLabel),
}

/// Reads a line; says why it is none.
pub(super) fn read(line: &[u8]) -> Result<Meaning, String> {
    let line: Withdrawal =
        serde_json::from_slice(line).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => format!("at column {}: {error}", error.column()),
            // Of a torn line only the end is missing.
            _ => format!("it ends or breaks off at column {}", error.column()),
        })?;
    if line.version != VERSION {
        return Err(format!("its format is version {}; known is {VERSION}", line.version));
    }
    if line.reason.trim().is_empty() {
        return Err("it gives no reason".to_owned());
    }
    match (line.action, line.key, line.dataset_version_id, line.label) {
        (Action::Erase, Some(key), None, None) => object(key).map(Meaning::EraseKey),
        (Action::Erase, None, Some(version), None) => Ok(Meaning::EraseVersion(version)),
        (Action::Relabel, None, Some(_), Some(PolicyLabel::Embargoed)) => {
            Err("an embargo has its date in the catalog; relabel as restricted".to_owned())
        }
        (Action::Relabel, None, Some(version), Some(label)) => Ok(Meaning::Relabel(version, label)),
        (Action::Relabel, Some(_), ..) => Err("labels are of versions, not of keys".to_owned()),
        (Action::Relabel, _, _, None) => Err("it gives no label".to_owned()),
        (Action::Erase, _, _, Some(_)) => Err("an erasure has no label".to_owned()),
        _ => Err("it names not one of `key` and `dataset_version_id`".to_owned()),
    }
}

fn object(key: String) -> Result<String, String> {
    if key.is_empty() || key.starts_with('/') || key.ends_with('/') {
        return Err("its key names no object; name a version as a whole".to_owned());
    }
    if Zone::of_key(&key) == Zone::Audit {
        return Err("the ledger is append-only: nothing of it can be erased".to_owned());
    }
    Ok(key)
}
