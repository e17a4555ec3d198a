use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use futures::stream::BoxStream;

use super::layout;
use crate::model::Zone;
use crate::store::{Store, StoreError, Walked};

/// The canonical stores: one, or some zones each in a store of its own. Keys are the same in
/// both: a store of the zone `raw` holds `raw/...`.
#[derive(Debug, Clone)]
pub(crate) struct CanonicalStores {
    default: Store,
    zones: BTreeMap<Zone, Store>,
}

/// The order of a walk: a reference comes before what it names, so that the copy of a store that
/// is being written to closes. Each is a folder of one zone.
const ORDER: [(Zone, &str); 8] = [
    (Zone::Audit, "audit/ledger/heads"),
    (Zone::Catalog, "releases"),
    (Zone::Catalog, "catalog"),
    (Zone::Processed, "processed"),
    (Zone::Raw, "raw"),
    (Zone::Work, "work"),
    (Zone::Quarantine, "quarantine"),
    (Zone::Audit, "audit"),
];

impl CanonicalStores {
    /// Puts the stores together.
    pub(crate) fn new(default: Store, zones: BTreeMap<Zone, Store>) -> Self {
        Self { default, zones }
    }

    /// The store of all zones that have none of their own.
    pub(crate) fn default_store(&self) -> &Store {
        &self.default
    }

    /// The zones that have a store of their own.
    pub(crate) fn zones(&self) -> &BTreeMap<Zone, Store> {
        &self.zones
    }

    /// Each store once, also where several zones share one.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Store> {
        let mut seen = BTreeSet::new();
        let all = std::iter::once(&self.default).chain(self.zones.values());
        all.filter(move |store| seen.insert(store.identity()))
    }

    /// The store that holds a key.
    pub(crate) fn of_key(&self, key: &str) -> &Store {
        self.of_zone(Zone::of_key(key))
    }

    /// The store of a zone.
    pub(crate) fn of_zone(&self, zone: Zone) -> &Store {
        self.zones.get(&zone).unwrap_or(&self.default)
    }

    /// Walks the objects of these zones (none named is all) in the order of publication reversed:
    /// references first. Within each part of a manifest, keys come by their bytes.
    pub(crate) fn walk(
        &self,
        only: &BTreeSet<Zone>,
    ) -> BoxStream<'static, Result<Walked, StoreError>> {
        let meant = |zone: &Zone| only.is_empty() || only.contains(zone);
        let mut walks = Vec::new();
        for (zone, folder) in ORDER.iter().filter(|(zone, _)| meant(zone)) {
            // The heads are walked first of all.
            let skip = if *folder == "audit" { vec![layout::HEADS.to_owned()] } else { Vec::new() };
            walks.push(self.of_zone(*zone).walk_without(folder, skip));
        }
        if meant(&Zone::Other) {
            let skip = ORDER.map(|(_, folder)| folder.to_owned());
            walks.push(self.of_zone(Zone::Other).walk_without("", skip.into()));
        }
        futures::stream::iter(walks).flatten().boxed()
    }
}
