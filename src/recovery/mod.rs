//! Which action does which step? Survey, targets, and one file per step kind.

mod actions;
mod before_writing;
#[cfg(test)]
mod documents;
mod drive;
mod editions;
mod evidence;
mod former;
mod governance;
pub(crate) mod markers;
mod outputs;
mod params;
mod pins;
mod places;
mod preview;
mod private;
mod readiness;
mod receipts;
mod record_labels;
mod request;
mod scope;
mod scratch;
mod setting;
mod shards;
mod source;
mod survey;
mod targets;
mod withdrawn;
mod world;

pub(crate) use drive::{Watch, execute, resume};
pub(crate) use former::{Journaled, superfluous};
pub(crate) use governance::Governance;
pub(crate) use outputs::{GateOutput, LedgerOutput, PinnedShard, RestoredLedger, VerifiedOutput};
pub(crate) use params::{decided, params};
pub(crate) use places::zones_of;
pub(crate) use preview::{Foresight, Former, foresee};
pub(crate) use readiness::{Changed, Last, Level, Probe, last_path, probe};
pub(crate) use receipts::{receipt_path, stored as stored_receipt, unhash};
pub(crate) use request::{Prepared, Refusal, Request, open, prepare};
pub(crate) use scratch::discard;
pub(crate) use survey::accepts;
pub(crate) use withdrawn::of_plan as withdrawals;
pub(crate) use world::World;
