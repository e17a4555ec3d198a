//! What is done to the fixture.

use std::fs;
use std::path::Path;

/// A damage to one object of the store.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// A text in the place of another.
    Edit(&'static str, &'static str, &'static str),
    /// It is gone.
    Remove(&'static str),
    /// One bit is another.
    Flip(&'static str),
    /// The last bytes are gone.
    Cut(&'static str),
    /// It goes on.
    Grow(&'static str),
    /// It is there though nothing names it.
    Add(&'static str),
}
use Damage::{Add, Cut, Edit, Flip, Grow, Remove};

macro_rules! keys {
    ($($name:ident = $key:literal;)*) => {
        $(pub(super) const $name: &str = $key;)*
        /// The objects that have a name here.
        pub(super) const NAMED: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

keys! {
    ARTIFACT = "processed/ks_airports/2026-02.c4f9633b/artifacts/ks_airports.parquet";
    JSON = "processed/ks_airports/2026-02.c4f9633b/artifacts/ks_airports.geojson";
    STRAY = "processed/ks_airports/2026-02.c4f9633b/artifacts/more.csv";
    CHECKSUMS = "processed/ks_airports/2026-02.c4f9633b/checksums.json";
    REPORT = "processed/ks_airports/2026-02.c4f9633b/qa/validation_report.json";
    DCAT = "catalog/ks_airports/2026-02.c4f9633b/dcat.jsonld";
    PROV = "catalog/ks_airports/2026-02.c4f9633b/prov/bundle.jsonld";
    ITEM = "catalog/ks_airports/2026-02.c4f9633b/stac/items/ks_airports.json";
    COLLECTION = "catalog/ks_airports/2026-02.c4f9633b/stac/collection.json";
    RECEIPT = "catalog/ks_airports/2026-02.c4f9633b/receipts/run_receipt.json";
    RELEASE = "releases/ks_airports/2026-02.c4f9633b/release.json";
    RAW = "raw/ks_airports/20260210T060600Z/artifacts/ks_airports.geojson";
    RAW_STRAY = "raw/ks_airports/20260210T060600Z/artifacts/more.csv";
    RAW_MANIFEST = "raw/ks_airports/20260210T060600Z/manifest.json";
    HEAD = "audit/ledger/heads/ledger_head.json";
    FIRST_DAY = "audit/ledger/records/2026/2026-02/2026-02-10";
    RECORD = "audit/ledger/records/2026/2026-02/2026-02-10/promote_17a81c082c849c3d80edaed28e0e1e53db199c65e2e11a9fa6d611df5fc9bdb6.json";
    LAST = "audit/ledger/records/2026/2026-02/2026-02-11/publish_9001b5e33d9cfad176de6d898f5f5c0c8819224d27bc328e374e933c7d7a34d7.json";
    CHECKPOINT = "audit/checkpoints/2026/2026-02/audit_checkpoint_2026-02-10.ndjson";
    CHECKPOINT_MANIFEST = "audit/checkpoints/2026/2026-02/audit_checkpoint_2026-02-10.manifest.json";
    ZIPCODES_DCAT = "catalog/ks_zipcodes/2026-02.29ec178f/dcat.jsonld";
    FLIGHTS = "processed/ks_flights_2001_ict/2026-02.74695b01/artifacts/ks_flights_2001_ict.parquet";
    LINES = "processed/ks_county_lines/2026-02.c4c88e86/artifacts/ks_county_lines.fgb";
    CENTERS = "processed/ks_county_centers/2026-02.11ecd03c/artifacts/ks_county_centers.geojsons";
    WARNINGS = "processed/ks_storm_warnings/2026-02.6d2832fb/artifacts/ks_storm_warnings.csv";
    SITES_CHECKSUMS = "processed/ks_species_sites/2026-02.10272652/checksums.json";
    EARTHQUAKES = "processed/ks_earthquakes/2026-02.304508b7/artifacts/ks_earthquakes.geojson";
    FORMER_PROV = "catalog/ks_populated_places/2026-01.f3643be0/prov/bundle.jsonld";
}

/// The name of a key here, or the key in quotes: as a table spells it.
pub(super) fn spelled(key: &str) -> String {
    let named = NAMED.iter().find(|(_, known)| *known == key);
    named.map_or_else(|| format!("{key:?}"), |(name, _)| (*name).to_owned())
}

impl Damage {
    /// As a table spells it.
    pub(super) fn spelled(&self) -> String {
        match self {
            Edit(key, from, to) => format!("Edit({}, {from:?}, {to:?})", spelled(key)),
            Remove(key) => format!("Remove({})", spelled(key)),
            Flip(key) => format!("Flip({})", spelled(key)),
            Cut(key) => format!("Cut({})", spelled(key)),
            Grow(key) => format!("Grow({})", spelled(key)),
            Add(key) => format!("Add({})", spelled(key)),
        }
    }

    pub(super) fn apply(&self, root: &Path) {
        match self {
            Edit(key, from, to) => {
                let text = fs::read_to_string(root.join(key)).unwrap();
                assert!(text.contains(from), "{key} has no {from}");
                fs::write(root.join(key), text.replace(from, to)).unwrap();
            }
            Remove(key) if root.join(key).is_dir() => fs::remove_dir_all(root.join(key)).unwrap(),
            Remove(key) => fs::remove_file(root.join(key)).unwrap(),
            Flip(key) => change(root, key, |bytes| {
                // A digit in the place of another is a text still.
                let at = bytes.iter().rposition(|byte| matches!(byte, b'1'..=b'8')).unwrap();
                bytes[at] += 1;
            }),
            Cut(key) => change(root, key, |bytes| bytes.truncate(bytes.len() - 9)),
            Grow(key) => change(root, key, |bytes| bytes.push(b'\n')),
            Add(key) => {
                fs::create_dir_all(root.join(key).parent().unwrap()).unwrap();
                fs::write(root.join(key), "id,name\n1,one\n").unwrap();
            }
        }
    }
}

fn change(root: &Path, key: &str, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(root.join(key)).unwrap();
    how(&mut bytes);
    fs::write(root.join(key), bytes).unwrap();
}
