//! How do we know what happened? Events, the run state folded from them, and their store.

mod ask;
mod claims;
mod contract;
mod error;
mod event;
#[cfg(test)]
pub(crate) mod faults;
mod holder;
mod requests;
#[cfg(test)]
pub(crate) mod samples;
mod shared;
mod sqlite;
mod state;
mod step;
#[cfg(test)]
mod suite;
mod values;
mod waits;

pub(crate) use ask::{Answer, Ask, AskKind, NewRequest, Request};
pub(crate) use contract::{Journal, LEASE_SECONDS, Lease, Listener, RunSummary, load};
pub(crate) use error::JournalError;
pub(crate) use event::{About, Event, EventKind, RunInfo, RunRequest, StepSeed};
pub(crate) use holder::Holder;
pub(crate) use shared::SharedJournal;
pub(crate) use sqlite::SqliteJournal;
pub(crate) use state::{Asked, IllegalTransition, RunPhase, RunState};
pub(crate) use step::{ShardPhase, ShardState, StepPhase, StepState};
pub(crate) use waits::{Wait, waits};
