//! Corruption: every kind of damage gives its finding, and blocks what it should and no more.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bench::{Bench, copy, found};

const PLACES: &str =
    "processed/ks_populated_places/2026-02.d1c078f2/artifacts/ks_populated_places.parquet";

/// Damages a copy of the origin, and verifies it against the backup.
fn damaged(damage: impl FnOnce(&Path)) -> Vec<(String, String)> {
    let bench = Bench::new();
    bench.seal();
    copy(&bench.path("origin"), &bench.path("damaged"));
    damage(&bench.path("damaged"));
    let args = ["verify", "damaged", "--against", ".coppice/dev/backup"];
    found(&bench.json(&args).expect(1).json())
}

fn one(kind: &str, key: &str) -> Vec<(String, String)> {
    vec![(kind.to_owned(), key.to_owned())]
}

fn flip(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_flipped_bit_is_altered() {
    assert_eq!(damaged(|root| flip(&root.join(PLACES))), one("altered", PLACES));
}

#[test]
fn a_short_object_is_truncated_and_a_long_one_grown() {
    let cut = |root: &Path| {
        let file = root.join(PLACES);
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() - 7]).unwrap();
    };
    assert_eq!(damaged(cut), one("truncated", PLACES));
    let grow = |root: &Path| {
        let file = root.join(PLACES);
        let mut bytes = fs::read(&file).unwrap();
        bytes.push(0);
        fs::write(&file, bytes).unwrap();
    };
    assert_eq!(damaged(grow), one("grown", PLACES));
}

#[test]
fn a_lost_object_is_missing_and_a_strange_one_extra() {
    assert_eq!(damaged(|root| fs::remove_file(root.join(PLACES)).unwrap()), one("missing", PLACES));
    let strange = "processed/ks_populated_places/2026-02.d1c078f2/artifacts/stray.bin";
    assert_eq!(damaged(|root| fs::write(root.join(strange), b"x").unwrap()), one("extra", strange));
}

#[test]
fn a_cut_ledger_is_found() {
    let found = damaged(|root| {
        let folder = root.join("audit/ledger/records/2026/2026-02/2026-02-11");
        let last = last_record(&folder);
        fs::remove_file(folder.join(last)).unwrap();
    });
    let kinds: Vec<_> = found.iter().map(|(kind, _)| kind.as_str()).collect();
    assert!(kinds.contains(&"missing") && kinds.contains(&"ledger-cut"), "{kinds:?}");
}

/// The record that no other follows.
fn last_record(folder: &Path) -> String {
    let records: Vec<(String, Value)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let record = serde_json::from_slice(&fs::read(entry.path()).unwrap()).unwrap();
            (entry.file_name().into_string().unwrap(), record)
        })
        .collect();
    let followed: Vec<_> = records.iter().map(|(_, record)| &record["prev_hash"]).collect();
    let last = records.iter().find(|(_, record)| !followed.contains(&&record["event_hash"]));
    last.unwrap().0.clone()
}

/// The blob of an object in the backup.
fn blob(bench: &Bench, object: &str) -> PathBuf {
    let digest = blake3::hash(&fs::read(bench.path("origin").join(object)).unwrap());
    let hex = digest.to_hex();
    bench.backup().join("blobs/blake3").join(&hex[..2]).join(hex.as_str())
}

#[test]
fn a_damaged_backup_blocks_what_depends_on_it_and_nothing_else() {
    let bench = Bench::new();
    bench.seal();
    flip(&blob(&bench, PLACES));

    let verified = bench.json(&["verify", ".coppice/dev/backup"]).expect(1).json();
    assert_eq!(found(&verified), one("altered", PLACES));

    let receipt = bench.receipt(1, &["rehearse"]);
    assert_eq!(receipt["outcome"], "partial", "{receipt:#}");
    let outcome = |job: &str| {
        let projections = receipt["projections"].as_array().unwrap();
        projections.iter().find(|p| p["job"] == job).unwrap()["outcome"].clone()
    };
    for rebuilt in ["counties", "airports", "flights", "species", "zipcodes", "warnings"] {
        assert_eq!(outcome(&format!("postgis/{rebuilt}")), "rebuilt", "{rebuilt}");
    }
    for blocked in ["postgis/places", "search/kansas", "graph/kansas", "tiles/kansas"] {
        assert_eq!(outcome(blocked), "blocked", "{blocked}");
    }
    let shut: Vec<_> = receipt["gates"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|gate| gate["open"] == false)
        .map(|gate| gate["id"].as_str().unwrap())
        .collect();
    assert_eq!(shut, ["canonical-intact/2026-02.d1c078f2"]);
    let findings = found(&receipt);
    assert!(findings.contains(&("altered".to_owned(), PLACES.to_owned())), "{findings:?}");
}

#[test]
fn a_missing_blob_and_a_damaged_manifest_are_told_apart() {
    let bench = Bench::new();
    let sealed = bench.seal();
    let lost = blob(&bench, PLACES);
    fs::rename(&lost, bench.path("aside")).unwrap();
    let verified = bench.json(&["verify", ".coppice/dev/backup"]).expect(1).json();
    assert_eq!(found(&verified), one("missing", PLACES));
    fs::rename(bench.path("aside"), &lost).unwrap();

    let hex = sealed["snapshot"].as_str().unwrap().strip_prefix("blake3:").unwrap().to_owned();
    flip(&bench.backup().join(format!("snapshots/{hex}.json")));
    let refused = bench.json(&["rehearse", "plans/kansas.yaml", "--env", "dev"]).expect(1).json();
    assert_eq!(refused["error"]["code"], "snapshot-missing", "{refused:#}");

    // Another snapshot is there now: it is not taken for the newest, but by its name.
    let other = bench.seal()["snapshot"].as_str().unwrap().to_owned();
    let refused = bench.json(&["rehearse", "plans/kansas.yaml", "--env", "dev"]).expect(1).json();
    assert_eq!(refused["error"]["code"], "snapshot-missing", "{refused:#}");
    bench.json(&["verify", ".coppice/dev/backup"]).expect(1);
    bench.receipt(0, &["rehearse", "--snapshot", &other]);
}

#[test]
fn a_ledger_cut_before_the_snapshot_stops_every_projection() {
    let bench = Bench::new();
    let folder = bench.path("origin/audit/ledger/records/2026/2026-02/2026-02-11");
    fs::remove_file(folder.join(last_record(&folder))).unwrap();
    bench.try_to_seal().expect(1);
    let listed = bench.json(&["snapshots", ".coppice/dev/backup"]).expect(0).json();
    let id = listed["snapshots"][0]["snapshot"].as_str().unwrap().to_owned();
    let receipt = bench.receipt(1, &["rehearse", "--snapshot", &id]);
    let gates = receipt["gates"].as_array().unwrap();
    let ledger = gates.iter().find(|gate| gate["id"] == "ledger").unwrap();
    assert_eq!(ledger["open"], false, "{receipt:#}");
    for projection in receipt["projections"].as_array().unwrap() {
        assert_eq!(projection["outcome"], "blocked", "{projection:#}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_a_slip_and_an_empty_one_a_loss() {
    let bench = Bench::new();
    bench.seal();
    let verify = |folder: &str| bench.json(&["verify", folder, "--against", ".coppice/dev/backup"]);
    let slip = verify("orgin").expect(2).json();
    assert_eq!(slip["error"]["code"], "usage", "{slip:#}");
    let message = slip["error"]["message"].as_str().unwrap();
    assert!(message.ends_with("orgin is not there"), "{message}");
    assert!(!bench.path("orgin").exists());
    fs::create_dir(bench.path("empty")).unwrap();
    let lost = found(&verify("empty").expect(1).json());
    assert!(lost.len() > 200, "{}", lost.len());
    assert!(lost.contains(&("missing".to_owned(), PLACES.to_owned())));
}
