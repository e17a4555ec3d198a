//! How does a backup store stay in order? Snapshots are held, forgotten by a rule, and what none
//! of them names any more is pruned, beside snapshots that are being sealed.

mod announce;
mod exclusive;
mod forget;
mod holds;
mod keep;
mod marks;
mod prune;

pub(crate) use announce::Announcement;
pub(crate) use forget::{Decided, ForgetOutcome, What, forget};
pub(crate) use holds::{Hold, Holds, hold, release};
pub(crate) use keep::Keep;
pub(crate) use prune::{PruneOptions, Pruned, prune};
