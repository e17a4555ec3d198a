//! The ledger grows while a store is walked: what lies beyond the head that was read first is
//! left out, so that the copy's chain ends where its head says.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;

use super::run::unreadable;
use crate::canonical::layout::{CHECKPOINTS, RECORDS};
use crate::canonical::ledger::{HEAD, SIGNATURE};
use crate::digest::Digest;
use crate::model::{Failure, Finding, FindingKind};
use crate::store::{Meta, Store, Walked};

/// How often the head is read again to find the signature that belongs to it.
const TRIES: u32 = 5;

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
    /// The head document itself and its signature; both may be replaced while the walk goes on.
    documents: Vec<(Bytes, Meta)>,
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
    /// Reads the head with its signature, then looks for records that follow it already.
    pub(super) async fn read(store: &Store, as_of: DateTime<Utc>) -> Result<Self, Failure> {
        let (documents, unpaired) = head_and_signature(store).await?;
        let Some((bytes, _)) = documents.first() else {
            return Ok(Self { as_of, ..Self::default() });
        };
        let head = match serde_json::from_slice::<Link>(bytes) {
            Ok(link) => link.event_hash,
            Err(error) => {
                let hint = "the head document is damaged; find the last record by the checkpoints";
                let finding = Finding::blocking(FindingKind::LedgerHeadMismatch, hint)
                    .at(HEAD)
                    .differs("a document with `event_hash`", error);
                return Ok(Self { documents, as_of, finding: Some(finding), ..Self::default() });
            }
        };
        let recent = recent(store, as_of).await?;
        let beyond = descendants(&recent, head);
        let recent = recent.into_iter().map(|(key, _)| key).collect();
        Ok(Self { head: Some(head), documents, finding: unpaired, as_of, recent, beyond })
    }

    /// The head document or its signature, as it was read at first.
    pub(super) fn document(&self, key: &str) -> Option<&(Bytes, Meta)> {
        self.documents.iter().find(|(_, meta)| meta.key == key)
    }

    /// Whether an object of the ledger came after the head.
    pub(super) fn is_beyond(&self, meta: &Meta) -> bool {
        if meta.key == SIGNATURE {
            // It was put since, or belongs to a later head.
            return !self.documents.is_empty() && self.document(SIGNATURE).is_none();
        }
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

/// The head document and, if it has one, its signature. The signature is read between two looks at
/// the head, so that no later one is paired with it; where the head moves each time it is left out.
async fn head_and_signature(
    store: &Store,
) -> Result<(Vec<(Bytes, Meta)>, Option<Finding>), Failure> {
    let mut tries = 0;
    loop {
        tries += 1;
        let Some(head) = store.read(HEAD, LIMIT).await? else { return Ok((Vec::new(), None)) };
        let signature = match store.read(SIGNATURE, LIMIT).await {
            Ok(signature) => signature,
            Err(error) if error.is_of_one_object() => {
                return Ok((vec![head], Some(unreadable(SIGNATURE, error.in_full()))));
            }
            Err(error) => return Err(error.into()),
        };
        let again = store.read(HEAD, LIMIT).await?;
        if again.is_some_and(|(bytes, _)| bytes == head.0) {
            return Ok(([head].into_iter().chain(signature).collect(), None));
        }
        if tries == TRIES {
            let hint = "the head moved whenever its signature was read, so the snapshot has none: \
                        seal again while less is written";
            let finding = Finding::warning(FindingKind::LedgerSignatureMissing, hint);
            return Ok((vec![head], Some(finding.at(SIGNATURE))));
        }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::Location;

    fn put(root: &std::path::Path, key: &str, bytes: &str) {
        let path = root.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn head(name: &str) -> String {
        json!({"event_hash": Digest::sha256(name.as_bytes())}).to_string()
    }

    #[tokio::test]
    async fn a_signature_is_sealed_with_the_head_that_it_was_read_with() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let store = Store::open(&Location::of_path(root).unwrap()).unwrap();
        put(root, HEAD, &head("a"));
        put(root, SIGNATURE, "of a");
        let ledger = Ledger::read(&store, Utc::now()).await.unwrap();
        // The ledger goes on while the store is walked.
        put(root, HEAD, &head("b"));
        put(root, SIGNATURE, "of b");
        let kept = |key: &str| ledger.document(key).map(|(bytes, _)| bytes.clone()).unwrap();
        assert_eq!((&kept(HEAD)[..], &kept(SIGNATURE)[..]), (head("a").as_bytes(), &b"of a"[..]));
        let signature = store.head(SIGNATURE).await.unwrap().unwrap();
        assert!(!ledger.is_beyond(&signature));

        // One that is put beside the head meanwhile may be that of a later one.
        std::fs::remove_file(root.join(SIGNATURE)).unwrap();
        let ledger = Ledger::read(&store, Utc::now()).await.unwrap();
        put(root, SIGNATURE, "of c");
        let signature = store.head(SIGNATURE).await.unwrap().unwrap();
        assert!(ledger.is_beyond(&signature));
    }
}
