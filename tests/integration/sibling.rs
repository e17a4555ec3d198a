//! A dataset that is not public, laid beside the others on a bench: whole in every link, with
//! names and places that must never be seen.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;
use sha2::Digest;

use crate::bench::{Bench, find_all, repository};

/// The dataset.
pub(crate) const DATASET: &str = "ks_species_restricted";
/// Its version.
pub(crate) const VERSION: &str = "2026-03.02951798";
/// Its artifact.
pub(crate) const ARTIFACT: &str = "quivira_roosts.csv";
/// What no output may hold: names of objects, names in cells, coordinates, descriptions.
const SECRETS: [&str; 7] = [
    "quivira_roosts",
    "marsh_egg_counts",
    "Wqkgrus",
    "38.471922",
    "-98.482613",
    "Cranes roost by the salt marsh",
    "reeds_north_bank",
];

/// All that no output may hold: of the sibling, and of the sensitive sites of the fixture.
pub(crate) fn secrets() -> &'static [String] {
    static ALL: OnceLock<Vec<String>> = OnceLock::new();
    ALL.get_or_init(|| {
        let file = find_all(&repository().join("fixtures/kansas/processed/ks_species_sites"));
        let file = file.iter().find(|file| file.ends_with("artifacts/ks_species_sites.geojson"));
        let sites: Value = serde_json::from_slice(&fs::read(file.unwrap()).unwrap()).unwrap();
        let mut all = SECRETS.map(str::to_owned).to_vec();
        for site in sites["features"].as_array().unwrap() {
            all.push(site["properties"]["site_name"].as_str().unwrap().to_owned());
            all.push(site["geometry"]["coordinates"][1].to_string());
        }
        assert!(all.len() > SECRETS.len() + 4);
        all.push("ks_species_sites.geojson".to_owned());
        all
    })
}

/// Lays it beside the others in the bench's origin, with raw data and objects in quarantine.
pub(crate) fn add(bench: &Bench) {
    let origin = bench.path("origin");
    let rows: String = (0..281).map(row).collect();
    let csv = format!("src,rel,dst\n{rows}");
    let folders = ["processed", "catalog", "releases"];
    let mut hashes = BTreeMap::from([("6756".to_owned(), csv.len().to_string())]);
    // What is hashed comes first.
    for folder in folders {
        let from = origin.join(folder).join("ks_county_adjacency/2026-02.02951798");
        for file in find_all(&from) {
            let key = file.strip_prefix(&from).unwrap().display().to_string();
            let old = fs::read(&file).unwrap();
            let new = match key.ends_with(".csv") {
                true => csv.clone(),
                false => written(&String::from_utf8(old.clone()).unwrap(), &hashes),
            };
            for (old, new) in both(&old).into_iter().zip(both(new.as_bytes())) {
                hashes.insert(old, new);
            }
            put(&origin, &format!("{folder}/{DATASET}/{VERSION}/{}", renamed(&key)), &new);
        }
    }
    let acquired = format!("raw/{DATASET}/20260301T060000Z");
    put(&origin, &format!("{acquired}/artifacts/reeds_north_bank.csv"), &csv);
    put(&origin, &format!("{acquired}/manifest.json"), &raw_manifest(&csv));
    put(&origin, "quarantine/ks_eggs/20260301T060000Z/marsh_egg_counts.csv", &csv);
}

fn raw_manifest(csv: &str) -> String {
    let [blake3, sha256] = both(csv.as_bytes());
    let artifact = serde_json::json!({
        "path": "artifacts/reeds_north_bank.csv",
        "media_type": "text/csv",
        "size": csv.len(),
        "blake3": blake3,
        "sha256": sha256,
    });
    serde_json::json!({
        "version": 1,
        "dataset": DATASET,
        "acquisition_id": "20260301T060000Z",
        "acquired_at": "2026-03-01T06:00:00Z",
        "source": "survey",
        "license": "https://spdx.org/licenses/MIT.html",
        "artifacts": [artifact],
    })
    .to_string()
}

fn row(index: usize) -> String {
    format!("Wqkgrus {index},38.471922,-98.482613\n")
}

/// A document of the adjacency as one of the sibling. The spec stays, and its hash in the id.
fn written(text: &str, hashes: &BTreeMap<String, String>) -> String {
    let (head, spec) = match text.split_once("\"spec\": {") {
        Some((head, spec)) => (head, Some(spec)),
        None => (text, None),
    };
    let mut text = renamed(head)
        .replace("2026-02.02951798", VERSION)
        .replace("\"public\"", "\"restricted_sensitive_location\"")
        .replace("County adjacency of Kansas", "Roosts of Kansas");
    text = described(&text);
    let (spec, tail) = spec.and_then(|spec| spec.split_once("\"spec_hash\"")).unzip();
    let mut tail = tail.unwrap_or_default().to_owned();
    for (old, new) in hashes {
        text = text.replace(old, new);
        tail = tail.replace(old, new);
    }
    spec.map_or(text.clone(), |spec| format!("{text}\"spec\": {{{spec}\"spec_hash\"{tail}"))
}

/// Puts a description that must not be seen in the place of any other.
fn described(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for line in &mut lines {
        if let Some((head, _)) = line.clone().split_once("\"description\": \"") {
            *line = format!("{head}\"description\": \"{}\",", SECRETS[5]);
        }
    }
    lines.join("\n") + "\n"
}

fn renamed(text: &str) -> String {
    text.replace("ks_county_adjacency_edges.csv", ARTIFACT).replace("ks_county_adjacency", DATASET)
}

fn both(bytes: &[u8]) -> [String; 2] {
    let sha256 = sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    [blake3::hash(bytes).to_hex().to_string(), sha256]
}

fn put(origin: &Path, key: &str, text: &str) {
    let path = origin.join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Adds a job that fills a governed table from the sibling with a query.
pub(crate) fn add_table(bench: &Bench, name: &str, query: &str) {
    let yaml = format!(
        "apiVersion: coppice/v1\nkind: RebuildJob\nmetadata:\n  name: postgis/{name}\nspec:\n  \
         inputs:\n    - dataset: {DATASET}\n  query: {name}.sql\n  sink:\n    postgis:\n      \
         schema: kansas\n      table: {name}\n      columns:\n        \
         - {{ name: name, type: text, not_null: true }}\n        \
         - {{ name: place, type: double }}\n"
    );
    fs::write(bench.path(&format!("rebuild/postgis/{name}.yaml")), yaml).unwrap();
    fs::write(bench.path(&format!("rebuild/postgis/{name}.sql")), query).unwrap();
}

/// Adds a public search index over the sibling.
pub(crate) fn add_search(bench: &Bench) {
    let yaml = format!(
        "apiVersion: coppice/v1\nkind: RebuildJob\nmetadata:\n  name: search/nests\nspec:\n  \
         inputs:\n    - dataset: {DATASET}\n  query: nests.sql\n  sink:\n    search:\n      \
         search_profile_version: 1\n"
    );
    fs::write(bench.path("rebuild/search/nests.yaml"), yaml).unwrap();
    let null = "CAST(NULL AS VARCHAR)";
    let sql = format!(
        "SELECT src AS id, {null} AS dataset, {null} AS dataset_version_id, src AS title, rel AS \
         body, {null} AS names, {null} AS time_start, {null} AS time_end, CAST(rel AS DOUBLE) AS \
         west, CAST(rel AS DOUBLE) AS south, CAST(dst AS DOUBLE) AS east, CAST(dst AS DOUBLE) AS \
         north, src AS evidence_ref, 'public' AS policy_label FROM {DATASET}"
    );
    fs::write(bench.path("rebuild/search/nests.sql"), sql).unwrap();
}
