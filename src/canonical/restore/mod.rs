//! How do objects get back? Hashed while written, never visible under their key unless right.

mod aside;
mod foresee;
mod object;
mod outcome;
mod preflight;
mod shard;

pub(crate) use outcome::{Existing, RestoredShard};
pub(crate) use preflight::preflight;
pub(crate) use shard::Restore;
