use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use tokio::task::JoinError;

use super::chain::Chain;
use super::checkpoint::{self, CHECKPOINTS, Checkpoint};
use super::record::{HEAD, Head, Link, Name, RECORDS, SIGNATURE, read_link};
use super::report::{AnchoredHead, HeadDocument, HeadRead, LedgerReport, Signature, judge};
use crate::model::{Finding, FindingKind};
use crate::store::{Meta, Store, StoreError, Walked};

/// Records read at once.
const READS: usize = 32;
/// Records hashed in one go off the asynchronous threads.
const BATCH: usize = 256;
/// A record, head or manifest larger than this is none.
const DOCUMENT_LIMIT: u64 = 4 << 20;
/// A checkpoint holds a line for each record of a day.
const CHECKPOINT_LIMIT: u64 = 1 << 30;
/// More findings than this say nothing new.
const FINDINGS: usize = 1000;

/// Verifies the chain from its first record to the head, as a stream: the links of two days are in
/// memory at once, never the records.
///
/// Days are read in the order of their folders. Within a window of two days the chain alone gives
/// the order. With an `anchor`, the chain must hold it; whatever came later is growth.
pub(crate) async fn verify(
    store: &Store,
    anchor: Option<&AnchoredHead>,
    document: HeadDocument,
) -> Result<LedgerReport, StoreError> {
    // The head first: a record that comes while we walk is growth, never a gap.
    let head = read_head(store).await?;
    let signature = match store.head(SIGNATURE).await? {
        None => Signature::Absent,
        Some(_) => Signature::NotChecked,
    };
    let mut sought: Vec<Name> = head.head().map(Head::name).into_iter().collect();
    sought.extend(anchor.map(|anchor| *anchor.event_hash.as_bytes()));
    let mut days = Days {
        store,
        chain: Chain::new(sought),
        checkpoints: checkpoint_days(store).await?,
        agreeing: 0,
        checkpointed: None,
        findings: Vec::new(),
    };
    days.walk().await?;
    let (agreeing, checkpointed, mut findings) = (days.agreeing, days.checkpointed, days.findings);
    let (tree, torn) = days.chain.finish();
    let moved = read_head(store).await? != head;
    let (records, judged) = judge(&tree, &head, moved, anchor);
    let missing = document == HeadDocument::YetToCome && head == HeadRead::Absent;
    let judged =
        judged.into_iter().filter(|f| !(missing && f.kind == FindingKind::LedgerHeadMismatch));
    findings.extend(torn);
    findings.extend(judged);
    findings.truncate(FINDINGS);
    let head = head.head().cloned();
    Ok(LedgerReport { records, head, findings, checkpoints: agreeing, checkpointed, signature })
}

/// Reads the head document.
pub(super) async fn read_head(store: &Store) -> Result<HeadRead, StoreError> {
    match store.read(HEAD, DOCUMENT_LIMIT).await {
        Ok(None) => Ok(HeadRead::Absent),
        Ok(Some((bytes, _))) => {
            Ok(serde_json::from_slice(&bytes).map_or(HeadRead::Unreadable, HeadRead::Read))
        }
        Err(error) if error.is_of_one_object() => Ok(HeadRead::Unreadable),
        Err(error) => Err(error),
    }
}

/// The checkpoints by day: whether the lines are there.
async fn checkpoint_days(store: &Store) -> Result<BTreeMap<String, bool>, StoreError> {
    let mut days = BTreeMap::new();
    let mut walk = store.walk(CHECKPOINTS);
    while let Some(walked) = walk.try_next().await? {
        if let Some(day) = checkpoint::day_of(walked.name()) {
            *days.entry(day.to_owned()).or_default() |= walked.name().ends_with(".ndjson");
        }
    }
    Ok(days)
}

struct Days<'a> {
    store: &'a Store,
    chain: Chain,
    /// The days whose checkpoint was not met yet.
    checkpoints: BTreeMap<String, bool>,
    agreeing: u64,
    checkpointed: Option<crate::digest::Digest>,
    findings: Vec<Finding>,
}

impl Days<'_> {
    async fn walk(&mut self) -> Result<(), StoreError> {
        let mut walk = self.store.walk(RECORDS);
        let mut day = String::new();
        let mut keys = Vec::new();
        while let Some(walked) = walk.try_next().await? {
            let key = match walked {
                Walked::Object(meta) => meta.key,
                Walked::Unreadable { name, why } => {
                    self.find(Finding::blocking(FindingKind::Unreadable, why).at(name));
                    continue;
                }
            };
            let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
            if folder != day {
                let next = folder.to_owned();
                self.close(&day, std::mem::take(&mut keys)).await?;
                day = next;
            }
            keys.push(key);
        }
        self.close(&day, keys).await?;
        // Days that a checkpoint knows and that have no records any more.
        for day in self.checkpoints.clone().into_keys() {
            self.hold_checkpoint(&day, &HashSet::new()).await?;
        }
        Ok(())
    }

    /// Takes all records of one folder.
    async fn close(&mut self, folder: &str, keys: Vec<String>) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut links = Vec::with_capacity(keys.len());
        let store = self.store;
        let mut batches = futures::stream::iter(keys)
            .map(|key| async move {
                let read = store.read(&key, DOCUMENT_LIMIT).await;
                (key, read)
            })
            .buffered(READS)
            .chunks(BATCH)
            .map(read_links)
            .buffered(2);
        while let Some((more, findings)) = batches.try_next().await? {
            links.extend(more);
            for finding in findings {
                self.find(finding);
            }
        }
        let day = folder.rsplit('/').next().unwrap_or(folder);
        if self.checkpoints.contains_key(day) {
            let names = links.iter().map(|link| link.name).collect();
            self.hold_checkpoint(day, &names).await?;
        }
        self.chain.day(links);
        Ok(())
    }

    /// Holds the checkpoint of a day against the records that the day has.
    async fn hold_checkpoint(
        &mut self,
        day: &str,
        present: &HashSet<Name>,
    ) -> Result<(), StoreError> {
        let Some(lines_exist) = self.checkpoints.remove(day) else { return Ok(()) };
        let (lines_key, manifest_key) = checkpoint::keys_of(day);
        if !lines_exist {
            let hint = "the checkpoint's manifest is there and its lines are not: restore them";
            self.find(Finding::blocking(FindingKind::Missing, hint).at(lines_key));
            return Ok(());
        }
        let lines = self.store.read(&lines_key, CHECKPOINT_LIMIT).await?;
        let manifest = self.store.read(&manifest_key, DOCUMENT_LIMIT).await?;
        let Some((lines, _)) = lines else { return Ok(()) };
        let manifest = manifest.as_ref().map(|(bytes, _)| &bytes[..]);
        let (checkpoint, mut findings) = Checkpoint::read(&lines_key, &lines, manifest);
        findings.extend(checkpoint.missing(&lines_key, present));
        if findings.is_empty() {
            self.agreeing += 1;
        }
        self.checkpointed = checkpoint.last.or(self.checkpointed);
        for finding in findings {
            self.find(finding);
        }
        Ok(())
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS {
            self.findings.push(finding);
        }
    }
}

type Read = (String, Result<Option<(Bytes, Meta)>, StoreError>);

/// Reduces a batch of records to links, off the asynchronous threads.
async fn read_links(batch: Vec<Read>) -> Result<(Vec<Link>, Vec<Finding>), StoreError> {
    let reduce = move || {
        let (mut links, mut findings) = (Vec::with_capacity(batch.len()), Vec::new());
        for (key, read) in batch {
            match read {
                Ok(Some((bytes, _))) => {
                    let (link, finding) = read_link(&key, &bytes);
                    links.extend(link);
                    findings.extend(finding);
                }
                // It went between the listing and the read.
                Ok(None) => {
                    let hint = "the record went while it was read: the ledger is append-only";
                    findings.push(Finding::blocking(FindingKind::Missing, hint).at(key));
                }
                Err(error) if error.is_of_one_object() => {
                    let hint = error.in_full();
                    findings.push(Finding::blocking(FindingKind::Unreadable, hint).at(key));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((links, findings))
    };
    let failed = |error: JoinError| StoreError::Other {
        what: "the audit ledger".into(),
        source: error.into(),
    };
    tokio::task::spawn_blocking(reduce).await.map_err(failed)?
}
