//! Which action does which step? Survey, targets, and one file per step kind.

mod actions;
mod drive;
mod governance;
mod ledger_entry;
pub(crate) mod markers;
mod outputs;
mod params;
mod pins;
mod places;
mod request;
mod setting;
mod source;
mod survey;
mod targets;
mod world;

pub(crate) use drive::{Watch, execute, reopen, resume};
pub(crate) use governance::Governance;
pub(crate) use outputs::{GateOutput, PinnedShard, VerifiedOutput};
pub(crate) use params::{decided, params};
pub(crate) use request::{Prepared, Refusal, Request, prepare};
pub(crate) use setting::{Existing, Filter, Setting};
pub(crate) use targets::Targets;
pub(crate) use world::World;
