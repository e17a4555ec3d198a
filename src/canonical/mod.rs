//! Are the roots whole? Snapshots of the canonical stores: sealed, restored, verified.

mod backup;
pub(crate) mod catalog;
mod catalogs;
mod cited;
mod compare;
mod content;
mod cursor;
mod embargo;
mod facts;
mod filter;
mod in_place;
pub(crate) mod json;
mod known;
mod layout;
pub(crate) mod ledger;
mod manifest;
mod restore;
mod seal;
mod shard;
mod standing;
mod stores;
mod upkeep;
mod verify;
mod whole;
pub(crate) mod withdrawals;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub(crate) use backup::{Accepts, BackupError, BackupStore, Choice, Listed, Listing};
pub(crate) use catalogs::{acquisitions, sealed_digests};
pub(crate) use content::content_digest;
pub(crate) use embargo::sealed_embargo;
pub(crate) use facts::{SnapshotContent, VersionContent, sealed_labels, snapshot_content};
pub(crate) use filter::Filter;
pub(crate) use in_place::read_in_place;
pub(crate) use known::Known;
pub(crate) use layout::{RELEASES, version_of};
pub(crate) use manifest::{Manifest, ShardRef, State};
pub(crate) use restore::{Existing, Restore, RestoredShard, preflight};
pub(crate) use seal::{SealOptions, Sealed, seal};
pub(crate) use shard::{Entry, Seen};
pub(crate) use standing::{Standing, is_canonical, verify_standing};
pub(crate) use stores::CanonicalStores;
pub(crate) use upkeep::{
    Decided, ForgetOutcome, Hold, Holds, Keep, PruneOptions, Pruned, What, forget, hold, prune,
    release,
};
pub(crate) use verify::{Pinned, Verified, VerifiedShard, Verify, verify_backup};
pub(crate) use whole::verify_whole;
pub(crate) use withdrawals::Withdrawals;

/// The JSON Schema (2020-12) of snapshot manifests.
pub(crate) fn manifest_schema() -> serde_json::Value {
    schemars::schema_for!(Manifest).to_value()
}
