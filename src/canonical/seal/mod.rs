//! How does a store become a snapshot? Walked references first, each object read once, the
//! manifest last.

mod checks;
mod collect;
mod copy;
mod former;
mod gathered;
mod growth;
mod met;
mod outcome;
mod places;
mod run;

pub(crate) use outcome::{SealOptions, Sealed};
pub(crate) use run::seal;
