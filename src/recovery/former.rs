//! Which former generations nobody needs any more.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::journal::{Journal, load};
use crate::model::{Failure, JobId, Outcome, RunId};
use crate::projection::Stored;

/// What the journal knows of other runs.
#[derive(Debug, Default)]
pub(crate) struct Journaled {
    /// Runs that will not go on.
    ended: BTreeSet<RunId>,
    /// Generations that a run which may go on has built or is about to put live.
    used: BTreeMap<JobId, BTreeSet<Digest>>,
}

impl Journaled {
    /// Reads all runs but `ours`.
    pub(crate) async fn read(journal: &dyn Journal, ours: RunId) -> Result<Self, Failure> {
        let mut known = Self::default();
        for run in journal.runs().await?.into_iter().filter(|run| run.run != ours) {
            // A halted run can still be resumed.
            if run.outcome.is_some_and(|outcome| outcome != Outcome::Halted) {
                known.ended.insert(run.run);
                continue;
            }
            for step in load(journal, run.run).await?.steps.into_values() {
                if let (Some(job), Some(digest)) = (step.seed.about.job, step.seed.about.generation)
                {
                    known.used.entry(job).or_default().insert(digest);
                }
            }
        }
        Ok(known)
    }

    /// The generations of a job that a run which may go on counts on.
    pub(crate) fn used(&self, job: &JobId) -> impl Iterator<Item = Digest> {
        self.used.get(job).into_iter().flatten().copied()
    }

    /// Whether a run is known here, and will not go on.
    pub(crate) fn has_ended(&self, run: RunId) -> bool {
        self.ended.contains(&run)
    }
}

/// Chooses the generations to drop: not those that are used, nor the one to go back to, nor the
/// newest others up to `keep` former ones in all. One that was never live goes only when the run
/// that built it has ended for certain: a run that another machine drives is not known here.
pub(crate) fn superfluous(
    stored: Vec<Stored>,
    used: &BTreeSet<Digest>,
    former: Option<Digest>,
    keep: u32,
    has_ended: impl Fn(RunId) -> bool,
) -> Vec<Digest> {
    let mut others: Vec<_> = stored
        .into_iter()
        .filter(|one| !used.contains(&one.digest) && former != Some(one.digest))
        .collect();
    // A run's id tells when it began.
    others.sort_by_key(|one| (std::cmp::Reverse(one.run), one.digest));
    let mut places = keep.max(1) - u32::from(former.is_some());
    let mut dropped = Vec::new();
    for one in others {
        if one.complete && one.was_live && places > 0 {
            places -= 1;
        } else if one.was_live || one.run.is_some_and(&has_ended) {
            dropped.push(one.digest);
        }
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(name: u8, was_live: bool) -> Stored {
        let run = RunId(uuid::Uuid::from_u128(u128::from(name)));
        let digest = Digest::blake3(&[name]);
        Stored { digest, run: Some(run), complete: true, was_live }
    }

    fn names(dropped: &[Digest]) -> Vec<u8> {
        let name = |digest: &Digest| (0..=u8::MAX).find(|n| Digest::blake3(&[*n]) == *digest);
        dropped.iter().filter_map(name).collect()
    }

    #[test]
    fn the_newest_former_ones_stay_and_older_ones_go() {
        let all: Vec<_> = (1..=6).map(|name| stored(name, true)).collect();
        let used = [Digest::blake3(&[6])].into();
        let drop = |keep, former: Option<u8>| {
            let former = former.map(|name| Digest::blake3(&[name]));
            names(&superfluous(all.clone(), &used, former, keep, |_| true))
        };
        assert_eq!(drop(2, Some(5)), [3, 2, 1]);
        assert_eq!(drop(1, Some(5)), [4, 3, 2, 1]);
        // After a rollback the former one is not the newest.
        assert_eq!(drop(2, Some(2)), [4, 3, 1]);
        assert_eq!(drop(2, None), [3, 2, 1]);
        assert_eq!(drop(0, None), [4, 3, 2, 1], "one is always kept");
        assert_eq!(drop(9, Some(5)), Vec::<u8>::new());
    }

    #[test]
    fn what_a_run_may_still_put_live_stays() {
        let mut half = stored(3, false);
        half.complete = false;
        let unknown = Stored { run: None, ..stored(4, false) };
        let all = vec![stored(1, false), stored(2, false), half, unknown];
        let used = [Digest::blake3(&[2])].into();
        let ended = |run: RunId| run.0.as_u128() != 1;
        // One waits for its run on another machine, two is used by one that is known here, of four
        // nobody knows whose it is.
        assert_eq!(names(&superfluous(all, &used, None, 2, ended)), [3]);
    }

    proptest::proptest! {
        #[test]
        fn neither_the_live_nor_the_former_one_is_ever_dropped(
            lives in proptest::collection::vec(proptest::bool::ANY, 1..12),
            live in 0usize..12, former in 0usize..12, keep in 0u32..5,
        ) {
            let all: Vec<_> = (0u8..).zip(&lives).map(|(n, was)| stored(n, *was)).collect();
            let name = |at: usize| Digest::blake3(&[u8::try_from(at % lives.len()).unwrap()]);
            let used = [name(live)].into();
            let dropped = superfluous(all, &used, Some(name(former)), keep, |_| true);
            assert!(!dropped.contains(&name(live)) && !dropped.contains(&name(former)));
        }
    }
}
