//! The ledger grows while a store is walked: what lies beyond the head that was read first is
//! left out, so that the copy's chain ends where its head says.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;

use crate::canonical::layout::{CHECKPOINTS, HEADS, RECORDS};
use crate::digest::Digest;
use crate::model::{Failure, Finding, FindingKind};
use crate::store::{Meta, Store, Walked};

/// A head or a record is small.
const LIMIT: u64 = 4 * 1024 * 1024;

/// How far the clocks of this machine and of a store may be apart.
const SKEW: TimeDelta = TimeDelta::minutes(10);

/// How many records are read at once.
const AT_ONCE: usize = 8;

/// The ledger at the time when the walk began.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The hash of its last record.
    pub(super) head: Option<Digest>,
    /// The head document itself; it may be replaced while the walk goes on.
    pub(super) document: Option<(Bytes, Meta)>,
    /// What is wrong with the head document.
    pub(super) finding: Option<Finding>,
    as_of: DateTime<Utc>,
    recent: BTreeSet<String>,
    beyond: BTreeSet<String>,
}

/// What both a record and a head document say.
#[derive(Debug, Deserialize)]
struct Link {
    event_hash: Digest,
    prev_hash: Option<Digest>,
}

impl Ledger {
    /// Reads the head, then looks for records that follow it already.
    pub(super) async fn read(store: &Store, as_of: DateTime<Utc>) -> Result<Self, Failure> {
        let key = format!("{HEADS}ledger_head.json");
        let Some(document) = store.read(&key, LIMIT).await? else {
            return Ok(Self { as_of, ..Self::default() });
        };
        let head = match serde_json::from_slice::<Link>(&document.0) {
            Ok(link) => link.event_hash,
            Err(error) => {
                let hint = "the head document is damaged; find the last record by the checkpoints";
                let finding = Finding::blocking(FindingKind::LedgerHeadMismatch, hint)
                    .at(key)
                    .differs("a document with `event_hash`", error);
                let document = Some(document);
                return Ok(Self { document, as_of, finding: Some(finding), ..Self::default() });
            }
        };
        let recent = recent(store, as_of).await?;
        let beyond = descendants(&recent, head);
        let recent = recent.into_iter().map(|(key, _)| key).collect();
        Ok(Self {
            head: Some(head),
            document: Some(document),
            finding: None,
            as_of,
            recent,
            beyond,
        })
    }

    /// Whether an object of the ledger came after the head.
    pub(super) fn is_beyond(&self, meta: &Meta) -> bool {
        if self.head.is_none() {
            return false;
        }
        if meta.key.starts_with(CHECKPOINTS) {
            return meta.modified >= self.as_of;
        }
        meta.key.starts_with(RECORDS)
            && (self.beyond.contains(&meta.key)
                // Not there when the records were looked through, so written since.
                || (is_recent(meta, self.as_of) && !self.recent.contains(&meta.key)))
    }
}

fn is_recent(meta: &Meta, as_of: DateTime<Utc>) -> bool {
    meta.modified >= as_of - SKEW
}

/// The records that may have been written since; what is no record is not left out.
async fn recent(
    store: &Store,
    as_of: DateTime<Utc>,
) -> Result<Vec<(String, Option<Link>)>, Failure> {
    let found = store.walk(RECORDS).try_filter_map(|walked| async {
        Ok(match walked {
            Walked::Object(meta) if is_recent(&meta, as_of) => Some(meta.key),
            _ => None,
        })
    });
    let read = found.map_ok(|key| async move {
        let link = match store.read(&key, LIMIT).await {
            Ok(found) => found.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok()),
            // It will be met again, and named, when it is copied.
            Err(error) if error.is_of_one_object() => None,
            Err(error) => return Err(error),
        };
        Ok((key, link))
    });
    Ok(read.try_buffered(AT_ONCE).boxed().try_collect().await?)
}

/// The keys of the records that follow `head`, directly or through others.
fn descendants(records: &[(String, Option<Link>)], head: Digest) -> BTreeSet<String> {
    let mut followers: BTreeMap<Digest, Vec<(&String, Digest)>> = BTreeMap::new();
    for (key, link) in records {
        if let Some(Link { event_hash, prev_hash: Some(prev) }) = link {
            followers.entry(*prev).or_default().push((key, *event_hash));
        }
    }
    let (mut found, mut next) = (BTreeSet::new(), vec![head]);
    while let Some(hash) = next.pop() {
        // Taken out, so that a circle ends.
        for (key, hash) in followers.remove(&hash).unwrap_or_default() {
            found.insert(key.clone());
            next.push(hash);
        }
    }
    found
}
