//! Takes away what no snapshot names: marked under the lock, looked at again, then swept in small
//! batches. Killed at any instant, it has taken away what nobody names and nothing else.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::announce::sealing;
use super::exclusive::Upkeep;
use super::marks::Marks;
use crate::canonical::backup::{BackupStore, Listing};
use crate::digest::Digest;
use crate::model::{Code, Failure};
use crate::store::{Meta, Walked};

/// So many blobs are swept between two looks for snapshots.
const BATCH: usize = 500;

/// How pruning goes about it.
#[derive(Debug, Clone)]
pub(crate) struct PruneOptions {
    /// A blob that was written more recently stays.
    pub(crate) grace: Duration,
    /// Whether it only looks.
    pub(crate) dry_run: bool,
    /// How many blobs are deleted at once.
    pub(crate) at_once: usize,
    /// Who does it.
    pub(crate) actor: String,
}

/// What pruning came to; its JSON is part of the contract.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Pruned {
    /// Whether nothing was done but to look.
    pub(crate) dry_run: bool,
    /// Whether it came to its end; a snapshot that begins to be sealed stops it.
    pub(crate) complete: bool,
    /// How many snapshots there are.
    pub(crate) snapshots: u64,
    /// How many blobs they name.
    pub(crate) blobs_named: u64,
    /// How many blobs that no snapshot names were taken away.
    pub(crate) blobs_removed: u64,
    /// Their bytes.
    pub(crate) bytes_removed: u64,
    /// How many blobs that no snapshot names stay, since they are too young.
    pub(crate) blobs_young: u64,
}

/// Prunes a backup store. Refused while a snapshot is being sealed, and where it cannot be told
/// what a snapshot names.
pub(crate) async fn prune(
    backup: &BackupStore,
    options: &PruneOptions,
    cancel: &CancellationToken,
) -> Result<Pruned, Failure> {
    if options.dry_run {
        return Pruning { backup, options, cancel, upkeep: None }.run().await;
    }
    Upkeep::under(backup, &options.actor, async |upkeep| {
        // Only now, under the lock: a snapshot that is announced later waits for it.
        if let Some(by) = sealing(backup, true).await? {
            let hint = "wait until it is sealed, or stop it; then prune again";
            return Err(Failure::fenced(Code::Locked, by.message).hint(hint));
        }
        Pruning { backup, options, cancel, upkeep: Some(upkeep) }.run().await
    })
    .await
}

struct Pruning<'a> {
    backup: &'a BackupStore,
    options: &'a PruneOptions,
    cancel: &'a CancellationToken,
    /// `None`: nothing is taken away.
    upkeep: Option<&'a Upkeep>,
}

impl Pruning<'_> {
    async fn run(&self) -> Result<Pruned, Failure> {
        let Listing { snapshots, damaged } = self.backup.list().await?;
        if !damaged.is_empty() {
            let message = format!("{} manifests cannot be read; nothing is pruned", damaged.len());
            return Err(Failure::permanent(Code::GateShut, message)
                .hint("mend them from a replica, or forget them by their whole names")
                .with_findings(damaged));
        }
        let known: HashSet<Digest> = snapshots.iter().map(|listed| listed.snapshot).collect();
        let objects = self.objects(&known).await?;
        let mut done = Pruned {
            dry_run: self.options.dry_run,
            complete: true,
            snapshots: known.len() as u64,
            ..Pruned::default()
        };
        for range in Marks::ranges(objects) {
            let mut marks = Marks::new(range.clone());
            for snapshot in &known {
                self.look()?;
                let manifest = self.backup.manifest(snapshot).await?;
                marks.snapshot(self.backup, snapshot, &manifest).await?;
            }
            done.blobs_named += marks.len();
            let mut known = known.clone();
            for first in range {
                if !self.folder(first, &mut marks, &mut known, &mut done).await? {
                    done.complete = false;
                    return Ok(done);
                }
            }
        }
        Ok(done)
    }

    fn look(&self) -> Result<(), Failure> {
        if self.cancel.is_cancelled() {
            return Err(Failure::cancelled());
        }
        self.upkeep.map_or(Ok(()), Upkeep::check)
    }

    /// How many objects all snapshots name together, those of shared shards once.
    async fn objects(&self, snapshots: &HashSet<Digest>) -> Result<u64, Failure> {
        let (mut seen, mut objects) = (HashSet::new(), 0);
        for snapshot in snapshots {
            for shard in self.backup.manifest(snapshot).await?.shards {
                if seen.insert(shard.digest) {
                    objects += shard.objects + 1;
                }
            }
        }
        Ok(objects)
    }

    /// Sweeps the blobs whose names begin with a byte; `false` if a snapshot stopped it.
    async fn folder(
        &self,
        first: u8,
        marks: &mut Marks,
        known: &mut HashSet<Digest>,
        done: &mut Pruned,
    ) -> Result<bool, Failure> {
        let mut walk = self.backup.store().walk(&format!("blobs/blake3/{first:02x}"));
        let mut batch = Vec::new();
        loop {
            let next = walk.try_next().await?;
            let ended = next.is_none();
            if let Some(Walked::Object(meta)) = next
                && let Some(name) = name_of(&meta.key)
                && !marks.holds(&name)
            {
                if self.is_young(&meta) {
                    done.blobs_young += 1;
                } else {
                    batch.push((name, meta));
                }
            }
            if batch.len() >= BATCH || (ended && !batch.is_empty()) {
                let batch = std::mem::take(&mut batch);
                if !self.sweep(batch, marks, known, done).await? {
                    return Ok(false);
                }
            }
            if ended {
                return Ok(true);
            }
        }
    }

    fn is_young(&self, meta: &Meta) -> bool {
        let grace = TimeDelta::from_std(self.options.grace).unwrap_or(TimeDelta::MAX);
        Utc::now().signed_duration_since(meta.modified) < grace
    }

    /// Looks at the marks again, since manifests may have come, then takes the rest away.
    async fn sweep(
        &self,
        mut batch: Vec<(Digest, Meta)>,
        marks: &mut Marks,
        known: &mut HashSet<Digest>,
        done: &mut Pruned,
    ) -> Result<bool, Failure> {
        self.look()?;
        if self.upkeep.is_some() {
            if sealing(self.backup, false).await?.is_some() {
                return Ok(false);
            }
            self.mark_new(marks, known).await?;
            self.look()?;
        }
        batch.retain(|(name, _)| !marks.holds(name));
        if self.upkeep.is_some() {
            let delete = |(_, meta): &(Digest, Meta)| {
                let key = meta.key.clone();
                async move { self.backup.store().delete(&key).await }
            };
            let deletes = futures::stream::iter(batch.iter().map(delete));
            let _deleted: Vec<bool> =
                deletes.buffer_unordered(self.options.at_once).try_collect().await?;
        }
        done.blobs_removed += batch.len() as u64;
        done.bytes_removed += batch.iter().map(|(_, meta)| meta.size).sum::<u64>();
        Ok(true)
    }

    async fn mark_new(
        &self,
        marks: &mut Marks,
        known: &mut HashSet<Digest>,
    ) -> Result<(), Failure> {
        let mut walk = self.backup.store().walk("snapshots");
        let mut new = Vec::new();
        while let Some(walked) = walk.try_next().await? {
            let hex =
                walked.name().strip_prefix("snapshots/").and_then(|n| n.strip_suffix(".json"));
            let name = hex.and_then(|hex| format!("blake3:{hex}").parse::<Digest>().ok());
            new.extend(name.filter(|name| !known.contains(name)));
        }
        for snapshot in new {
            let manifest = self.backup.manifest(&snapshot).await?;
            marks.snapshot(self.backup, &snapshot, &manifest).await?;
            known.insert(snapshot);
        }
        Ok(())
    }
}

/// The name of the blob under a key; what is no blob is left alone.
fn name_of(key: &str) -> Option<Digest> {
    let name: Digest = format!("blake3:{}", key.rsplit_once('/')?.1).parse().ok()?;
    (BackupStore::blob_key(&name) == key).then_some(name)
}
