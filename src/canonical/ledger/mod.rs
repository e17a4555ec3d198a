//! Is the audit ledger whole? Its chain, its head, its checkpoints, and appends to it.

mod append;
mod branch;
mod chain;
mod checkpoint;
mod error;
mod forward;
mod link;
mod loss;
mod own;
mod pending;
mod record;
mod report;
mod source;
mod standing;
mod verify;
mod watch;

#[cfg(test)]
mod tests;

pub(crate) use append::{NewRecord, append};
pub(crate) use forward::{HeadMove, head_move, move_head};
pub(crate) use record::{HEAD, SIGNATURE};
pub(crate) use report::{AnchoredHead, HeadDocument, LedgerReport, Signature, Standing};
pub(crate) use standing::{Target, target};
pub(crate) use verify::verify;
