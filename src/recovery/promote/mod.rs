//! What of a kept, green rehearsal can be put live without doing the work again? What it built is
//! copied and proven anew where it goes; what cannot be taken over is said, with the reason.

mod rehearsed;
mod take;
mod told;

use serde::{Deserialize, Serialize};

use crate::model::RunId;

pub(super) use rehearsed::Rehearsed;
pub(super) use take::{Taken, take};
pub(crate) use told::told;

/// The rehearsal that a restore takes over from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Promote {
    /// The rehearsal.
    pub(crate) run: RunId,
    /// Whether what cannot be taken over is built again; else its job fails.
    pub(crate) rebuild: bool,
}
