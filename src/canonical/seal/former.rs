//! The former snapshot, held against the walk: what is unchanged, and what is gone.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use crate::canonical::backup::{BackupError, BackupStore};
use crate::canonical::layout::part_of;
use crate::canonical::manifest::{Manifest, ShardRef, Source, State};
use crate::canonical::shard::Entry;
use crate::store::Meta;

/// A file that was modified so shortly before it was sealed may have been modified again within
/// the resolution of its time.
const SETTLED: TimeDelta = TimeDelta::seconds(2);

/// The newest clean snapshot of the same stores. A suspect one is no measure: what had changed in
/// it would pass for right the next time.
pub(super) struct Former {
    backup: BackupStore,
    as_of: DateTime<Utc>,
    parts: BTreeMap<String, Part>,
}

/// The entries of one part of the manifest, in the order of their keys; one shard in memory.
#[derive(Default)]
struct Part {
    shards: VecDeque<ShardRef>,
    entries: VecDeque<Entry>,
}

impl Former {
    pub(super) async fn find(
        backup: &BackupStore,
        source: &Source,
    ) -> Result<Option<Self>, BackupError> {
        let same = |other: &Source| {
            (&other.environment, &other.store, &other.zones)
                == (&source.environment, &source.store, &source.zones)
        };
        let listing = backup.list().await?;
        let mut found = listing.snapshots.iter();
        let found = found.find(|s| s.state == State::Clean && same(&s.source));
        let Some(found) = found else { return Ok(None) };
        let manifest: Manifest = backup.manifest(&found.snapshot).await?;
        let mut parts: BTreeMap<String, Part> = BTreeMap::new();
        for shard in manifest.shards {
            parts.entry(shard.prefix.clone()).or_default().shards.push_back(shard);
        }
        Ok(Some(Self { backup: backup.clone(), as_of: manifest.as_of, parts }))
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

    /// Whether an object looks as it did, so surely that it need not be read again.
    pub(super) fn is_unchanged(as_of: DateTime<Utc>, former: &Entry, now: &Meta) -> bool {
        now.pin.etag.is_some()
            && former.seen.etag == now.pin.etag
            && former.size == now.size
            && former.seen.modified == now.modified
            && now.modified + SETTLED < as_of
    }

    pub(super) fn as_of(&self) -> DateTime<Utc> {
        self.as_of
    }
}
