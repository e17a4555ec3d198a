use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt};

use super::chain::{Chain, Followed};
use super::checkpoint::{self, CHECKPOINTS, Checkpoint};
use super::link::{Link, Places, read_link};
use super::loss::{Excuse, judge_losses};
use super::record::{DOCUMENT_LIMIT, HEAD, Head, HeadRead, Name, SIGNATURE, digest_of};
use super::report::{AnchoredHead, Evidence, HeadDocument, LedgerReport, Signature, judge};
use super::source::{Met, Source};
use crate::canonical::json;
use crate::model::{Finding, FindingKind};
use crate::store::{Store, StoreError, Walked};

/// Records read at once.
const READS: usize = 32;
/// Records hashed in one go off the asynchronous threads.
const BATCH: usize = 256;
/// More findings than this say nothing new.
const FINDINGS: usize = 1000;
/// How often a ledger is looked at that seems to be written to just now: each look may meet another
/// writer at work.
const LOOKS: u32 = if cfg!(test) { 60 } else { 5 };
/// How often the chain is followed to tell forks from tears.
const PASSES: u32 = 3;
/// A writer that is at work moves the head in less than this.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 300 });
/// What is older than this was not written just now.
const FRESH: TimeDelta = TimeDelta::minutes(1);

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
    verify_source(&Source::AsIs(store), anchor, document).await
}

/// The same for records that may not be there yet. What may be a writer at work is looked at
/// again: it is done in a moment, and one that was killed is not.
pub(super) async fn verify_source(
    source: &Source<'_>,
    anchor: Option<&AnchoredHead>,
    document: HeadDocument,
) -> Result<LedgerReport, StoreError> {
    let mut looks = 1;
    loop {
        let Look { mut report, open, moved } = look(source, anchor, document).await?;
        let fresh = fresh(source.store(), open).await?;
        if moved {
            // Somebody is at work: what lost a race just now is superseded in a moment.
            report.findings.retain(|finding| {
                let of_race = finding.kind == FindingKind::LedgerForked && !finding.blocks();
                !(of_race && finding.key.as_ref().is_some_and(|key| fresh.contains(key)))
            });
        }
        let settled = fresh.is_empty() || report.findings.is_empty();
        if settled || looks == LOOKS {
            return Ok(report);
        }
        tokio::time::sleep(PAUSE).await;
        looks += 1;
    }
}

/// Those of the objects that were written just now.
async fn fresh(store: &Store, keys: Vec<String>) -> Result<Vec<String>, StoreError> {
    let mut fresh = Vec::new();
    for key in keys {
        let meta = store.head(&key).await?;
        if meta.is_some_and(|meta| meta.modified > Utc::now() - FRESH) {
            fresh.push(key);
        }
    }
    Ok(fresh)
}

/// What one look at a ledger came to.
struct Look {
    report: LedgerReport,
    /// The objects that a writer may be at work on.
    open: Vec<String>,
    /// Whether the head moved meanwhile.
    moved: bool,
}

async fn look(
    source: &Source<'_>,
    anchor: Option<&AnchoredHead>,
    document: HeadDocument,
) -> Result<Look, StoreError> {
    let store = source.store();
    // The head first: a record that comes while we walk is growth, never a gap.
    let head = read_head(store).await?;
    let signature = match store.head(SIGNATURE).await? {
        None => Signature::Absent,
        Some(_) => Signature::NotChecked,
    };
    let (followed, mut findings) = follow(source, anchor, head.head()).await?;
    let Followed { tree, defects, watch, acknowledged, .. } = followed;
    let moved = read_head(store).await? != head;
    let judged = judge(&Evidence { tree: &tree, head: &head, moved, anchor, document });
    let defects = defects.into_iter().filter(|defect| !(moved && defect.beyond));
    findings.extend(defects.map(|defect| defect.finding));
    findings.extend(watch.findings);
    let excuse = Excuse { follows: judged.anchored_tip, acknowledged: &acknowledged };
    let lost_head = watch.losses.last().map(|loss| digest_of(loss.last));
    findings.extend(judge_losses(&watch.losses, &excuse));
    findings.extend(judged.findings);
    findings.truncate(FINDINGS);
    let open = open_keys(&findings, judged.open);
    let report = LedgerReport {
        records: judged.records,
        head: head.head().cloned(),
        standing: judged.standing,
        findings,
        checkpoints: watch.agreeing,
        checkpointed: watch.newest.map(digest_of),
        lost_head,
        signature,
    };
    Ok(Look { report, open, moved })
}

/// Follows the chain. Where it is torn it is followed once more, to tell a record that is gone from
/// one that stands so far back that it was forgotten: that is a fork.
async fn follow(
    source: &Source<'_>,
    anchor: Option<&AnchoredHead>,
    head: Option<&Head>,
) -> Result<(Followed, Vec<Finding>), StoreError> {
    let mut sought: HashSet<Name> = anchor.map(AnchoredHead::name).into_iter().collect();
    let mut passes = 1;
    loop {
        let mut days = Days {
            source,
            chain: Chain::new(sought.clone(), head.map(Head::name)),
            checkpoints: checkpoint_days(source.store()).await?,
            findings: Vec::new(),
            folder: Arc::default(),
        };
        days.walk().await?;
        let (followed, findings) = (days.chain.finish(), days.findings);
        if passes == PASSES || followed.torn.is_subset(&sought) {
            return Ok((followed, findings));
        }
        sought.extend(&followed.torn);
        passes += 1;
    }
}

/// The objects that a writer may be at work on: records that nothing leads to yet, and the lines
/// of checkpoints that do not fit their manifest.
fn open_keys(findings: &[Finding], mut open: Vec<String>) -> Vec<String> {
    let of_checkpoint = |finding: &&Finding| {
        finding.kind == FindingKind::LedgerCheckpointMismatch
            || finding.kind == FindingKind::Missing
    };
    for key in findings.iter().filter(of_checkpoint).filter_map(|finding| finding.key.as_deref()) {
        open.extend(checkpoint::day_of(key).map(|day| checkpoint::keys_of(day).0));
    }
    open
}

/// Reads the head document.
pub(super) async fn read_head(store: &Store) -> Result<HeadRead, StoreError> {
    match store.read(HEAD, DOCUMENT_LIMIT).await {
        Ok(None) => Ok(HeadRead::Absent),
        Ok(Some((bytes, _))) => Ok(parse_head(&bytes).map_or(HeadRead::Unreadable, HeadRead::Read)),
        Err(error) if error.is_of_one_object() => Ok(HeadRead::Unreadable),
        Err(error) => Err(error),
    }
}

/// Reads the bytes of a head document.
pub(super) fn parse_head(bytes: &[u8]) -> Option<Head> {
    serde_json::from_value(json::parse_strict(bytes).ok()?).ok()
}

/// The days that have a checkpoint.
async fn checkpoint_days(store: &Store) -> Result<BTreeSet<String>, StoreError> {
    let mut days = BTreeSet::new();
    let mut walk = store.walk(CHECKPOINTS);
    while let Some(walked) = walk.try_next().await? {
        days.extend(checkpoint::day_of(walked.name()).map(str::to_owned));
    }
    Ok(days)
}

struct Days<'a> {
    source: &'a Source<'a>,
    chain: Chain,
    /// The days whose checkpoint was not met yet.
    checkpoints: BTreeSet<String>,
    findings: Vec<Finding>,
    /// The folder of the day that is read.
    folder: Arc<str>,
}

impl Days<'_> {
    async fn walk(&mut self) -> Result<(), StoreError> {
        let source = self.source;
        let mut batches = source
            .walk()
            .map(|met| async {
                let met = met?;
                let read = match &met {
                    Met::Stored(Walked::Unreadable { .. }) => None,
                    _ => Some(source.read(&met).await),
                };
                Ok((met, read))
            })
            .buffered(READS)
            .chunks(BATCH)
            .map(reduce)
            .buffered(2);
        while let Some(batch) = batches.try_next().await? {
            for record in batch {
                self.enter(&record.folder).await?;
                record.findings.into_iter().for_each(|finding| self.find(finding));
                if let Some(link) = record.link {
                    self.chain.take(link);
                }
            }
        }
        self.enter("").await
    }

    /// Ends a day when the next one begins; the empty folder ends the last one.
    async fn enter(&mut self, folder: &str) -> Result<(), StoreError> {
        if *folder == *self.folder && !folder.is_empty() {
            return Ok(());
        }
        if !self.folder.is_empty() {
            self.chain.end_day();
            // A record may stand with those of the next day.
            self.chain.watch.close(1);
        }
        self.folder = folder.into();
        let day = folder.rsplit('/').next().unwrap_or_default();
        while let Some(next) = self.checkpoints.pop_first() {
            if !day.is_empty() && *next > *day {
                self.checkpoints.insert(next);
                break;
            }
            self.open(&next).await?;
            if next != day {
                // Days of which no record is there.
                self.chain.watch.close(1);
            }
        }
        if day.is_empty() {
            self.chain.watch.close(0);
        }
        Ok(())
    }

    async fn open(&mut self, day: &str) -> Result<(), StoreError> {
        let (checkpoint, findings) = Checkpoint::read(self.source.store(), day).await?;
        match checkpoint {
            Some(checkpoint) => self.chain.watch.open(checkpoint, findings),
            None => findings.into_iter().for_each(|finding| self.find(finding)),
        }
        Ok(())
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS {
            self.findings.push(finding);
        }
    }
}

/// What a record came to.
struct Record {
    folder: Arc<str>,
    link: Option<Link>,
    findings: Vec<Finding>,
}

type Read = Result<(Met, Option<Result<Option<Bytes>, StoreError>>), StoreError>;

/// Reduces a batch of records to links, off the asynchronous threads.
async fn reduce(batch: Vec<Read>) -> Result<Vec<Record>, StoreError> {
    let work = move || {
        let (mut places, mut folder) = (Places::default(), Arc::<str>::default());
        let mut records = Vec::with_capacity(batch.len());
        for read in batch {
            let (met, bytes) = read?;
            let key = match &met {
                Met::Stored(walked) => walked.name(),
                Met::Sealed(entry) => &entry.key,
            };
            let of = key.rsplit_once('/').map_or("", |(folder, _)| folder);
            if *of != *folder {
                folder = of.into();
            }
            let (link, findings) = match (&met, bytes) {
                (Met::Stored(Walked::Unreadable { name, why }), _) => {
                    (None, vec![Finding::blocking(FindingKind::Unreadable, why).at(name)])
                }
                (_, Some(Ok(Some(bytes)))) => read_link(key, &bytes, &mut places),
                (_, Some(Err(error))) if !error.is_of_one_object() => return Err(error),
                (_, Some(Err(error))) => (
                    None,
                    vec![Finding::blocking(FindingKind::Unreadable, error.in_full()).at(key)],
                ),
                // It went between the listing and the read.
                (_, Some(Ok(None)) | None) => {
                    let hint = "the record went while it was read: the ledger is append-only";
                    (None, vec![Finding::blocking(FindingKind::Missing, hint).at(key)])
                }
            };
            records.push(Record { folder: folder.clone(), link, findings });
        }
        Ok(records)
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StoreError::task("the audit ledger", error))?
}
