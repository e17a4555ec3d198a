//! What would stand in the way, told before anything is written.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::canonical::backup::BackupStore;
use crate::canonical::compare::{difference, finding, measure};
use crate::canonical::layout::is_mutable;
use crate::canonical::{CanonicalStores, Entry, Filter, Manifest, Withdrawals};
use crate::model::{Failure, Finding, FindingKind, Meter, Zone};

const CANNOT_HOLD: &str =
    "restore to a store that can hold the key, or leave it out with --prefix or --zone";

/// What stands in the way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Preflight {
    /// Keys that a target cannot hold.
    pub(crate) findings: Vec<Finding>,
    /// Keys with another content in places that may change; the ledger is judged elsewhere.
    pub(crate) conflicts: Vec<String>,
}

/// Looks through a snapshot and its targets; writes nothing.
pub(crate) async fn preflight(
    backup: &BackupStore,
    manifest: &Manifest,
    stores: &CanonicalStores,
    filter: &Filter,
    withdrawals: &Withdrawals,
) -> Result<Preflight, Failure> {
    let mut found = Preflight::default();
    let folders: BTreeSet<&str> =
        manifest.shards.iter().map(|shard| shard.prefix.as_str()).collect();
    for shard in manifest.shards.iter().filter(|shard| filter.may_hold(shard)) {
        let entries = backup.shard(shard).await?;
        let keys: BTreeSet<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        let meant = |entry: &&Entry| filter.holds(&entry.key) && !withdrawals.erases(&entry.key);
        for entry in entries.iter().filter(meant) {
            let store = stores.of_key(&entry.key);
            let mut why = store.can_hold(&entry.key).err().map(|error| error.to_string());
            if why.is_none() && store.local_root().is_some() && is_folder(entry, &keys, &folders) {
                why = Some("another key needs a folder of this name".to_owned());
            }
            if let Some(why) = why {
                let kind = FindingKind::Unreadable;
                found.findings.push(finding(kind, entry, why, CANNOT_HOLD));
            } else if is_mutable(&entry.key)
                && entry.zone != Zone::Audit
                && differs(stores, entry).await?
            {
                found.conflicts.push(entry.key.clone());
            }
        }
    }
    Ok(found)
}

/// Whether other keys lie below this one, which a directory cannot have.
fn is_folder(entry: &Entry, keys: &BTreeSet<&str>, folders: &BTreeSet<&str>) -> bool {
    let folder = format!("{}/", entry.key);
    let below = |set: &BTreeSet<&str>| {
        set.range(folder.as_str()..).next().is_some_and(|key| key.starts_with(&folder))
    };
    below(keys) || below(folders)
}

async fn differs(stores: &CanonicalStores, entry: &Entry) -> Result<bool, Failure> {
    let store = stores.of_key(&entry.key);
    let Some(meta) = store.head(&entry.key).await? else { return Ok(false) };
    if meta.size != entry.size {
        return Ok(true);
    }
    let Some((_, bytes)) = store.stream(&entry.key, None).await? else { return Ok(false) };
    let (digest, size) = measure(bytes, &Meter::default()).await?;
    Ok(difference(entry, &digest, size).is_some())
}
