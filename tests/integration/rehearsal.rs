//! The main job: rehearse the recovery of the Kansas platform, from snapshot to receipt.

use std::fs;

use serde_json::Value;

use crate::bench::{Bench, erased, found, repository};

const JOBS: [&str; 15] = [
    "graph/kansas",
    "postgis/airports",
    "postgis/counties",
    "postgis/county_centers",
    "postgis/county_lines",
    "postgis/earthquakes",
    "postgis/flights",
    "postgis/places",
    "postgis/routes",
    "postgis/species",
    "postgis/species_restricted",
    "postgis/warnings",
    "postgis/zipcodes",
    "search/kansas",
    "tiles/kansas",
];

fn jobs(receipt: &Value) -> Vec<(String, &Value)> {
    let mut jobs: Vec<_> = receipt["projections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["job"].as_str().unwrap().to_owned(), p))
        .collect();
    jobs.sort_by(|a, b| a.0.cmp(&b.0));
    jobs
}

#[test]
fn a_rehearsal_recovers_proves_cuts_over_and_cleans_up() {
    let bench = Bench::new();
    let sealed = bench.seal();
    assert_eq!(sealed["state"], "clean", "{sealed:#}");
    let receipt = bench.receipt(0, &["rehearse"]);

    assert_eq!(receipt["outcome"], "recovered", "{receipt:#}");
    assert_eq!(receipt["mode"], "rehearse");
    assert_eq!(receipt["snapshot"], sealed["snapshot"]);
    assert_eq!(receipt["objectives"]["met"], true);
    assert_eq!(found(&receipt), erased());
    let gates = receipt["gates"].as_array().unwrap();
    assert!(gates.len() >= 6 && gates.iter().all(|gate| gate["open"] == true), "{gates:#?}");
    let jobs = jobs(&receipt);
    assert_eq!(jobs.iter().map(|(job, _)| job.as_str()).collect::<Vec<_>>(), JOBS);
    for (job, projection) in jobs {
        assert_eq!(projection["outcome"], "rebuilt", "{job}");
        assert_eq!(projection["proven"], true, "{job}");
        assert_eq!(projection["canonical_digest"], projection["projection_digest"], "{job}");
        let empty = projection["rows"] == 0;
        assert_eq!(empty, job == "postgis/warnings", "{job}");
    }

    // Nothing is left of it but the journal and the receipt.
    let scratch = bench.path("state/scratch");
    let left = fs::read_dir(&scratch).map(|entries| entries.count()).unwrap_or_default();
    assert_eq!(left, 0, "scratch holds something still");
    assert!(!bench.canonical().exists(), "the environment's own store was touched");
    let run = receipt["run_id"].as_str().unwrap();
    let stored = bench.json(&["receipt", run]).expect(0).json();
    assert_eq!(stored["predicate"]["run_id"], run);
    let status = bench.run(&["status", run]).expect(0);
    assert!(status.stdout.contains("recovered"), "{}", status.stdout);
}

#[test]
fn two_rehearsals_prove_the_same_content() {
    let bench = Bench::new();
    bench.seal();
    let first = bench.receipt(0, &["rehearse"]);
    let second = bench.receipt(0, &["rehearse"]);
    for ((job, one), (_, two)) in jobs(&first).into_iter().zip(jobs(&second)) {
        for field in ["generation", "canonical_digest", "projection_digest", "rows"] {
            assert_eq!(one[field], two[field], "{job} {field}");
        }
    }
    assert_eq!(first["plan_digest"], second["plan_digest"]);
}

#[test]
fn a_kept_rehearsal_is_cleared_by_discard() {
    let bench = Bench::new();
    bench.seal();
    let receipt = bench.receipt(0, &["rehearse", "--keep"]);
    let run = receipt["run_id"].as_str().unwrap();
    let scratch = bench.path("state/scratch").join(run);
    assert!(scratch.join("canonical/processed").is_dir(), "scratch was not kept");
    let listed = bench.json(&["runs"]).expect(0).json();
    assert!(listed["runs"][0]["scratch_bytes"].as_u64() > Some(1 << 20), "{listed:#}");
    bench.run(&["discard", run]).expect(0);
    assert!(!scratch.exists());
    let listed = bench.json(&["runs"]).expect(0).json();
    assert_eq!(listed["runs"][0]["scratch_bytes"], Value::Null);
}

#[test]
fn a_second_snapshot_copies_nothing_and_finds_nothing() {
    let bench = Bench::new();
    let first = bench.seal();
    let second = bench.seal();
    assert_eq!(second["objects_copied"], 0, "{second:#}");
    assert_eq!(second["objects_reused"], first["objects"]);
    let listed = bench.json(&["snapshots", ".coppice/dev/backup"]).expect(0).json();
    assert_eq!(listed["snapshots"].as_array().unwrap().len(), 2);
    let verified = bench.json(&["verify", ".coppice/dev/backup"]).expect(0).json();
    assert_eq!(verified["ok"], true);
    // The plan files that were sealed with the data are read too.
    assert!(verified["objects_checked"].as_u64() >= first["objects"].as_u64(), "{verified:#}");
    let against = bench.json(&["verify", "origin", "--against", ".coppice/dev/backup"]);
    assert_eq!(against.expect(0).json()["findings"], Value::Array(vec![]));
}

#[test]
fn what_is_not_public_never_reaches_a_public_target() {
    let bench = Bench::new();
    let file = bench.path("rebuild/search/kansas.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let job = "search/leak";
    let leak = text
        .replace("search/kansas", job)
        .replace("query: kansas.sql", "query: leak.sql")
        .replace("    - dataset: ks_airports\n", "    - dataset: ks_species_sites\n");
    assert_ne!(text, leak);
    fs::write(bench.path("rebuild/search/leak.yaml"), leak).unwrap();
    let sql = "SELECT 'site/' || s.site_id AS id, c.dataset, c.dataset_version_id, \
               s.site_name AS title, s.common_name AS body, s.site_name AS names, c.time_start, \
               c.time_end, c.west, c.south, c.east, c.north, c.evidence_ref, c.policy_label \
               FROM ks_species_sites AS s CROSS JOIN catalog_datasets AS c";
    fs::write(bench.path("rebuild/search/leak.sql"), sql).unwrap();
    bench.seal();
    let ended = bench.json(&["rehearse", "plans/kansas.yaml", "--env", "dev"]).expect(1);
    let receipt = &ended.json()["predicate"];
    assert_eq!(receipt["outcome"], "partial", "{receipt:#}");
    for (name, projection) in jobs(receipt) {
        let expected = if name == job { "blocked" } else { "rebuilt" };
        assert_eq!(projection["outcome"], expected, "{name}");
    }
    let terms = fs::read_to_string(repository().join("fixtures/restricted-terms.txt")).unwrap();
    for term in terms.lines() {
        let told = ended.stdout.contains(term) || ended.stderr.contains(term);
        assert!(!told, "{term} was told");
    }
}
