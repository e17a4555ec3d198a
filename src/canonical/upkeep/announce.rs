//! A snapshot that is being sealed says so before it counts on any blob: what it names is named
//! by no manifest yet.

use std::time::Duration;

use futures::TryStreamExt;
use tokio_util::sync::CancellationToken;

use super::exclusive;
use crate::canonical::backup::BackupStore;
use crate::model::{Code, Failure, RunId};
use crate::store::{Holder, TargetLock, standing};

const FOLDER: &str = ".coppice/sealing";
const LEASE: Duration = Duration::from_mins(2);
/// How far the clocks of two machines may be apart.
pub(super) const SKEW: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(100);

/// That a snapshot is being sealed: a lease that is renewed. Whoever prunes looks for it after it
/// has taken the lock, and whoever seals looks for the lock after it has announced itself, so that
/// one of the two always sees the other.
pub(crate) struct Announcement {
    backup: BackupStore,
    key: String,
    lease: TargetLock,
}

impl Announcement {
    /// Announces a snapshot, then waits until nobody prunes.
    pub(crate) async fn make(
        backup: &BackupStore,
        cancel: &CancellationToken,
    ) -> Result<Self, Failure> {
        let run = RunId::now();
        let holder = Holder { name: "a snapshot that is being sealed".to_owned(), run, epoch: 0 };
        let key = format!("{FOLDER}/{run}.json");
        let lease = TargetLock::take_at(backup.store(), &key, &holder, LEASE).await?;
        let announced = Self { backup: backup.clone(), key, lease };
        if let Err(failure) = announced.wait_for_upkeep(cancel).await {
            announced.end().await;
            return Err(failure);
        }
        Ok(announced)
    }

    async fn wait_for_upkeep(&self, cancel: &CancellationToken) -> Result<(), Failure> {
        let mut told = false;
        while let Some(by) = standing(self.backup.store(), exclusive::KEY, SKEW).await? {
            if !told {
                tracing::warn!(held = %by.message, "waiting for the backup store's upkeep to end");
                told = true;
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = cancel.cancelled() => return Err(Failure::cancelled()),
            }
        }
        Ok(())
    }

    /// Refuses to go on when the lease ran out: blobs that were counted on may be gone.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.lease.holds() {
            return Ok(());
        }
        let message = "failed to seal: the announcement ran out, so blobs may have been pruned";
        Err(Failure::transient(Code::StepFailed, message)
            .hint("this process slept or the backup store was away for minutes; seal again"))
    }

    /// Takes the announcement back. Where that does not work, it runs out by itself.
    pub(crate) async fn end(self) {
        let Self { backup, key, lease } = self;
        let released = lease.release().await;
        let deleted = backup.store().delete(&key).await.map_err(Failure::from);
        if let Err(failure) = released.and(deleted.map(drop)) {
            tracing::warn!(key, error = %failure.message, "announcement not taken back");
        }
    }
}

/// Who seals at the moment, if anybody does; what killed snapshots left is cleared if `clear`.
pub(super) async fn sealing(backup: &BackupStore, clear: bool) -> Result<Option<Failure>, Failure> {
    let store = backup.store();
    let mut walk = store.walk(FOLDER);
    while let Some(walked) = walk.try_next().await? {
        let key = walked.name();
        if let Some(by) = standing(store, key, SKEW).await? {
            return Ok(Some(by));
        }
        if clear {
            store.delete(key).await?;
        }
    }
    Ok(None)
}
