//! Where a snapshot comes from, and which places make no sense.

use super::SealOptions;
use crate::canonical::CanonicalStores;
use crate::canonical::backup::BackupStore;
use crate::canonical::manifest::Source;
use crate::model::{Code, Failure};
use crate::store::{Store, read_marker};

/// Says where the objects come from.
pub(super) async fn source(
    from: &CanonicalStores,
    options: &SealOptions,
) -> Result<Source, Failure> {
    let environment = match &options.environment {
        Some(name) => Some(name.clone()),
        None => read_marker(from.default_store()).await?.map(|marker| marker.environment),
    };
    let zones = from.zones().iter().map(|(zone, store)| (*zone, store.identity().to_owned()));
    Ok(Source {
        environment,
        store: from.default_store().identity().to_owned(),
        zones: zones.collect(),
        tool: concat!("coppice ", env!("CARGO_PKG_VERSION")).to_owned(),
    })
}

/// A backup within what it backs up would hold itself, and a backup of a backup is a mistake.
pub(super) async fn check_places(from: &CanonicalStores, to: &BackupStore) -> Result<(), Failure> {
    for store in from.all() {
        let message = match (store.local_root(), to.store().local_root()) {
            (Some(a), Some(b)) if a.starts_with(b) || b.starts_with(a) => {
                format!(
                    "failed to seal {} into {}: one lies in the other",
                    store.url(),
                    to.store().url()
                )
            }
            _ if store.identity() == to.store().identity() => {
                format!("failed to seal {} into itself", store.url())
            }
            _ if from.all().any(|other| lies_within(store, other)) => {
                format!("failed to seal {}: it lies in the store of another zone", store.url())
            }
            _ if BackupStore::is_at(store).await? => {
                format!("failed to seal {}: it is a backup store", store.url())
            }
            _ => continue,
        };
        return Err(Failure::permanent(Code::Usage, message)
            .hint("--from is the canonical store, --to a place of its own for the snapshots"));
    }
    Ok(())
}

/// One store in another would be walked twice.
fn lies_within(store: &Store, other: &Store) -> bool {
    match (store.local_root(), other.local_root()) {
        (Some(a), Some(b)) => a != b && a.starts_with(b),
        _ => false,
    }
}
