use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::digest::{Algorithm, Digest, canonical_json};
use crate::model::{Finding, FindingKind};

/// Where the records are, by day: `YYYY/YYYY-MM/YYYY-MM-DD/<type>_<digest>.json`.
pub(super) const RECORDS: &str = "audit/ledger/records/";
/// Where the head is.
pub(crate) const HEAD: &str = "audit/ledger/heads/ledger_head.json";
/// Where the head's detached signature is.
pub(crate) const SIGNATURE: &str = "audit/ledger/heads/ledger_head.json.sig";

/// The name of a record: the 32 bytes of its `event_hash`.
pub(super) type Name = [u8; 32];

/// What stands for "no record before this one".
pub(super) const GENESIS: Name = [0; 32];

/// What the chain is made of: a record reduced to its name and the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: Name,
    pub(super) prev: Name,
    /// Microseconds since 1970; orders what the chain itself does not.
    pub(super) at: i64,
    pub(super) key: Box<str>,
    /// Records that lost the race for the head to this one.
    pub(super) supersedes: Vec<Name>,
}

/// The document that names the last record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The format's version.
    #[serde(default = "first_version")]
    pub(crate) version: u32,
    /// The last record's hash.
    pub(crate) event_hash: Digest,
    /// The last record's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timestamp: Option<String>,
    /// How many records the chain has up to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) records: Option<u64>,
}

fn first_version() -> u32 {
    1
}

impl Head {
    pub(super) fn name(&self) -> Name {
        *self.event_hash.as_bytes()
    }
}

/// Reads a record; the finding says what is wrong with it. An altered record is still a link under
/// the name that it claims, so that one damaged record is one finding.
pub(super) fn read_link(key: &str, bytes: &[u8]) -> (Option<Link>, Option<Finding>) {
    let altered = |hint: &str| Finding::blocking(FindingKind::LedgerAltered, hint).at(key);
    let Ok(Value::Object(mut record)) = serde_json::from_slice(bytes) else {
        let hint = "the record is no JSON object: restore it from a snapshot";
        return (None, Some(altered(hint)));
    };
    let claimed = record.remove("event_hash");
    let Some(claimed) = claimed.as_ref().and_then(read_hash) else {
        return (None, Some(altered("the record has no `event_hash` of the form sha256:<hex>")));
    };
    let Some(prev) = read_prev(&record) else {
        return (None, Some(altered("the record's `prev_hash` is not of the form sha256:<hex>")));
    };
    let link = Link {
        name: *claimed.as_bytes(),
        prev,
        at: time_of(&record).unwrap_or(0),
        key: key.into(),
        supersedes: read_superseded(&record),
    };
    let finding = match canonical_json(&record).map(|bytes| Digest::sha256(&bytes)) {
        Ok(actual) if actual == claimed => None,
        Ok(actual) => Some(
            altered("the record was changed after it was written: restore it from a snapshot")
                .differs(claimed, actual),
        ),
        Err(_) => Some(altered("the record has no canonical form")),
    };
    (Some(link), finding)
}

fn read_hash(value: &Value) -> Option<Digest> {
    let digest: Digest = value.as_str()?.parse().ok()?;
    (digest.algorithm() == Algorithm::Sha256).then_some(digest)
}

fn read_prev(record: &Map<String, Value>) -> Option<Name> {
    match record.get("prev_hash") {
        None | Some(Value::Null) => Some(GENESIS),
        Some(Value::String(text)) if text.is_empty() => Some(GENESIS),
        Some(value) => read_hash(value).map(|digest| *digest.as_bytes()),
    }
}

fn read_superseded(record: &Map<String, Value>) -> Vec<Name> {
    let lost = record.get("supersedes").and_then(Value::as_array);
    lost.into_iter().flatten().filter_map(read_hash).map(|digest| *digest.as_bytes()).collect()
}

fn time_of(record: &Map<String, Value>) -> Option<i64> {
    let text = record.get("timestamp")?.as_str()?;
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    Some(time.with_timezone(&Utc).timestamp_micros())
}

pub(super) fn digest_of(name: Name) -> Digest {
    Digest::new(Algorithm::Sha256, name)
}
