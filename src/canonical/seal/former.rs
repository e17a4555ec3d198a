//! The former snapshot, held against the walk: what is unchanged, and what is gone.

use chrono::{DateTime, TimeDelta, Utc};

use crate::canonical::backup::{BackupError, BackupStore};
use crate::canonical::cursor::Cursor;
use crate::canonical::manifest::{Source, State};
use crate::canonical::shard::Entry;
use crate::store::Meta;

/// A file that was modified so shortly before it was sealed may have been modified again within
/// the resolution of its time.
const SETTLED: TimeDelta = TimeDelta::seconds(2);

/// The newest clean snapshot of the same stores. A suspect one is no measure: what had changed in
/// it would pass for right the next time.
pub(super) struct Former {
    as_of: DateTime<Utc>,
    pub(super) entries: Cursor,
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
        loop {
            let listing = backup.list().await?;
            let mut found = listing.snapshots.iter();
            let found = found.find(|s| s.state == State::Clean && same(&s.source));
            let Some(found) = found else { return Ok(None) };
            let manifest = match backup.manifest(&found.snapshot).await {
                // Forgotten meanwhile, for a newer one: of the blobs that it names none is
                // pruned while this snapshot is announced.
                Err(BackupError::NoSnapshot { .. }) => continue,
                read => read?,
            };
            let entries = Cursor::new(backup, manifest.shards);
            return Ok(Some(Self { as_of: manifest.as_of, entries }));
        }
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
