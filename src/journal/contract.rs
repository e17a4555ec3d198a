use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use futures::stream::BoxStream;

use super::{Answer, Event, Holder, JournalError, NewRequest, Request, RunState};
use crate::digest::Digest;
use crate::model::{Outcome, RunId, RunMode};

/// How long a lease holds without renewal.
pub(crate) const LEASE_SECONDS: u64 = 60;

/// The right to write to a run and its targets, for as long as its epoch is the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    /// The run.
    pub(crate) run: RunId,
    /// The fencing token: higher than that of every lease before it.
    pub(crate) epoch: u64,
    /// The targets that it covers, beside the run.
    pub(crate) targets: Vec<String>,
    /// Who holds it.
    pub(crate) holder: Holder,
}

impl Lease {
    /// How many claims it is made of: its run and each target once.
    pub(super) fn names(&self) -> u64 {
        let targets: std::collections::BTreeSet<_> = self.targets.iter().collect();
        targets.len() as u64 + 1
    }
}

/// One line of a list of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunSummary {
    /// The run.
    pub(crate) run: RunId,
    /// What it is for.
    pub(crate) mode: RunMode,
    /// The environment.
    pub(crate) environment: String,
    /// How it ended; `None`: it did not.
    pub(crate) outcome: Option<Outcome>,
    /// When it started.
    pub(crate) started_at: DateTime<Utc>,
    /// When it ended.
    pub(crate) finished_at: Option<DateTime<Utc>>,
    /// Who drives it now, if a lease is held.
    pub(crate) holder: Option<Holder>,
}

/// Where runs are recorded. The journal is the run: what is not in it did not happen.
#[async_trait]
pub(crate) trait Journal: Send + Sync {
    /// Takes a run and its targets, all or none. `Held` when another living process has one.
    async fn claim(
        &self,
        run: RunId,
        targets: &[String],
        holder: &Holder,
    ) -> Result<Lease, JournalError>;

    /// Holds a lease for another `LEASE_SECONDS`; `Stale` when somebody else took it.
    async fn renew(&self, lease: &Lease) -> Result<(), JournalError>;

    /// Gives a lease back.
    async fn release(&self, lease: &Lease) -> Result<(), JournalError>;

    /// Writes events that come from no request.
    #[cfg(test)]
    async fn append(&self, lease: &Lease, events: &[Event]) -> Result<(), JournalError> {
        self.record(lease, events, &[]).await
    }

    /// Writes events and the answers to the requests that they come from, all or none; durable on
    /// return. `Stale` when the lease's epoch is not the newest.
    async fn record(
        &self,
        lease: &Lease,
        events: &[Event],
        answers: &[Answer],
    ) -> Result<(), JournalError>;

    /// Asks something of a run, and gives the number of the request; anybody may.
    async fn ask(&self, run: RunId, asked: &NewRequest) -> Result<u64, JournalError>;

    /// Reads the requests that nobody answered yet, in order.
    async fn requests(&self, run: RunId) -> Result<Vec<Request>, JournalError>;

    /// Says what became of a request; `None`: nobody answered it yet.
    async fn answer(&self, run: RunId, seq: u64) -> Result<Option<Answer>, JournalError>;

    /// Reads the events of a run, in order; none when there is no such run.
    fn replay(&self, run: RunId) -> BoxStream<'_, Result<Event, JournalError>> {
        self.replay_after(run, 0)
    }

    /// Reads those after the `seq`-th.
    fn replay_after(&self, run: RunId, seq: u64) -> BoxStream<'_, Result<Event, JournalError>>;

    /// Lists the runs, newest first.
    async fn runs(&self) -> Result<Vec<RunSummary>, JournalError>;

    /// Stores bytes under their BLAKE3; durable on return.
    async fn put(&self, bytes: Bytes) -> Result<Digest, JournalError>;

    /// Reads them back, checked against their name.
    async fn get(&self, name: &Digest) -> Result<Bytes, JournalError>;
}

/// Folds the events of a run into its state. `NoSuchRun` when there are none.
pub(crate) async fn load(journal: &dyn Journal, run: RunId) -> Result<RunState, JournalError> {
    let mut state = RunState::new(run);
    let mut events = journal.replay(run);
    while let Some(event) = events.try_next().await? {
        state.apply(&event)?;
    }
    if state.last_seq == 0 { Err(JournalError::NoSuchRun { run }) } else { Ok(state) }
}

/// Sees events after they are durable. Best effort: one that fails is dropped after one warning.
pub(crate) trait Listener: Send {
    /// What it is called in the warning.
    fn name(&self) -> &'static str;

    /// Takes an event, and the run's state after it.
    fn on_event(&mut self, event: &Event, state: &RunState) -> std::io::Result<()>;
}
