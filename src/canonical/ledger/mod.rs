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

pub(crate) use append::{NewRecord, append};
pub(crate) use record::HEAD;
pub(crate) use report::{AnchoredHead, HeadDocument, LedgerReport, Signature};
pub(crate) use verify::verify;
