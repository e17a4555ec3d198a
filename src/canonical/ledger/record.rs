use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::digest::{Algorithm, Digest};

/// Where the records are, by day: `YYYY/YYYY-MM/YYYY-MM-DD/<type>_<digest>.json`.
pub(super) const RECORDS: &str = "audit/ledger/records/";
/// Where the head is.
pub(crate) const HEAD: &str = "audit/ledger/heads/ledger_head.json";
/// Where the head's detached signature is.
pub(crate) const SIGNATURE: &str = "audit/ledger/heads/ledger_head.json.sig";

/// A record, head or manifest larger than this is none.
pub(super) const DOCUMENT_LIMIT: u64 = 4 << 20;

/// The name of a record: the 32 bytes of its `event_hash`.
pub(super) type Name = [u8; 32];

/// What stands for "no record before this one".
pub(super) const GENESIS: Name = [0; 32];

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
    /// When the last record was made.
    pub(super) fn time(&self) -> Option<DateTime<Utc>> {
        let time = DateTime::parse_from_rfc3339(self.timestamp.as_deref()?).ok()?;
        Some(time.with_timezone(&Utc))
    }

    pub(super) fn name(&self) -> Name {
        *self.event_hash.as_bytes()
    }
}

/// How the head document was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HeadRead {
    Absent,
    Unreadable,
    Read(Head),
}

impl HeadRead {
    pub(super) fn head(&self) -> Option<&Head> {
        match self {
            Self::Read(head) => Some(head),
            _ => None,
        }
    }
}

pub(super) fn digest_of(name: Name) -> Digest {
    Digest::new(Algorithm::Sha256, name)
}
