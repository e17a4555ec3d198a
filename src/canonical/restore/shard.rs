use futures::{StreamExt, TryStreamExt};
use tokio_util::sync::CancellationToken;

use super::{Existing, RestoredShard};
use crate::canonical::backup::BackupStore;
use crate::canonical::compare::described;
use crate::canonical::layout::RELEASES;
use crate::canonical::withdrawals::{gone, still_here};
use crate::canonical::{CanonicalStores, Entry, Filter, ShardRef, Withdrawals};
use crate::model::{Failure, Finding, Meter, RunId};

/// How a snapshot's objects are restored.
pub(crate) struct Restore<'a> {
    /// Where the snapshot is.
    pub(crate) backup: &'a BackupStore,
    /// Where bytes may be nearer than in the backup: what was restored before, for a rehearsal.
    /// Nothing is believed of it that its digest does not prove.
    pub(crate) near: Option<&'a CanonicalStores>,
    /// Where the objects go.
    pub(crate) stores: &'a CanonicalStores,
    /// Which are meant.
    pub(crate) filter: &'a Filter,
    /// Which of them are held back, such as those of a version whose gate is shut.
    pub(crate) hold_back: &'a (dyn Fn(&Entry) -> bool + Sync),
    /// What was withdrawn: it stays in the backup.
    pub(crate) withdrawals: &'a Withdrawals,
    /// What happens to other content in places that may change.
    pub(crate) existing: Existing,
    /// The run; it names the place to which other content is copied.
    pub(crate) run: RunId,
    /// How many objects at once.
    pub(crate) at_once: usize,
    /// Where the work says how far it is.
    pub(crate) meter: &'a Meter,
    /// Asks the work to stop.
    pub(crate) cancel: &'a CancellationToken,
}

/// What became of one object.
pub(super) enum Outcome {
    Restored {
        displaced: Option<Finding>,
    },
    /// Written with bytes that were nearer than the backup.
    Near,
    Kept,
    Conflict,
    Found(Finding),
}

impl Restore<'_> {
    /// Other zones are told of when they are verified.
    async fn withdrawn_releases(&self, held: &[Entry]) -> Result<Vec<Finding>, Failure> {
        let mut findings = Vec::new();
        for entry in held {
            if !entry.key.starts_with(RELEASES) || !self.withdrawals.erases(&entry.key) {
                continue;
            }
            findings.push(match self.stores.of_key(&entry.key).head(&entry.key).await? {
                Some(meta) => still_here(&entry.key, None, meta.size),
                None => gone(&entry.key, None, true),
            });
        }
        Ok(findings)
    }

    /// Restores a shard: every object that is right is durable on return; twice equals once.
    pub(crate) async fn shard(&self, shard: &ShardRef) -> Result<RestoredShard, Failure> {
        let entries = self.backup.shard(shard).await?;
        let mut done = RestoredShard::default();
        let (held, meant): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .filter(|entry| self.filter.holds(&entry.key))
            .partition(|entry| (self.hold_back)(entry) || self.withdrawals.erases(&entry.key));
        done.findings = self.withdrawn_releases(&held).await?;
        done.objects = (held.len() + meant.len()) as u64;
        done.held_back = held.len() as u64;
        let work = futures::stream::iter(meant).map(|entry| async move {
            let outcome = self.object(&entry).await?;
            self.meter.add_rows(1);
            Ok::<_, Failure>((entry, outcome))
        });
        let mut work = work.buffer_unordered(self.at_once).boxed();
        while let Some((entry, outcome)) = work.try_next().await? {
            match outcome {
                Outcome::Restored { displaced } => {
                    done.restored += 1;
                    done.bytes += entry.size;
                    done.displaced += u64::from(displaced.is_some());
                    done.findings.extend(displaced);
                }
                Outcome::Near => {
                    done.restored += 1;
                    done.near += 1;
                    done.bytes += entry.size;
                }
                Outcome::Kept => done.kept += 1,
                Outcome::Conflict => done.conflicts.push(entry.key),
                Outcome::Found(finding) => {
                    tracing::warn!(
                        key = entry.key,
                        expected = described(&entry.digest, entry.size),
                        kind = finding.kind.name(),
                        "object not restored"
                    );
                    done.findings.push(finding);
                }
            }
        }
        done.conflicts.sort_unstable();
        done.findings.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(done)
    }
}
