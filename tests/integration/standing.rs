//! A canonical store by itself, without a snapshot: what is whole passes, each damage has its name.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bench::{Bench, copy};

const VERSION: &str = "ks_populated_places/2026-02.d1c078f2";

/// Damages a copy of the fixture, verifies it by itself, and gives the findings.
fn found(damage: impl FnOnce(&Path)) -> Vec<Value> {
    let bench = Bench::new();
    copy(&bench.path("origin"), &bench.path("damaged"));
    damage(&bench.path("damaged"));
    let verified = bench.json(&["verify", "damaged"]).expect(1).json();
    assert_eq!(verified["ok"], false);
    assert_eq!(verified["snapshot"], Value::Null);
    verified["findings"].as_array().unwrap().clone()
}

fn names(findings: &[Value]) -> Vec<(&str, &str)> {
    let mut names: Vec<_> = findings
        .iter()
        .map(|finding| {
            assert_ne!(finding["hint"], "");
            (finding["kind"].as_str().unwrap(), finding["key"].as_str().unwrap_or_default())
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn edit(root: &Path, key: &str, from: &str, to: &str) {
    let path = root.join(key);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{key}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn a_whole_store_is_proven_by_itself() {
    let bench = Bench::new();
    let verified = bench.json(&["verify", "origin"]).expect(0).json();
    assert_eq!(verified["ok"], true);
    assert_eq!(verified["findings"], Value::Array(Vec::new()));
    assert!(verified["objects_checked"].as_u64().unwrap() > 30, "{verified}");
    let text = bench.run(&["verify", "origin"]).expect(0).stdout;
    assert!(text.starts_with("proven intact: "), "{text}");
    assert!(text.contains("by their own catalogs, manifests and ledger"), "{text}");
}

#[test]
fn raw_bytes_are_held_against_their_manifest_and_what_was_made_of_them() {
    let raw = "raw/ks_populated_places/20260211T060300Z";
    let artifact = format!("{raw}/artifacts/ks_populated_places.geojson");
    let manifest = format!("{raw}/manifest.json");
    let findings = found(|root| edit(root, &artifact, "Kansas", "KANSAS"));
    let names = names(&findings);
    assert!(names.contains(&("checksum-mismatch", &manifest)), "{names:?}");
    let receipt = format!("catalog/{VERSION}/receipts/run_receipt.json");
    assert!(names.contains(&("checksum-mismatch", &receipt)), "{names:?}");

    let findings = found(|root| fs::remove_file(root.join(&manifest)).unwrap());
    assert_eq!(self::names(&findings), [("missing", manifest.as_str())]);

    let stray = format!("{raw}/artifacts/stray.bin");
    let findings = found(|root| fs::write(root.join(&stray), b"x").unwrap());
    assert_eq!(self::names(&findings), [("extra", stray.as_str())]);

    let findings = found(|root| edit(root, &manifest, "20260211T060300Z", "20260211T060301Z"));
    assert_eq!(self::names(&findings), [("documents-disagree", manifest.as_str())]);
}

#[test]
fn a_version_that_has_lost_its_catalog_is_found() {
    let findings = found(|root| {
        fs::remove_dir_all(root.join("catalog").join(VERSION)).unwrap();
        fs::remove_dir_all(root.join("releases").join(VERSION)).unwrap();
    });
    // Without its label nobody may read the names of its documents.
    let missing = |one: &Value| one["kind"] == "missing" && one["zone"] == "catalog";
    assert_eq!(findings.iter().filter(|one| missing(one)).count(), 4, "{findings:#?}");
    assert!(findings.iter().all(|one| !one["key"].as_str().unwrap().contains("places")));
    let blocked =
        findings.iter().all(|one| one["blocks"] == serde_json::json!(["2026-02.d1c078f2"]));
    assert!(blocked, "{findings:#?}");
}

#[test]
fn a_flipped_bit_a_cut_ledger_and_a_stranger_are_found() {
    let artifact = format!("processed/{VERSION}/artifacts/ks_populated_places.parquet");
    let checksums = format!("processed/{VERSION}/checksums.json");
    let findings = found(|root| {
        let mut bytes = fs::read(root.join(&artifact)).unwrap();
        bytes[1000] ^= 1;
        fs::write(root.join(&artifact), bytes).unwrap();
        fs::write(root.join("notes.txt"), b"x").unwrap();
        fs::remove_dir_all(root.join("audit/ledger/records/2026/2026-02")).unwrap();
    });
    let names = names(&findings);
    assert!(names.contains(&("checksum-mismatch", &checksums)), "{names:?}");
    assert!(names.iter().any(|(kind, _)| *kind == "unknown-zone"), "{names:?}");
    assert!(names.iter().any(|(kind, _)| kind.starts_with("ledger-")), "{names:?}");
}

#[test]
fn a_place_that_is_neither_is_refused() {
    let bench = Bench::new();
    fs::create_dir(bench.path("empty")).unwrap();
    let refused = bench.json(&["verify", "empty"]).expect(1).json();
    assert_eq!(refused["error"]["code"], "snapshot-missing");
}
