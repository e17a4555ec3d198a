use std::collections::{BTreeMap, HashMap};

use futures::{StreamExt, TryStreamExt};
use tokio_util::sync::CancellationToken;

use super::Verified;
use crate::canonical::backup::{BackupError, BackupStore};
use crate::canonical::compare::{described, difference, finding, measure};
use crate::canonical::layout::version_of;
use crate::canonical::{Entry, Manifest, ShardRef};
use crate::digest::Digest;
use crate::model::{Failure, Finding, FindingKind, Meter, Zone};
use crate::store::StoreError;

const DAMAGED: &str = "the backup's blob is damaged; copy it again from a replica, or seal a new \
                       snapshot while the canonical store still has the object";

/// So many blobs are remembered; one that comes again later is read again.
const REMEMBERED: usize = 1_000_000;

/// Proves a snapshot in its backup store: every shard and plan file by its name, every object's
/// blobs by its digest. A blob that several objects share is read once.
pub(crate) async fn verify_backup(
    backup: &BackupStore,
    snapshot: Digest,
    manifest: &Manifest,
    at_once: usize,
    meter: &Meter,
    cancel: &CancellationToken,
) -> Result<Verified, Failure> {
    meter.set_totals(Some(manifest.total_bytes()), Some(manifest.objects()));
    let mut check = Check { backup, meter, cancel, known: HashMap::new(), done: (0, 0) };
    let mut findings = Vec::new();
    for shard in &manifest.shards {
        match backup.shard(shard).await {
            Ok(entries) => check.entries(entries, at_once, &mut findings).await?,
            Err(error) => match error.finding() {
                Some(kind) => findings.push(of_shard(shard, kind, &error)),
                None => return Err(error.into()),
            },
        }
    }
    if let Err(error) = backup.known_findings(manifest).await {
        match error.finding() {
            Some(kind) => findings.push(of_known(manifest, kind, &error)),
            None => return Err(error.into()),
        }
    }
    for file in &manifest.plan_files {
        let entry = of_plan_file(&file.path, file.digest, file.size);
        check.entries(vec![entry], 1, &mut findings).await?;
    }
    let (objects_checked, bytes_checked) = check.done;
    let ok = findings.is_empty();
    let snapshot = Some(snapshot);
    Ok(Verified { ok, snapshot, objects_checked, bytes_checked, findings })
}

type Content = (Digest, Option<Digest>);

/// What reading an object came to.
#[derive(Debug, Clone)]
enum Read {
    Found(Digest, u64),
    Unusable(FindingKind, String),
}

struct Check<'a> {
    backup: &'a BackupStore,
    meter: &'a Meter,
    cancel: &'a CancellationToken,
    known: HashMap<Content, Read>,
    done: (u64, u64),
}

impl Check<'_> {
    async fn entries(
        &mut self,
        entries: Vec<Entry>,
        at_once: usize,
        findings: &mut Vec<Finding>,
    ) -> Result<(), Failure> {
        let (known, backup, meter, cancel) = (&self.known, self.backup, self.meter, self.cancel);
        let one = |entry: Entry| async move {
            let content = (entry.digest, entry.pieces);
            let read = match known.get(&content) {
                Some(read) => {
                    meter.add_bytes(entry.size);
                    read.clone()
                }
                None => read(backup, &entry, meter, cancel).await?,
            };
            meter.add_rows(1);
            Ok::<_, Failure>((entry, read))
        };
        let all: Vec<(Entry, Read)> =
            futures::stream::iter(entries).map(one).buffered(at_once).try_collect().await?;
        for (entry, read) in all {
            self.done.0 += 1;
            match &read {
                Read::Found(digest, size) => {
                    self.done.1 += size;
                    if let Some(kind) = difference(&entry, digest, *size) {
                        findings.push(finding(kind, &entry, described(digest, *size), DAMAGED));
                    }
                }
                Read::Unusable(kind, why) => findings.push(finding(*kind, &entry, why, DAMAGED)),
            }
            if self.known.len() < REMEMBERED {
                self.known.insert((entry.digest, entry.pieces), read);
            }
        }
        Ok(())
    }
}

async fn read(
    backup: &BackupStore,
    entry: &Entry,
    meter: &Meter,
    cancel: &CancellationToken,
) -> Result<Read, Failure> {
    if cancel.is_cancelled() {
        return Err(Failure::cancelled());
    }
    let read = async {
        let bytes = backup.object(entry).await?;
        Ok::<_, BackupError>(measure(bytes, meter).await?)
    };
    match read.await {
        Ok((digest, size)) => Ok(Read::Found(digest, size)),
        Err(error) => match error.finding() {
            Some(kind) => Ok(Read::Unusable(kind, in_full(&error))),
            None => Err(error.into()),
        },
    }
}

fn in_full(error: &BackupError) -> String {
    match error {
        BackupError::Store(error) => StoreError::in_full(error),
        other => other.to_string(),
    }
}

/// A shard that is damaged takes all that it names with it.
fn of_shard(shard: &ShardRef, kind: FindingKind, error: &BackupError) -> Finding {
    let hint = "a shard of the manifest is damaged; copy its blob again from a replica";
    let within = format!("{}x", shard.prefix);
    let version = version_of(&within);
    let finding = Finding::blocking(kind, hint)
        .at(BackupStore::blob_key(&shard.digest))
        .of_version(version.map(|(_, version)| version).as_ref())
        .differs(format!("{} objects below `{}`", shard.objects, shard.prefix), error);
    Finding { zone: Some(shard.zone), ..finding }
}

/// Without the list of what was known, a recovery takes every defect for a new one.
fn of_known(manifest: &Manifest, kind: FindingKind, error: &BackupError) -> Finding {
    let hint = "the list of known findings is damaged; copy its blob again from a replica";
    let blob = manifest.all_findings.as_ref().map(|all| BackupStore::blob_key(&all.digest));
    let finding = Finding::blocking(kind, hint).at(blob.unwrap_or_default());
    Finding { zone: None, ..finding.differs("all that the stores were known for", error) }
}

fn of_plan_file(path: &str, digest: Digest, size: u64) -> Entry {
    Entry {
        key: format!("plan file {path}"),
        size,
        digest,
        sha256: digest,
        pieces: None,
        zone: Zone::Other,
        content_type: String::new(),
        content_encoding: None,
        headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        dataset_version_id: None,
        policy_label: None,
        seen: crate::canonical::Seen { etag: None, modified: chrono::DateTime::UNIX_EPOCH },
    }
}
