//! A snapshot's entries, followed along a walk in the order of the keys.

use std::collections::{BTreeMap, VecDeque};

use super::backup::{BackupError, BackupStore};
use super::layout::part_of;
use super::manifest::ShardRef;
use super::shard::Entry;

/// Where a walk is in a snapshot; of each part one shard is in memory.
pub(super) struct Cursor {
    backup: BackupStore,
    parts: BTreeMap<String, Part>,
}

/// The entries of one part of the manifest, in the order of their keys; one shard in memory.
#[derive(Default)]
struct Part {
    shards: VecDeque<ShardRef>,
    entries: VecDeque<Entry>,
}

impl Cursor {
    /// Starts before the first of these shards.
    pub(super) fn new(backup: &BackupStore, shards: impl IntoIterator<Item = ShardRef>) -> Self {
        let mut parts: BTreeMap<String, Part> = BTreeMap::new();
        for shard in shards {
            parts.entry(shard.prefix.clone()).or_default().shards.push_back(shard);
        }
        Self { backup: backup.clone(), parts }
    }

    /// Goes on to `key`: gives its entry, if it had one, and adds those before it to `gone`.
    pub(super) async fn at(
        &mut self,
        key: &str,
        gone: &mut Vec<Entry>,
    ) -> Result<Option<Entry>, BackupError> {
        let Some(part) = self.parts.get_mut(part_of(key)) else { return Ok(None) };
        loop {
            let Some(next) = part.entries.pop_front() else {
                let Some(shard) = part.shards.pop_front() else { return Ok(None) };
                part.entries = self.backup.shard(&shard).await?.into();
                continue;
            };
            match next.key.as_bytes().cmp(key.as_bytes()) {
                std::cmp::Ordering::Less => gone.push(next),
                std::cmp::Ordering::Equal => return Ok(Some(next)),
                std::cmp::Ordering::Greater => {
                    part.entries.push_front(next);
                    return Ok(None);
                }
            }
        }
    }

    /// The entries that the walk did not come to, one shard at a time.
    pub(super) async fn rest(&mut self) -> Result<Option<Vec<Entry>>, BackupError> {
        while let Some(mut first) = self.parts.first_entry() {
            let part = first.get_mut();
            if !part.entries.is_empty() {
                return Ok(Some(std::mem::take(&mut part.entries).into()));
            }
            match part.shards.pop_front() {
                Some(shard) => part.entries = self.backup.shard(&shard).await?.into(),
                None => {
                    first.remove();
                }
            }
        }
        Ok(None)
    }
}
