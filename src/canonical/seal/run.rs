use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::collect::Collector;
use super::copy::{CopyError, PIECES, copy};
use super::former::Former;
use super::gathered::Gathered;
use super::growth::Ledger;
use super::met::{Met, with_former};
use super::places::{check_places, source};
use super::{SealOptions, Sealed};
use crate::canonical::CanonicalStores;
use crate::canonical::backup::{BackupStore, PIECE};
use crate::canonical::catalogs::Catalogs;
use crate::canonical::layout::{is_mutable, media_type, version_of};
use crate::canonical::manifest::{self, Manifest, PlanFile};
use crate::canonical::shard::{Entry, Seen};
use crate::canonical::upkeep::Announcement;
use crate::digest::Digest;
use crate::model::{Code, Failure, Finding, FindingKind, Meter, PolicyLabel, Zone};
use crate::store::{ByteStream, Meta, Store, StoreError};

/// How often an object that changes under the reader is read again.
const TRIES: u32 = 3;

/// Seals a snapshot of the canonical stores. Nothing of it can be seen before its manifest is
/// written, in one step, at the end.
pub(crate) async fn seal(
    from: &CanonicalStores,
    to: &BackupStore,
    options: SealOptions,
    meter: &Meter,
    cancel: &CancellationToken,
) -> Result<Sealed, Failure> {
    check_places(from, to).await?;
    let announced = Announcement::make(to, cancel).await?;
    let sealed = seal_announced(from, to, options, meter, cancel, &announced).await;
    announced.end().await;
    sealed
}

async fn seal_announced(
    from: &CanonicalStores,
    to: &BackupStore,
    options: SealOptions,
    meter: &Meter,
    cancel: &CancellationToken,
    announced: &Announcement,
) -> Result<Sealed, Failure> {
    let as_of = Utc::now();
    let source = source(from, &options).await?;
    let ledger = Ledger::read(from.of_zone(Zone::Audit), as_of).await?;
    let former = Former::find(to, &source).await?;
    let mut collected = Collector::new(to.clone());
    collected.findings.extend(ledger.finding.clone());
    let sealer = Sealer {
        from,
        to,
        options: &options,
        ledger: &ledger,
        former: former.as_ref().map(Former::as_of),
        memory: Arc::new(Semaphore::new(kib(options.memory))),
        meter,
        cancel,
    };
    sealer.walk(former, &mut collected).await?;
    collected.finish().await?;
    collected.findings.extend(from.misplaced().await?);
    if collected.shards.is_empty() {
        let message = format!("failed to seal {}: it holds no object", source.store);
        return Err(Failure::permanent(Code::Usage, message).hint("check the URL after --from"));
    }
    let state = collected.state();
    let mut findings = std::mem::replace(&mut collected.findings, Gathered::new(0));
    if options.catalogs {
        let shards = &collected.shards;
        let catalogs = Catalogs { stores: from, backup: to, shards, meant: &|_| true };
        // What was erased is no reason to leave out the rest of its acquisition.
        let known = findings.kept().iter().filter(|one| one.kind != FindingKind::Withdrawn);
        let known: Vec<Finding> = known.cloned().collect();
        catalogs.findings(&known, &mut findings).await?;
    }
    findings.extend(options.known_findings);
    let known_findings = options.withdrawals.explained(findings.finish());
    let manifest = Manifest {
        version: manifest::VERSION,
        state,
        as_of,
        sealed_at: Utc::now(),
        source,
        ledger_head: ledger.head,
        known_findings,
        all_findings: None,
        shards: std::mem::take(&mut collected.shards),
        plan_files: plan_files(to, options.plan_files).await?,
    };
    publish(to, manifest, &collected, announced).await
}

async fn plan_files(
    to: &BackupStore,
    files: Vec<(String, Bytes)>,
) -> Result<Vec<PlanFile>, Failure> {
    let mut sealed = Vec::new();
    for (path, bytes) in files {
        let (digest, size) = (Digest::blake3(&bytes), bytes.len() as u64);
        to.put(&digest, bytes).await?;
        sealed.push(PlanFile { path, digest, size });
    }
    sealed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sealed)
}

/// Writes the manifest, if nothing that it names can have been pruned meanwhile.
async fn publish(
    to: &BackupStore,
    mut manifest: Manifest,
    collected: &Collector,
    announced: &Announcement,
) -> Result<Sealed, Failure> {
    // What blocks is listed first.
    manifest.known_findings.sort_by_key(|finding| !finding.blocks());
    let findings = manifest.known_findings.clone();
    manifest.all_findings = to.put_findings(&mut manifest.known_findings).await?;
    manifest.sealed_at = Utc::now();
    announced.check()?;
    let snapshot = to.seal(&manifest).await?;
    Ok(Sealed {
        snapshot,
        state: manifest.state,
        as_of: manifest.as_of,
        objects: manifest.objects(),
        bytes: manifest.total_bytes(),
        objects_copied: collected.objects_copied,
        bytes_copied: collected.bytes_copied,
        objects_reused: collected.objects_reused,
        ledger_head: manifest.ledger_head,
        findings,
    })
}

/// What came of it.
enum Done {
    Sealed { entry: Box<Entry>, former: Option<Box<Entry>>, written: Option<u64> },
    Found(Finding),
    Gone(Vec<Entry>),
    LeftOut,
}

struct Sealer<'a> {
    from: &'a CanonicalStores,
    to: &'a BackupStore,
    options: &'a SealOptions,
    ledger: &'a Ledger,
    former: Option<DateTime<Utc>>,
    memory: Arc<Semaphore>,
    meter: &'a Meter,
    cancel: &'a CancellationToken,
}

impl Sealer<'_> {
    /// Several objects at once; what comes out keeps the order of the walk.
    async fn walk(&self, former: Option<Former>, into: &mut Collector) -> Result<(), Failure> {
        let met =
            with_former(self.from.walk(&BTreeSet::new()).map_err(Failure::from).boxed(), former);
        let mut done = met.map_ok(|met| self.one(met)).try_buffered(self.options.at_once).boxed();
        while let Some(done) = done.try_next().await? {
            match done {
                Done::Sealed { entry, former, written } => {
                    self.meter.add_rows(1);
                    into.add(*entry, former.as_deref(), written).await?;
                }
                Done::Found(finding) => into.findings.push(finding),
                Done::Gone(entries) => into.gone(&entries, &self.options.withdrawals),
                Done::LeftOut => {}
            }
        }
        Ok(())
    }

    async fn one(&self, met: Met) -> Result<Done, Failure> {
        if self.cancel.is_cancelled() {
            return Err(Failure::cancelled());
        }
        let (meta, former) = match met {
            Met::Gone(entries) => return Ok(Done::Gone(entries)),
            Met::Unreadable { name, why } => return Ok(Done::Found(unreadable(&name, why))),
            Met::Object { meta, .. } if self.ledger.is_beyond(&meta) => return Ok(Done::LeftOut),
            Met::Object { meta, former } => (meta, former),
        };
        if let (Some(as_of), Some(entry)) = (self.former, &former)
            && Former::is_unchanged(as_of, entry, &meta)
            && self.is_backed_up(entry).await?
        {
            self.meter.add_bytes(entry.size);
            let policy_label = self.label(&meta.key);
            let entry = Box::new(Entry { policy_label, ..(**entry).clone() });
            return Ok(Done::Sealed { entry, former, written: None });
        }
        self.copy(meta, former).await
    }

    /// Where asking costs next to nothing, a reused blob is looked for.
    async fn is_backed_up(&self, entry: &Entry) -> Result<bool, Failure> {
        if self.to.store().local_root().is_none() {
            return Ok(true);
        }
        let Some(list) = &entry.pieces else {
            return Ok(self.to.has(&entry.digest, entry.size).await?);
        };
        let pieces = match self.to.pieces(list).await {
            Ok(pieces) => pieces,
            Err(error) if error.finding().is_some() => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        for piece in pieces {
            if !self.to.has(&piece.digest, piece.size).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn copy(&self, walked: Meta, former: Option<Box<Entry>>) -> Result<Done, Failure> {
        let cost = kib(walked.size.min(PIECES * PIECE as u64)).min(kib(self.options.memory));
        let _room = self.memory.acquire_many(u32::try_from(cost).unwrap_or(u32::MAX)).await;
        let store = self.from.of_key(&walked.key);
        let mut tries = 0;
        loop {
            tries += 1;
            let (meta, bytes) = match self.open(store, &walked.key).await {
                Ok(Some(found)) => found,
                // Taken away since it was listed: of what may not be, that is a finding.
                Ok(None) if is_mutable(&walked.key) => return Ok(Done::LeftOut),
                Ok(None) => {
                    let why = "it was taken away during the walk";
                    return Ok(Done::Found(unreadable(&walked.key, why.to_owned())));
                }
                Err(error) if error.is_of_one_object() => {
                    return Ok(Done::Found(unreadable(&walked.key, error.in_full())));
                }
                Err(error) => return Err(error.into()),
            };
            let cancelled = self.cancel.cancelled();
            let copied = tokio::select! {
                copied = copy(self.to, bytes, self.meter) => copied,
                () = cancelled => return Err(Failure::cancelled()),
            };
            match copied {
                Ok(copied) => {
                    let written = Some(copied.written);
                    let entry = Box::new(self.entry(meta, &copied));
                    return Ok(Done::Sealed { entry, former, written });
                }
                Err(CopyError::Target(error)) => return Err(error.into()),
                Err(CopyError::Source(error)) if error.is_of_one_object() => {
                    if tries == TRIES {
                        return Ok(Done::Found(unreadable(&walked.key, error.in_full())));
                    }
                }
                Err(CopyError::Source(error)) => return Err(error.into()),
            }
        }
    }

    /// The head document and its signature are taken as they were read at first.
    async fn open(
        &self,
        store: &Store,
        key: &str,
    ) -> Result<Option<(Meta, ByteStream)>, StoreError> {
        match self.ledger.document(key) {
            Some((bytes, meta)) => {
                let all: Option<Result<Bytes, _>> = (!bytes.is_empty()).then(|| Ok(bytes.clone()));
                Ok(Some((meta.clone(), futures::stream::iter(all).boxed())))
            }
            None => store.stream(key, None).await,
        }
    }

    fn label(&self, key: &str) -> Option<PolicyLabel> {
        let (dataset, version) = version_of(key)?;
        self.options.labels.get(&(dataset.to_owned(), version)).copied()
    }

    fn entry(&self, meta: Meta, copied: &super::copy::Copied) -> Entry {
        let kept = meta.attributes;
        Entry {
            size: copied.digests.size,
            digest: copied.digests.blake3,
            sha256: copied.digests.sha256,
            pieces: copied.pieces,
            zone: Zone::of_key(&meta.key),
            content_type: kept.content_type.unwrap_or_else(|| media_type(&meta.key).to_owned()),
            content_encoding: kept.content_encoding,
            headers: kept.headers,
            metadata: kept.metadata,
            dataset_version_id: version_of(&meta.key).map(|(_, version)| version),
            policy_label: self.label(&meta.key),
            seen: Seen { etag: meta.pin.etag, modified: meta.modified },
            key: meta.key,
        }
    }
}

pub(super) fn unreadable(name: &str, why: String) -> Finding {
    let hint = "it is not in the snapshot; make it readable, or give it another name";
    let finding = Finding::blocking(FindingKind::Unreadable, hint).at(name);
    let version = version_of(name).map(|(_, version)| version);
    finding.of_version(version.as_ref()).differs("a readable object", why)
}

fn kib(bytes: u64) -> usize {
    usize::try_from(bytes / 1024 + 1).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}
