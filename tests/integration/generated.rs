//! What the generator makes: the committed fixture, larger platforms, and the same in other words.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::bench::{Bench, Files, erased, example, files, found, repository};

/// Ways to render the fixture that mean the same.
const HREFS: [&str; 4] = ["absolute-hrefs", "encoded-hrefs", "nfd", "strays"];
const TERMS: [&str; 5] = ["full-iri", "prefixes", "extra-fields", "stac100", "first-spelling"];
const ORDERS: [&str; 4] = ["blake3", "sha256", "key-order", "reordered"];

const SCALED: [&str; 8] = ["--objects", "3", "--features", "50", "--versions", "2", "--seed", "7"];

fn generate(folder: &Path, args: &[&str]) {
    let output =
        Command::new(example("kansas")).arg("--out").arg(folder).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn made(args: &[&str]) -> Files {
    let scratch = tempfile::tempdir().unwrap();
    generate(scratch.path(), args);
    files(scratch.path())
}

fn committed() -> Files {
    files(&repository().join("fixtures/kansas"))
}

fn assert_same(made: &Files, kept: &Files) {
    assert_eq!(made.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>());
    for (key, bytes) in made {
        assert!(bytes == &kept[key], "{key} differs");
    }
}

/// Demands that a snapshot of the folder `made` and both ways to verify it find nothing.
fn nothing_is_found(bench: &Bench) {
    let sealed = bench.try_to_seal_from("made").expect(0).json();
    assert_eq!(sealed["state"], "clean", "{sealed:#}");
    assert_eq!(sealed["findings"], Value::Array(vec![]), "{sealed:#}");
    for args in [
        &["verify", ".coppice/dev/backup"][..],
        &["verify", "made", "--against", ".coppice/dev/backup"],
    ] {
        let verified = bench.json(args).expect(0).json();
        assert_eq!(verified["findings"], Value::Array(vec![]), "{args:?}: {verified:#}");
    }
}

fn terms() -> String {
    fs::read_to_string(repository().join("fixtures/restricted-terms.txt")).unwrap()
}

#[test]
fn generating_again_gives_the_committed_bytes() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("terms");
    assert_same(&made(&["--terms", &file.display().to_string()]), &committed());
    assert_eq!(fs::read_to_string(file).unwrap(), terms());
}

#[test]
fn a_scaled_platform_hangs_on_its_numbers_and_seed_alone() {
    let once = made(&SCALED);
    assert_same(&once, &made(&SCALED));
    let of = |part: &str| once.keys().filter(|key| key.contains(part)).count();
    assert_eq!(of("/artifacts/synthetic_"), 3 * 2 * 2, "raw and processed");
    assert_eq!(of("releases/synthetic_"), 3, "the newest version is released");

    let mut other = SCALED;
    other[7] = "8";
    let artifacts = |files: &Files| -> Vec<Vec<u8>> {
        let mine = files.iter().filter(|(key, _)| key.contains("/artifacts/synthetic_"));
        mine.map(|(_, bytes)| bytes.clone()).collect()
    };
    let (one, two) = (artifacts(&once), artifacts(&made(&other)));
    assert!(one.iter().zip(&two).all(|(a, b)| a != b), "another seed gives other points");
}

#[test]
fn a_scaled_platform_is_whole() {
    let bench = Bench::new();
    generate(&bench.path("made"), &SCALED);
    nothing_is_found(&bench);
    let sealed = bench.try_to_seal_from("made").expect(0).json();
    assert_eq!(sealed["objects"], files(&bench.path("made")).len(), "{sealed:#}");
}

/// Nothing is found in the fixture rendered in other ways, and all of it comes up.
fn means_the_same(variants: &[&str]) {
    let plain = committed();
    for variant in variants {
        let bench = Bench::new();
        generate(&bench.path("made"), &["--variant", variant]);
        assert!(files(&bench.path("made")) != plain, "{variant} changes nothing");
        nothing_is_found(&bench);
        let receipt = bench.receipt(0, &["rehearse"]);
        assert_eq!(receipt["outcome"], "recovered", "{variant}: {receipt:#}");
        assert_eq!(found(&receipt), erased(), "{variant}");
        let projections = receipt["projections"].as_array().unwrap();
        assert_eq!(projections.len(), 15, "{variant}");
        for projection in projections {
            assert_eq!(projection["live"], true, "{variant}: {projection:#}");
            assert_eq!(projection["proven"], true, "{variant}: {projection:#}");
        }
    }
}

#[test]
fn other_addresses_and_names_mean_the_same() {
    means_the_same(&HREFS);
}

#[test]
fn other_terms_mean_the_same() {
    means_the_same(&TERMS);
}

#[test]
fn another_order_and_other_digests_mean_the_same() {
    means_the_same(&ORDERS);
}

#[test]
fn what_no_output_may_tell_stands_nowhere_but_in_its_own_files() {
    let terms = terms();
    assert!(terms.lines().count() > 80, "{terms}");
    let own = ["ks_species_sites", "ks_earthquakes", "volunteers.csv"];
    for (key, bytes) in committed() {
        if own.iter().any(|own| key.contains(own)) && !key.starts_with("catalog/") {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        for term in terms.lines() {
            assert!(!text.contains(term), "{term} stands in {key}");
        }
    }
}
