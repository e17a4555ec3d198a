use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Files, FilesError, objects};
use crate::digest::Digest;
use crate::model::{JobId, RunId};
use crate::projection::{Change, LastSwitch, Refusal, StageContext};

/// How often a switch is tried against others that move the pointer meanwhile.
const TRIES: u32 = 8;

type Result<T> = std::result::Result<T, FilesError>;

/// `live/<20-digit seq>.json`: which generations readers get. The highest number wins; none is
/// ever overwritten, and a rollback is the next number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pointer {
    pub(crate) seq: u64,
    /// The run that put it, and its fencing token.
    pub(crate) run_id: RunId,
    pub(crate) epoch: u64,
    /// The live generation of each job.
    pub(crate) generations: BTreeMap<JobId, Digest>,
    /// The generation of each job that was live before its last switch.
    pub(crate) previous: BTreeMap<JobId, Digest>,
    /// Who switched each job last, and when.
    #[serde(default)]
    pub(crate) switched: BTreeMap<JobId, Switched>,
}

/// By whom a job was switched, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Switched {
    pub(crate) run_id: RunId,
    pub(crate) at: DateTime<Utc>,
}

impl Files {
    /// The pointer that readers follow, if anything was ever live.
    pub(crate) async fn pointer(&self) -> Result<Option<Pointer>> {
        match self.pointers().await?.pop() {
            Some(key) => Ok(Some(self.read_pointer(key).await?)),
            None => Ok(None),
        }
    }

    /// The keys of all pointers, the one that readers follow last.
    pub(super) async fn pointers(&self) -> Result<Vec<String>> {
        let found = objects::list(&self.store, "live").await?;
        let mut keys: Vec<_> =
            found.into_iter().map(|meta| meta.key).filter(|key| is_pointer(key)).collect();
        keys.sort_unstable();
        Ok(keys)
    }

    pub(super) async fn read_pointer(&self, key: String) -> Result<Pointer> {
        match objects::read(&self.store, &key).await? {
            Some((pointer, ..)) => Ok(pointer),
            None => Err(FilesError::Missing { key }),
        }
    }

    /// Says which generation of a job is live.
    pub(crate) async fn live(&self, job: &JobId) -> Result<Option<Digest>> {
        Ok(self.pointer().await?.and_then(|pointer| pointer.generations.get(job).copied()))
    }

    /// Says by whom a job was switched last, and from what.
    pub(crate) async fn last_switch(&self, job: &JobId) -> Result<Option<LastSwitch>> {
        let Some(pointer) = self.pointer().await? else { return Ok(None) };
        let former = pointer.previous.get(job).copied();
        if former.is_none() && !pointer.generations.contains_key(job) {
            return Ok(None);
        }
        // The first pointers did not say it for each job.
        let unsaid = Switched { run_id: pointer.run_id, at: DateTime::UNIX_EPOCH };
        let Switched { run_id, at } = pointer.switched.get(job).cloned().unwrap_or(unsaid);
        Ok(Some(LastSwitch { former, run: run_id, at }))
    }

    /// Proves that the set could be switched now: each job is at its former or already at its new
    /// generation, and each new generation is published and proven.
    pub(crate) async fn prepare(&self, set: &[Change]) -> Result<()> {
        let live = self.pointer().await?.map(|pointer| pointer.generations).unwrap_or_default();
        for change in set {
            pending(change, &live)?;
            if let Some(to) = change.to {
                let (_, listing) = self.published(&change.job, &to).await?;
                if self.proof(&change.job, &to, &listing).await?.is_none() {
                    return Err(Refusal::unproven(&change.job, &to).into());
                }
            }
        }
        Ok(())
    }

    /// Puts a set live by one new pointer; the jobs may be of any file-like kind. A set that is
    /// live already succeeds.
    ///
    /// The compare is on each job's `from`, the swap is the create-only put of the next number. A
    /// process that lost its run to a later one is fenced by the epoch; epochs of two runs say
    /// nothing about each other.
    pub(crate) async fn switch(&self, set: &[Change], cx: &StageContext) -> Result<()> {
        self.prepare(set).await?;
        for _ in 0..TRIES {
            let current = self.pointer().await?;
            let mut next = Pointer {
                seq: current.as_ref().map_or(1, |pointer| pointer.seq + 1),
                run_id: cx.run,
                epoch: cx.epoch,
                generations: BTreeMap::new(),
                previous: BTreeMap::new(),
                switched: BTreeMap::new(),
            };
            if let Some(current) = current {
                if current.run_id == cx.run && current.epoch > cx.epoch {
                    let (ours, theirs) = (cx.epoch, current.epoch);
                    return Err(Refusal::Stale { run: cx.run, ours, theirs }.into());
                }
                next.generations = current.generations;
                next.previous = current.previous;
                next.switched = current.switched;
            }
            if !next.apply(set)? {
                return Ok(());
            }
            let key = format!("live/{:020}.json", next.seq);
            if objects::create(&self.store, &key, &next).await? {
                return Ok(());
            }
        }
        Err(FilesError::Contended { what: "the live pointer", tries: TRIES })
    }
}

impl Pointer {
    /// Applies what is not live yet; says whether anything was changed.
    fn apply(&mut self, set: &[Change]) -> Result<bool> {
        let mut changed = false;
        for change in set {
            if !pending(change, &self.generations)? {
                continue;
            }
            changed = true;
            let switched = Switched { run_id: self.run_id, at: Utc::now() };
            self.switched.insert(change.job.clone(), switched);
            let former = match change.to {
                Some(to) => self.generations.insert(change.job.clone(), to),
                None => self.generations.remove(&change.job),
            };
            match former {
                Some(former) => self.previous.insert(change.job.clone(), former),
                None => self.previous.remove(&change.job),
            };
        }
        Ok(changed)
    }
}

/// Whether a change is still to be made; an error when neither side of it is live.
fn pending(change: &Change, generations: &BTreeMap<JobId, Digest>) -> Result<bool> {
    let live = generations.get(&change.job).copied();
    if live == change.to {
        Ok(false)
    } else if live == change.from {
        Ok(true)
    } else {
        Err(Refusal::NotFormer { job: change.job.clone(), live }.into())
    }
}

fn is_pointer(key: &str) -> bool {
    let name = key.strip_prefix("live/").and_then(|name| name.strip_suffix(".json"));
    name.is_some_and(|name| name.len() == 20 && name.bytes().all(|b| b.is_ascii_digit()))
}
