//! Are the roots whole? Snapshots of the canonical stores: sealed, restored, verified.

mod backup;
pub(crate) mod catalog;
mod content;
mod filter;
#[cfg(test)]
mod fixture;
mod layout;
pub(crate) mod ledger;
mod manifest;
mod seal;
mod shard;
mod stores;

pub(crate) use backup::{Accepts, BackupError, BackupStore, Choice, Listed, Listing};
pub(crate) use content::{ContentDigest, content_digest};
pub(crate) use filter::Filter;
pub(crate) use manifest::{Manifest, PlanFile, ShardRef, Source, State};
pub(crate) use seal::{SealOptions, Sealed, seal};
pub(crate) use shard::{Entry, Seen};
pub(crate) use stores::CanonicalStores;
