//! The page that shows how to restore without Coppice: its commands are run as they stand.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::bench::{Bench, repository};

/// The commands of the page, in their order.
fn commands() -> String {
    let page = fs::read_to_string(repository().join("docs/by-hand.md")).unwrap();
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.collect::<Vec<_>>().join("\n")
}

fn run(bench: &Bench, zone: &str, key: &str, zone_of_key: &str) -> Output {
    Command::new("bash")
        .arg("-c")
        .arg(commands())
        .env("BACKUP", bench.backup())
        .env("TARGET", bench.path("by-hand"))
        .env("ZONE", zone)
        .env("KEY", key)
        .env("ZONE_OF_KEY", zone_of_key)
        .output()
        .unwrap()
}

/// Every file below a folder, by its path from there.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                files.push((name, fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn one_object_and_whole_zones_come_back_by_hand() {
    let bench = Bench::new();
    // More than one piece, and a name that a careless shell would take apart.
    let large: Vec<u8> = (0..40_000_000u32).map(|i| (i % 251) as u8 ^ (i >> 16) as u8).collect();
    let odd = "work/two  words * \"$HOME\".bin";
    fs::write(bench.path("origin").join(odd), &large).unwrap();
    bench.seal();
    let key = "catalog/ks_counties/2026-02.9af6383b/dcat.jsonld";
    for zone in ["raw", "audit", "work"] {
        let output = run(&bench, zone, key, "catalog");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let restored = files(&bench.path("by-hand").join(zone));
        assert!(!restored.is_empty());
        assert!(restored == files(&bench.path("origin").join(zone)), "{zone} differs");
        let one = fs::read(bench.path("by-hand").join(key)).unwrap();
        assert_eq!(one, fs::read(bench.path("origin").join(key)).unwrap());
    }
    // Nothing but that one object of its zone.
    assert_eq!(files(&bench.path("by-hand/catalog")).len(), 1);
}

#[test]
fn a_damaged_backup_is_told_by_hand_too() {
    let bench = Bench::new();
    bench.seal();
    let key = "audit/ledger/heads/ledger_head.json";
    let digest = blake3::hash(&fs::read(bench.path("origin").join(key)).unwrap()).to_hex();
    let blob = bench.backup().join("blobs/blake3").join(&digest[..2]).join(digest.as_str());
    fs::write(blob, b"{}").unwrap();
    let output = run(&bench, "audit", key, "audit");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("damaged in the backup"));
    assert!(!bench.path("by-hand").join(key).exists());
}
