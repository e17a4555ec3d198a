//! Are the roots whole? Snapshots of the canonical stores: sealed, restored, verified.

pub(crate) mod catalog;
pub(crate) mod ledger;

#[cfg(test)]
mod fixture;
