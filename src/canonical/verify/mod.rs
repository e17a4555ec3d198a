//! Is it what the snapshot says? A backup store by itself, and a canonical store against one.

mod against;
mod backup;
mod extra;
mod outcome;

pub(crate) use against::{Verify, verify_against};
pub(crate) use backup::verify_backup;
pub(crate) use extra::extra_objects;
pub(crate) use outcome::{Pinned, Verified, VerifiedShard};
