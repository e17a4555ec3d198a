//! Which action does which step? Survey, targets, and one file per step kind.

mod actions;
mod drive;
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

pub(crate) use drive::{execute, resume};
pub(crate) use outputs::{GateOutput, PinnedShard, VerifiedOutput};
pub(crate) use params::{decided, params};
pub(crate) use request::{Prepared, Request, prepare};
pub(crate) use setting::Setting;
pub(crate) use targets::Targets;
pub(crate) use world::World;
