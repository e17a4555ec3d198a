use std::time::Duration;

use crate::canonical::backup::BackupStore;
use crate::model::{Code, Failure, RunId};
use crate::store::{Holder, TargetLock};

/// The lock that only one upkeep of a backup store holds, and that snapshots wait for.
pub(super) const KEY: &str = ".coppice/upkeep.json";
const LEASE: Duration = Duration::from_mins(2);

/// The right to change what is in a backup store otherwise than by sealing.
pub(super) struct Upkeep {
    lock: TargetLock,
}

impl Upkeep {
    /// Does some work under the lock, and lets it go however the work ends.
    pub(super) async fn under<T>(
        backup: &BackupStore,
        actor: &str,
        work: impl AsyncFnOnce(&Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let holder = Holder { name: actor.to_owned(), run: RunId::now(), epoch: 0 };
        let lock = TargetLock::take_at(backup.store(), KEY, &holder, LEASE).await?;
        let upkeep = Self { lock };
        let done = work(&upkeep).await;
        let released = upkeep.lock.release().await;
        let done = done?;
        released?;
        Ok(done)
    }

    /// Refuses to go on when the lease ran out: a snapshot may have begun since.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.lock.holds() {
            return Ok(());
        }
        let message = "failed to go on: the lock of the backup store ran out";
        Err(Failure::fenced(Code::Locked, message)
            .hint("this process slept or the store was away for minutes; run it again"))
    }
}
