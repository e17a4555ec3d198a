use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::journal::{
    Answer, Event, EventKind, IllegalTransition, Journal, JournalError, Lease, Listener, RunState,
};
use crate::model::Failure;

/// The only maker of events: makes one, applies it to the state, has it durable, and only then
/// lets anybody act on it.
pub(crate) struct Dispatcher {
    journal: Arc<dyn Journal>,
    lease: Lease,
    state: RunState,
    staged: Vec<Event>,
    answers: Vec<Answer>,
    last_at: DateTime<Utc>,
    listeners: Vec<Box<dyn Listener>>,
}

impl Dispatcher {
    /// Continues from `state`.
    pub(crate) fn new(
        journal: Arc<dyn Journal>,
        lease: Lease,
        state: RunState,
        listeners: Vec<Box<dyn Listener>>,
    ) -> Self {
        Self {
            journal,
            lease,
            state,
            staged: Vec::new(),
            answers: Vec::new(),
            last_at: DateTime::UNIX_EPOCH,
            listeners,
        }
    }

    /// The state after all events, staged ones too.
    pub(crate) fn state(&self) -> &RunState {
        &self.state
    }

    /// The lease under which it writes.
    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Gives the state away at the end.
    pub(crate) fn into_state(self) -> RunState {
        self.state
    }

    /// Makes an event and applies it. Nothing may be done about it before `commit`.
    pub(crate) fn stage(&mut self, kind: EventKind) -> Result<(), Failure> {
        // A clock that is set back must not let a step end before it started.
        self.last_at = Utc::now().max(self.last_at);
        let (seq, epoch) = (self.state.last_seq + 1, self.lease.epoch);
        let event = Event { seq, at: self.last_at, epoch, kind };
        self.state
            .apply(&event)
            .map_err(|error: IllegalTransition| JournalError::Illegal(error))?;
        self.staged.push(event);
        Ok(())
    }

    /// Answers a request; the answer is written with the events that it became.
    pub(crate) fn reply(&mut self, answer: Answer) {
        self.answers.push(answer);
    }

    /// Has all staged events durable in one transaction, then shows them.
    pub(crate) async fn commit(&mut self) -> Result<(), Failure> {
        if self.staged.is_empty() && self.answers.is_empty() {
            return Ok(());
        }
        self.journal.record(&self.lease, &self.staged, &self.answers).await?;
        self.answers.clear();
        for event in std::mem::take(&mut self.staged) {
            let state = &self.state;
            self.listeners.retain_mut(|listener| show(listener.as_mut(), &event, state));
        }
        Ok(())
    }
}

/// Shows an event to a listener, and says whether to keep it.
fn show(listener: &mut dyn Listener, event: &Event, state: &RunState) -> bool {
    let name = listener.name();
    match catch_unwind(AssertUnwindSafe(|| listener.on_event(event, state))) {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => tracing::warn!(%error, "{name} is dropped: it failed"),
        Err(_panic) => tracing::warn!("{name} is dropped: it met a bug"),
    }
    false
}
