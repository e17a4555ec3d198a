use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::collect::Collector;
use super::copy::{CopyError, PIECES, copy};
use super::former::Former;
use super::growth::Ledger;
use super::{SealOptions, Sealed};
use crate::canonical::CanonicalStores;
use crate::canonical::backup::{BackupStore, PIECE};
use crate::canonical::layout::{is_mutable, media_type, version_of};
use crate::canonical::manifest::{self, Manifest, PlanFile, Source, State};
use crate::canonical::shard::{Entry, Seen};
use crate::digest::Digest;
use crate::model::{Code, Failure, Finding, FindingKind, Meter, Zone};
use crate::store::{Meta, Store, Walked, read_marker};

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
    if collected.shards.is_empty() {
        let message = format!("failed to seal {}: it holds no object", source.store);
        return Err(Failure::permanent(Code::Usage, message).hint("check the URL after --from"));
    }
    publish(to, options, source, as_of, ledger.head, collected).await
}

async fn publish(
    to: &BackupStore,
    options: SealOptions,
    source: Source,
    as_of: DateTime<Utc>,
    ledger_head: Option<Digest>,
    collected: Collector,
) -> Result<Sealed, Failure> {
    let mut plan_files = Vec::new();
    for (path, bytes) in options.plan_files {
        let (digest, size) = (Digest::blake3(&bytes), bytes.len() as u64);
        to.put(&digest, bytes).await?;
        plan_files.push(PlanFile { path, digest, size });
    }
    plan_files.sort_by(|a, b| a.path.cmp(&b.path));
    let suspect = collected.findings.iter().any(Finding::blocks);
    let mut findings = collected.findings;
    findings.extend(options.known_findings);
    let manifest = Manifest {
        version: manifest::VERSION,
        state: if suspect { State::Suspect } else { State::Clean },
        as_of,
        sealed_at: Utc::now(),
        source,
        ledger_head,
        known_findings: findings.clone(),
        shards: collected.shards,
        plan_files,
    };
    let snapshot = to.seal(&manifest).await?;
    Ok(Sealed {
        snapshot,
        state: manifest.state,
        as_of,
        objects: manifest.objects(),
        bytes: manifest.total_bytes(),
        objects_copied: collected.objects_copied,
        bytes_copied: collected.bytes_copied,
        objects_reused: collected.objects_reused,
        ledger_head,
        findings,
    })
}

/// What the walk met, with what the former snapshot had of it.
enum Met {
    Object { meta: Meta, former: Option<Entry> },
    Unreadable { name: String, why: String },
    Gone(Vec<Entry>),
}

/// What came of it.
enum Done {
    Sealed { entry: Entry, former: Option<Entry>, written: Option<u64> },
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
                    into.add(entry, former.as_ref(), written).await?;
                }
                Done::Found(finding) => into.findings.push(finding),
                Done::Gone(entries) => into.gone(&entries),
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
            let entry = Entry { policy_label: self.label(&meta.key), ..entry.clone() };
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

    async fn copy(&self, walked: Meta, former: Option<Entry>) -> Result<Done, Failure> {
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
                    let entry = self.entry(meta, &copied);
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

    /// The head document is taken as it was read at first.
    async fn open(
        &self,
        store: &Store,
        key: &str,
    ) -> Result<Option<(Meta, crate::store::ByteStream)>, crate::store::StoreError> {
        match &self.ledger.document {
            Some((bytes, meta)) if meta.key == key => {
                let all: Option<Result<Bytes, _>> = (!bytes.is_empty()).then(|| Ok(bytes.clone()));
                Ok(Some((meta.clone(), futures::stream::iter(all).boxed())))
            }
            _ => store.stream(key, None).await,
        }
    }

    fn label(&self, key: &str) -> Option<crate::model::PolicyLabel> {
        let (dataset, version) = version_of(key)?;
        self.options.labels.get(&(dataset.to_owned(), version)).copied()
    }

    fn entry(&self, meta: Meta, copied: &super::copy::Copied) -> Entry {
        Entry {
            size: copied.digests.size,
            digest: copied.digests.blake3,
            sha256: copied.digests.sha256,
            pieces: copied.pieces,
            zone: Zone::of_key(&meta.key),
            content_type: media_type(&meta.key).to_owned(),
            dataset_version_id: version_of(&meta.key).map(|(_, version)| version),
            policy_label: self.label(&meta.key),
            seen: Seen { etag: meta.pin.etag, modified: meta.modified },
            key: meta.key,
        }
    }
}

type Walk = BoxStream<'static, Result<Walked, Failure>>;

/// Lays the former snapshot beside the walk.
fn with_former(walk: Walk, former: Option<Former>) -> BoxStream<'static, Result<Met, Failure>> {
    let step = |(mut walk, mut former): (Walk, Option<Former>)| async move {
        let mut gone = Vec::new();
        let Some(walked) = walk.try_next().await? else {
            let rest = match &mut former {
                Some(former) => former.entries.rest().await?,
                None => None,
            };
            return Ok::<_, Failure>(rest.map(|rest| (vec![Met::Gone(rest)], (walk, former))));
        };
        let entry = match &mut former {
            Some(former) => former.entries.at(walked.name(), &mut gone).await?,
            None => None,
        };
        let met = match walked {
            Walked::Object(meta) => Met::Object { meta, former: entry },
            Walked::Unreadable { name, why } => Met::Unreadable { name, why },
        };
        Ok(Some((vec![Met::Gone(gone), met], (walk, former))))
    };
    let all = futures::stream::try_unfold((walk, former), step);
    let some = |met: &Met| !matches!(met, Met::Gone(entries) if entries.is_empty());
    all.map_ok(move |met| futures::stream::iter(met.into_iter().filter(some).map(Ok)))
        .try_flatten()
        .boxed()
}

fn unreadable(name: &str, why: String) -> Finding {
    let hint = "it is not in the snapshot; make it readable, or give it another name";
    let finding = Finding::blocking(FindingKind::Unreadable, hint).at(name);
    let version = version_of(name).map(|(_, version)| version);
    finding.of_version(version.as_ref()).differs("a readable object", why)
}

fn kib(bytes: u64) -> usize {
    usize::try_from(bytes / 1024 + 1).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}

async fn source(from: &CanonicalStores, options: &SealOptions) -> Result<Source, Failure> {
    let environment = match &options.environment {
        Some(name) => Some(name.clone()),
        None => read_marker(from.default_store()).await?.map(|marker| marker.environment),
    };
    let zones = from.zones().iter().map(|(zone, store)| (*zone, store.identity().to_owned()));
    Ok(Source {
        environment,
        store: from.default_store().identity().to_owned(),
        zones: zones.collect(),
        tool: concat!("coppice ", env!("CARGO_PKG_VERSION")).to_owned(),
    })
}

/// A backup within what it backs up would hold itself, and a backup of a backup is a mistake.
async fn check_places(from: &CanonicalStores, to: &BackupStore) -> Result<(), Failure> {
    for store in from.all() {
        let message = match (store.local_root(), to.store().local_root()) {
            (Some(a), Some(b)) if a.starts_with(b) || b.starts_with(a) => {
                format!(
                    "failed to seal {} into {}: one lies in the other",
                    store.url(),
                    to.store().url()
                )
            }
            _ if store.identity() == to.store().identity() => {
                format!("failed to seal {} into itself", store.url())
            }
            _ if BackupStore::is_at(store).await? => {
                format!("failed to seal {}: it is a backup store", store.url())
            }
            _ => continue,
        };
        return Err(Failure::permanent(Code::Usage, message)
            .hint("--from is the canonical store, --to a place of its own for the snapshots"));
    }
    Ok(())
}
