//! Which blobs snapshots name. A range of names at a time, so that memory stays bounded.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use futures::{StreamExt, TryStreamExt};

use crate::canonical::backup::{BackupError, BackupStore};
use crate::canonical::manifest::{Manifest, ShardRef};
use crate::digest::Digest;
use crate::model::{Code, Failure};

/// So many names are in memory at once.
const NAMES: u64 = 4_000_000;

/// How many shards are read at once.
const AT_ONCE: usize = 4;

/// The blobs in a range of names that snapshots name.
pub(super) struct Marks {
    range: RangeInclusive<u8>,
    named: HashSet<[u8; 32]>,
    /// Shards and lists of pieces that were read already: snapshots share most of them.
    read: HashSet<[u8; 32]>,
}

impl Marks {
    /// Cuts all names into ranges by their first byte, each small enough for the memory.
    pub(super) fn ranges(objects: u64) -> Vec<RangeInclusive<u8>> {
        let count = objects.div_ceil(NAMES).clamp(1, 256);
        let at = |n: u64| 256 * n / count;
        let byte = |n: u64| u8::try_from(n).unwrap_or(u8::MAX);
        (0..count).map(|n| byte(at(n))..=byte(at(n + 1) - 1)).collect()
    }

    pub(super) fn new(range: RangeInclusive<u8>) -> Self {
        Self { range, named: HashSet::new(), read: HashSet::new() }
    }

    pub(super) fn holds(&self, name: &Digest) -> bool {
        self.named.contains(name.as_bytes())
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.named.len() as u64
    }

    fn add(&mut self, name: &Digest) {
        if self.range.contains(&name.as_bytes()[0]) {
            self.named.insert(*name.as_bytes());
        }
    }

    /// Adds all that a snapshot names. What cannot be read may name anything: then nothing may
    /// be pruned.
    pub(super) async fn snapshot(
        &mut self,
        backup: &BackupStore,
        snapshot: &Digest,
        manifest: &Manifest,
    ) -> Result<(), Failure> {
        manifest.plan_files.iter().for_each(|file| self.add(&file.digest));
        manifest.all_findings.iter().for_each(|all| self.add(&all.digest));
        let new = |shard: &&ShardRef| !self.read.contains(shard.digest.as_bytes());
        let shards: Vec<ShardRef> = manifest.shards.iter().filter(new).cloned().collect();
        let read = |shard: ShardRef| async move {
            let entries = backup.shard(&shard).await?;
            Ok::<_, BackupError>((shard, entries))
        };
        let mut reads = futures::stream::iter(shards).map(read).buffer_unordered(AT_ONCE).boxed();
        while let Some((shard, entries)) =
            reads.try_next().await.map_err(|error| unreadable(snapshot, error))?
        {
            self.read.insert(*shard.digest.as_bytes());
            self.add(&shard.digest);
            for entry in entries {
                match &entry.pieces {
                    None => self.add(&entry.digest),
                    Some(list) => self.pieces(backup, snapshot, list).await?,
                }
            }
        }
        Ok(())
    }

    async fn pieces(
        &mut self,
        backup: &BackupStore,
        snapshot: &Digest,
        list: &Digest,
    ) -> Result<(), Failure> {
        if !self.read.insert(*list.as_bytes()) {
            return Ok(());
        }
        self.add(list);
        let pieces = backup.pieces(list).await.map_err(|error| unreadable(snapshot, error))?;
        for piece in &pieces {
            self.add(&piece.digest);
        }
        Ok(())
    }
}

fn unreadable(snapshot: &Digest, error: BackupError) -> Failure {
    if error.finding().is_none() {
        return error.into();
    }
    let message = format!("failed to tell what {} names; nothing more is pruned", snapshot.short());
    Failure::permanent(Code::GateShut, message).because(&error).hint(
        "run `coppice verify URL --snapshot ID`; mend its blobs, or forget it with --snapshot ID",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_name_once() {
        for objects in [0, 1, NAMES, NAMES + 1, 7 * NAMES, 5_000 * NAMES] {
            let all: Vec<u8> = Marks::ranges(objects).into_iter().flatten().collect();
            assert_eq!(all, (0..=255).collect::<Vec<u8>>(), "{objects}");
        }
    }
}
