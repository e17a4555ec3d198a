use std::collections::{BTreeMap, BTreeSet};

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::layout;
use crate::model::{Finding, FindingKind, Zone};
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

    /// What lies in a store beside the zones that are read there: nothing else looks at it. One
    /// finding for each folder.
    pub(crate) async fn misplaced(&self) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::new();
        for store in self.all() {
            let is_default = store.identity() == self.default.identity();
            let served = |zone: Zone| self.of_zone(zone).identity() == store.identity();
            let (own, foreign): (Vec<_>, Vec<_>) =
                ORDER.iter().partition(|(zone, _)| served(*zone));
            // Beside the zones lies what belongs to none, which the walk meets where it is read.
            let walks: Vec<_> = if is_default || served(Zone::Other) {
                foreign.iter().map(|(_, folder)| store.walk(folder)).collect()
            } else {
                let skip = own.iter().map(|(_, folder)| (*folder).to_owned()).collect();
                vec![store.walk_without("", skip)]
            };
            let mut met: BTreeMap<String, u64> = BTreeMap::new();
            let mut walk = futures::stream::iter(walks).flatten();
            while let Some(walked) = walk.try_next().await? {
                let top = walked.name().split('/').next().unwrap_or_default();
                *met.entry(top.to_owned()).or_default() += 1;
            }
            findings.extend(met.into_iter().map(|(top, count)| misplaced(store, &top, count)));
        }
        Ok(findings)
    }
}

fn misplaced(store: &Store, top: &str, count: u64) -> Finding {
    let hint = format!(
        "it lies in {}, which is read for other zones: nothing looks at it; move it to its store",
        store.url()
    );
    let s = if count == 1 { "" } else { "s" };
    let finding = Finding::warning(FindingKind::Extra, hint).at(top);
    finding.differs("nothing", format!("{count} object{s}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Location;

    #[tokio::test]
    async fn what_lies_beside_the_zones_of_a_store_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Store::open(&Location::of_path(&path).unwrap()).unwrap()
        };
        let stores = CanonicalStores::new(open("all"), [(Zone::Raw, open("raw"))].into());
        for key in ["all/catalog/d/v/dcat.jsonld", "all/notes.txt", "raw/raw/d/a/manifest.json"] {
            let path = folder.path().join(key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
        assert_eq!(stores.misplaced().await.unwrap(), []);
        for key in ["all/raw/d/a/x", "all/raw/d/a/y", "raw/notes.txt", "raw/catalog/d/v/z"] {
            let path = folder.path().join(key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
        let found = stores.misplaced().await.unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|f| (f.key.as_deref().unwrap(), f.actual.as_deref().unwrap(), f.blocks()))
            .collect();
        let wanted = [("raw", "2 objects"), ("catalog", "1 object"), ("notes.txt", "1 object")];
        assert_eq!(told, wanted.map(|(key, actual)| (key, actual, false)));
    }
}
