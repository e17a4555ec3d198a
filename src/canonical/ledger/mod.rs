//! Is the audit ledger whole? Its chain, its head, its checkpoints, and appends to it.

mod append;
mod branch;
mod chain;
mod checkpoint;
mod error;
mod record;
mod report;
mod verify;

#[cfg(test)]
mod tests;

pub(crate) use append::{Appended, NewRecord, append, head};
pub(crate) use error::LedgerError;
pub(crate) use record::{HEAD, Head, SIGNATURE};
pub(crate) use report::{AnchoredHead, HeadDocument, LedgerReport, Signature};
pub(crate) use verify::verify;
