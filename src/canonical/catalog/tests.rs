use std::collections::HashMap;
use std::fs;
use std::sync::Arc;

use super::load::Known;
use super::*;
use crate::canonical::CanonicalStores;
use crate::canonical::fixture::Platform;
use crate::digest::{Algorithm, BothDigests, Digest};
use crate::model::{DatasetVersionId, FindingKind as K, PolicyLabel, Severity, Zone};

pub(super) const PLACES: &str = "ks_populated_places";

/// A platform, the digests of its objects as they were at first, and its versions.
pub(super) struct Bench {
    pub(super) platform: Platform,
    pub(super) bytes: HashMap<String, BothDigests>,
    pub(super) versions: Vec<Known>,
}

impl Bench {
    pub(super) async fn new() -> Self {
        let platform = Platform::new();
        let versions = versions(&platform.stores()).await.unwrap();
        let mut bench = Self { platform, bytes: HashMap::new(), versions };
        bench.hash();
        bench
    }

    pub(super) fn hash(&mut self) {
        let keys = self.platform.keys("").into_iter();
        self.bytes = keys.map(|key| (key.clone(), self.bytes_of(&key))).collect();
    }

    /// What the bytes of an object are, known to the check or not.
    pub(super) fn bytes_of(&self, key: &str) -> BothDigests {
        let bytes = fs::read(self.platform.path(key)).unwrap();
        let (blake3, sha256) = (Digest::blake3(&bytes), Digest::sha256(&bytes));
        BothDigests { blake3, sha256, size: bytes.len() as u64 }
    }

    pub(super) fn key(&self, zone: &str, path: &str) -> String {
        format!("{zone}/{PLACES}/{}/{path}", self.places())
    }

    /// The newest version of the places.
    fn places(&self) -> &DatasetVersionId {
        &self.versions.iter().rfind(|known| known.dataset == PLACES).unwrap().version
    }

    pub(super) async fn findings(&self) -> Vec<crate::model::Finding> {
        let versions: Vec<_> =
            self.versions.iter().map(|one| (one.dataset.clone(), one.version.clone())).collect();
        let bytes = self.bytes.clone();
        // Only what was hashed is known: no document of the catalog, as in a check in place.
        let digests: Arc<Digests> = Arc::new(move |key: &str| {
            bytes.get(key).filter(|_| !key.starts_with("catalog/")).copied()
        });
        let sources = async |_| Ok(Sources::default());
        verify(&self.platform.stores(), &versions, digests, sources).await.unwrap()
    }

    pub(super) async fn kinds(&self) -> Vec<K> {
        let findings = self.findings().await;
        let version = self.places();
        for finding in &findings {
            // The evidence of a release is told of and stops nothing.
            if finding.severity == Severity::Warns && finding.kind == K::DanglingLink {
                continue;
            }
            assert_eq!(finding.severity, Severity::Blocks);
            assert_eq!(finding.dataset_version_id.as_ref(), Some(version));
            assert_eq!(finding.blocks, [version.to_string()]);
        }
        let mut kinds: Vec<K> =
            findings.iter().filter(|one| one.blocks()).map(|one| one.kind).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    }
}

/// Changes the text of one catalog document of the fixture and gives the kinds that are found.
pub(super) async fn edited(path: &str, from: &str, to: &str) -> Vec<K> {
    let mut bench = Bench::new().await;
    bench.platform.edit(&bench.key("catalog", path), |text| text.replace(from, to));
    bench.hash();
    bench.kinds().await
}

/// Changes a document of the fixture as JSON and gives what is found.
pub(super) async fn changed(
    zone: &str,
    path: &str,
    change: impl FnOnce(&mut serde_json::Value),
) -> Vec<crate::model::Finding> {
    let mut bench = Bench::new().await;
    bench.platform.edit(&bench.key(zone, path), |text| {
        let mut document = serde_json::from_str(&text).unwrap();
        change(&mut document);
        document.to_string()
    });
    bench.hash();
    bench.findings().await
}

/// The kinds that were found, each once, sorted.
pub(super) fn kinds(findings: &[crate::model::Finding]) -> Vec<K> {
    let mut kinds: Vec<K> = findings.iter().map(|finding| finding.kind).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

pub(super) const ITEM: &str = "stac/items/ks_populated_places.json";

#[tokio::test]
async fn the_fixture_holds_together() {
    let bench = Bench::new().await;
    assert_eq!(bench.versions.len(), 14);
    let held_back = bench.versions.iter().filter(|known| !known.released);
    let held_back: Vec<_> = held_back.map(|known| known.dataset.as_str()).collect();
    assert_eq!(held_back, ["ks_earthquakes", PLACES], "one embargoed, one superseded");
    assert_eq!(bench.findings().await, vec![]);
}

#[tokio::test]
async fn a_version_is_read_as_the_catalog_says() {
    let bench = Bench::new().await;
    let expected = [
        ("ks_airports", 334, 2, PolicyLabel::Public),
        ("ks_counties", 105, 2, PolicyLabel::Public),
        ("ks_county_adjacency", 281, 1, PolicyLabel::Public),
        ("ks_county_centers", 105, 1, PolicyLabel::Public),
        ("ks_county_lines", 263, 1, PolicyLabel::Public),
        ("ks_earthquakes", 12, 2, PolicyLabel::Embargoed),
        ("ks_flights_2001_ict", 8057, 1, PolicyLabel::Public),
        (PLACES, 201, 2, PolicyLabel::Public),
        (PLACES, 299, 2, PolicyLabel::Public),
        ("ks_species_county", 420, 1, PolicyLabel::PublicGeneralized),
        ("ks_species_sites", 24, 1, PolicyLabel::RestrictedSensitiveLocation),
        ("ks_storm_warnings", 0, 3, PolicyLabel::Public),
        ("ks_zipcodes", 772, 2, PolicyLabel::Public),
        ("us_flight_airports", 7, 1, PolicyLabel::Public),
    ];
    for (known, (dataset, rows, artifacts, label)) in bench.versions.iter().zip(expected) {
        let read = read_version(&bench.platform.stores(), dataset, &known.version).await.unwrap();
        let (Some(version), findings, _) = read else { panic!("{dataset} was not read") };
        assert_eq!(findings, vec![]);
        assert_eq!((version.rows, version.artifacts.len()), (Some(rows), artifacts), "{dataset}");
        assert_eq!(version.policy_label, Some(label));
        assert_eq!(version.embargo_until.is_some(), label == PolicyLabel::Embargoed);
        assert!(version.license.is_some() && version.bbox.is_some() && version.time.0.is_some());
        for artifact in version.artifacts {
            let bytes = bench.bytes[&artifact.key];
            assert_eq!((artifact.digest, artifact.size), (bytes.blake3, bytes.size));
            assert_eq!(artifact.digest.algorithm(), Algorithm::Blake3);
        }
    }
    let places = read_version(&bench.platform.stores(), PLACES, bench.places()).await;
    let places = places.unwrap().0.unwrap();
    assert_eq!(places.title, "Populated places of Kansas");
    assert_eq!(places.bbox, Some([-101.89017, 37.00808, -94.6169, 39.90222]));
    assert_eq!(places.artifacts[0].media_type, "application/geo+json");
    assert_eq!(places.artifacts[1].media_type, "application/vnd.apache.parquet");
}

#[tokio::test]
async fn labels_are_given_as_written() {
    let bench = Bench::new().await;
    let key = bench.key("catalog", "dcat.jsonld");
    bench.platform.edit(&key, |text| text.replace("\"public\"", "\"Public \""));
    let versions = [(PLACES.to_owned(), bench.places().clone())];
    let labels = labels(&bench.platform.stores(), &versions).await.unwrap();
    assert_eq!(labels.into_values().collect::<Vec<_>>(), ["Public "]);
    let read = read_version(&bench.platform.stores(), PLACES, &versions[0].1).await.unwrap();
    assert_eq!(read.0.unwrap().policy_label, None);
}

#[tokio::test]
async fn quads_repeat_and_name_every_node() {
    let bench = Bench::new().await;
    let quads = || async {
        let read = read_version(&bench.platform.stores(), PLACES, bench.places()).await;
        let mut quads: Vec<_> =
            read.unwrap().2.quads().into_iter().map(|quad| quad.to_string()).collect();
        quads.sort();
        quads
    };
    let first = quads().await;
    assert_eq!(first, quads().await);
    assert!(!first.iter().any(|quad| quad.contains("_:")));
    let graph = format!("<kfm://store/catalog/{PLACES}/{}>", bench.places());
    assert!(first.iter().all(|quad| quad.ends_with(&graph)), "{}", first[0]);
    assert!(first.len() > 60, "{}", first.len());
}

#[tokio::test]
async fn altered_bytes_and_wrong_checksums_show() {
    let mut bench = Bench::new().await;
    let artifact = bench.key("processed", "artifacts/ks_populated_places.parquet");
    let mut bytes = fs::read(bench.platform.path(&artifact)).unwrap();
    bytes[1000] ^= 1;
    fs::write(bench.platform.path(&artifact), bytes).unwrap();
    bench.hash();
    assert_eq!(bench.kinds().await, [K::ChecksumMismatch]);
    // DCAT, STAC, PROV, checksums.json and the receipt all give a digest of it.
    let told: Vec<_> = bench.findings().await.into_iter().filter_map(|one| one.key).collect();
    for path in ["dcat.jsonld", ITEM, "prov/bundle.jsonld", "receipts/run_receipt.json"] {
        assert!(told.contains(&bench.key("catalog", path)), "{path} in {told:?}");
    }
    assert!(told.contains(&bench.key("processed", "checksums.json")), "{told:?}");
}

#[tokio::test]
async fn a_missing_artifact_shows_in_every_document_that_names_it() {
    let mut bench = Bench::new().await;
    bench.platform.remove(&bench.key("processed", "artifacts/ks_populated_places.geojson"));
    bench.hash();
    assert_eq!(bench.kinds().await, [K::Missing, K::DanglingLink]);
}

#[tokio::test]
async fn a_missing_document_shows() {
    for path in ["dcat.jsonld", "stac/collection.json", "prov/bundle.jsonld"] {
        let mut bench = Bench::new().await;
        bench.platform.remove(&bench.key("catalog", path));
        bench.hash();
        assert!(bench.kinds().await.contains(&K::Missing), "{path}");
    }
    let mut bench = Bench::new().await;
    bench.platform.remove(&bench.key("processed", "checksums.json"));
    bench.hash();
    assert_eq!(bench.kinds().await, [K::Missing]);
}

#[tokio::test]
async fn a_checksum_that_is_no_multihash_is_not_a_mismatch() {
    let bench = Bench::new().await;
    let artifact = bench.key("processed", "artifacts/ks_populated_places.geojson");
    let named = bench.bytes[&artifact].sha256;
    let multihash = format!("1220{}", named.hex());
    assert_eq!(edited(ITEM, &multihash, &named.to_string()).await, [K::ChecksumNotMultihash]);
    let wrong = Digest::sha256(b"wrong").to_string();
    let kinds = edited(ITEM, &multihash, &wrong).await;
    assert_eq!(kinds, [K::ChecksumNotMultihash, K::ChecksumMismatch]);
    let wrong = format!("1220{}", Digest::sha256(b"wrong").hex());
    assert_eq!(edited(ITEM, &multihash, &wrong).await, [K::ChecksumMismatch]);
}

#[tokio::test]
async fn schemas_and_extensions_are_held() {
    let invalid = edited(ITEM, "\"datetime\": null", "\"datetime\": 7").await;
    assert_eq!(invalid, [K::SchemaInvalid]);
    let unknown = edited(ITEM, "github.io/table/v1.2.0", "github.io/timestamps/v1.1.0").await;
    assert_eq!(unknown, [K::UnknownExtension]);
    assert_eq!(edited("dcat.jsonld", "\"@id\":", "@id:").await, [K::SchemaInvalid]);
    let remote = edited(
        "prov/bundle.jsonld",
        "\"@context\": {",
        "\"@context\": \"https://example.org/c\", \"x\": {",
    );
    assert_eq!(remote.await, [K::SchemaInvalid]);
}

#[tokio::test]
async fn links_of_the_triplet_must_close() {
    for (path, from, to) in [
        ("stac/collection.json", "\"describedby\"", "\"related\""),
        ("stac/collection.json", "../dcat.jsonld", "../prov/bundle.jsonld"),
        ("stac/collection.json", "\"rel\": \"item\"", "\"rel\": \"related\""),
        ("stac/collection.json", "./items/", "./parts/"),
        (ITEM, "../../receipts/run_receipt.json", "../../receipts/other.json"),
        (ITEM, "artifacts/ks_populated_places.parquet", "artifacts/other.parquet"),
        ("dcat.jsonld", "artifacts/ks_populated_places.parquet", "artifacts/other.parquet"),
        ("dcat.jsonld", "dcat:downloadURL", "dcat:landingPage"),
    ] {
        assert_eq!(edited(path, from, to).await, [K::DanglingLink], "{path}: {from}");
    }
    let unsaid = edited("dcat.jsonld", "prov:wasGeneratedBy", "prov:wasInfluencedBy").await;
    assert_eq!(unsaid, [K::ProvenanceIncomplete]);
}

#[tokio::test]
async fn licence_label_and_spec_must_be_right() {
    assert_eq!(edited("dcat.jsonld", "dct:license", "dct:rights").await, [K::LicenseMissing]);
    let unknown = edited("dcat.jsonld", "\"public\"", "\"secret\"").await;
    assert_eq!(unknown, [K::PolicyLabelUnknown]);
    let conflict = edited(ITEM, "\"public\"", "\"restricted\"").await;
    assert_eq!(conflict, [K::PolicyLabelConflict]);
    let spec = edited("receipts/run_receipt.json", "\"OGC:CRS84\"", "\"EPSG:4326\"").await;
    assert_eq!(spec, [K::SpecHashMismatch]);
    let mut bench = Bench::new().await;
    for (zone, path) in [
        ("catalog", "dcat.jsonld"),
        ("catalog", "stac/collection.json"),
        ("catalog", ITEM),
        ("catalog", "receipts/run_receipt.json"),
        ("releases", "release.json"),
    ] {
        bench.platform.edit(&bench.key(zone, path), |text| text.replace("policy_label", "label"));
    }
    bench.hash();
    assert_eq!(bench.kinds().await, [K::PolicyLabelMissing]);
}

#[tokio::test]
async fn a_zone_may_live_in_a_store_of_its_own() {
    let (catalog, processed) = (Platform::new(), Platform::new());
    fs::remove_dir_all(catalog.path("processed")).unwrap();
    fs::remove_dir_all(processed.path("catalog")).unwrap();
    let zones = [(Zone::Processed, processed.store.clone())].into();
    let stores = CanonicalStores::new(catalog.store.clone(), zones);
    for known in versions(&stores).await.unwrap() {
        let read = read_version(&stores, &known.dataset, &known.version).await.unwrap();
        assert!(read.0.is_some());
        assert_eq!(read.1, vec![]);
    }
}
