//! Snapshots over time, parts of them, and zones in stores of their own.

use std::fs;

use serde_json::{Value, json};

use crate::bench::{Bench, copy, find};

const BACKUP: &str = ".coppice/dev/backup";
const PLACES: &str = "2026-02.d1c078f2";

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn outcome(receipt: &Value, job: &str) -> Option<String> {
    let projections = receipt["projections"].as_array().unwrap();
    projections.iter().find(|p| p["job"] == job).map(|p| text(&p["outcome"]))
}

fn not_covered(receipt: &Value) -> String {
    receipt["not_covered"].to_string()
}

#[test]
fn snapshots_are_held_forgotten_and_pruned() {
    let bench = Bench::new();
    let mut all = Vec::new();
    for content in ["one", "two", "three"] {
        fs::write(bench.path("origin/work/draft.txt"), content).unwrap();
        all.push(text(&bench.seal()["snapshot"]));
    }
    let hold = ["hold", BACKUP, "--snapshot", &all[0], "--reason", "case 7", "--legal"];
    let held = bench.json(&hold).expect(0).json();
    assert_eq!(held["hold"]["legal_hold"], true, "{held:#}");
    bench.json(&["forget", BACKUP]).expect(2);
    bench.json(&["forget", BACKUP, "--keep-daily", "0"]).expect(2);
    let refused = bench.json(&["forget", BACKUP, "--snapshot", &all[0]]).expect(1).json();
    assert_eq!(refused["error"]["code"], "snapshot-held", "{refused:#}");

    let forget = ["forget", BACKUP, "--keep-last", "1"];
    let dry = bench.json(&[&forget[..], &["--dry-run"]].concat()).expect(0).json();
    let done = bench.json(&forget).expect(0).json();
    assert_eq!(dry["forgotten"], done["forgotten"]);
    assert_eq!(done["forgotten"][0]["snapshot"], json!(all[1]), "{done:#}");
    let kept = done["kept"].as_array().unwrap();
    assert_eq!(kept[1]["reasons"], json!(["on legal hold"]), "{done:#}");

    let prune = ["prune", BACKUP, "--grace", "0s"];
    assert_eq!(bench.json(&["prune", BACKUP]).expect(0).json()["blobs_removed"], 0);
    let dry = bench.json(&[&prune[..], &["--dry-run"]].concat()).expect(0).json();
    let pruned = bench.json(&prune).expect(0).json();
    assert_eq!(dry["blobs_removed"], pruned["blobs_removed"]);
    assert!(pruned["blobs_removed"].as_u64() >= Some(2), "{pruned:#}");
    for snapshot in [&all[0], &all[2]] {
        bench.json(&["verify", BACKUP, "--snapshot", snapshot]).expect(0);
    }
    let listed = bench.json(&["snapshots", BACKUP]).expect(0).json();
    assert_eq!(listed["snapshots"][0]["hold"], Value::Null, "{listed:#}");
    assert_eq!(listed["snapshots"][1]["hold"]["reason"], "case 7");
    let table = bench.run(&["snapshots", BACKUP]).expect(0).stdout;
    // The second of the two: the line may be broken.
    assert!(table.trim_end().ends_with("on legal hold"), "{table}");

    let release = ["release", BACKUP, "--snapshot", &all[0], "--reason", "closed"];
    assert_eq!(bench.json(&release).expect(0).json()["hold"], Value::Null);
    bench.json(&forget).expect(0);
    bench.json(&prune).expect(0);
    bench.receipt(0, &["rehearse"]);
}

#[test]
fn a_snapshot_is_chosen_by_time_and_a_suspect_one_by_name_only() {
    let bench = Bench::new();
    let clean = bench.seal();
    let mut raw = Vec::new();
    find(&bench.path("origin/raw"), "ks_counties.geojson", &mut raw);
    fs::write(&raw[0], "{}").unwrap();
    let suspect = bench.try_to_seal().expect(1).json();
    assert_eq!(suspect["state"], "suspect", "{suspect:#}");
    let listed = bench.json(&["snapshots", BACKUP]).expect(0).json();
    assert_eq!(listed["snapshots"][0]["state"], "suspect", "newest first");
    let receipt = bench.receipt(0, &["rehearse"]);
    assert_eq!(receipt["snapshot"], clean["snapshot"]);
    let far = "2999-01-01T00:00:00Z";
    let verified = bench.json(&["verify", BACKUP, "--as-of", far]).expect(0).json();
    assert_eq!(verified["snapshot"], clean["snapshot"]);
    let before = "2001-01-01T00:00:00Z";
    let none = bench.json(&["verify", BACKUP, "--as-of", before]).expect(1).json();
    assert_eq!(none["error"]["code"], "snapshot-missing", "{none:#}");
    let by_name = ["rehearse", "--snapshot", suspect["snapshot"].as_str().unwrap()];
    // What was made of the raw object is held back: its manifest and its receipt say another.
    let receipt = bench.receipt(1, &by_name);
    assert_eq!(receipt["snapshot"], suspect["snapshot"]);
    assert_eq!(outcome(&receipt, "postgis/counties").as_deref(), Some("blocked"), "{receipt:#}");
    assert_eq!(outcome(&receipt, "postgis/airports").as_deref(), Some("rebuilt"), "{receipt:#}");
}

#[test]
fn a_filtered_restore_regrows_what_its_scope_and_the_target_allow() {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    // Nothing else is there: of the jobs none can be proven, since the ledger is lost too.
    let alone = bench.receipt(0, &["restore", "--dataset", "ks_counties"]);
    assert_eq!(alone["scope"], "dataset ks_counties", "{alone:#}");
    assert_eq!(alone["projections"], json!([]), "{alone:#}");
    assert!(not_covered(&alone).contains("postgis/counties: the ledger"), "{alone:#}");
    assert!(!bench.canonical().join("processed/ks_populated_places").exists());

    let ledger = bench.receipt(0, &["restore", "--zone", "audit"]);
    assert!(not_covered(&ledger).contains("nothing that it reads is in scope"), "{ledger:#}");
    let part = bench.receipt(0, &["restore", "--dataset", "ks_counties"]);
    assert_eq!(outcome(&part, "postgis/counties").as_deref(), Some("rebuilt"), "{part:#}");
    for job in ["postgis/places", "search/kansas", "graph/kansas", "tiles/kansas"] {
        assert_eq!(outcome(&part, job), None, "{job}");
        assert!(not_covered(&part).contains(&format!("{job}: ")), "{part:#}");
    }

    // With the rest in place, the rest of what reads the dataset follows.
    bench.receipt(0, &["restore"]);
    let again = bench.receipt(0, &["restore", "--dataset", "ks_counties"]);
    assert_eq!(outcome(&again, "tiles/kansas").as_deref(), Some("unchanged"), "{again:#}");
    assert_eq!(outcome(&again, "graph/kansas").as_deref(), Some("unchanged"));
    // Made of counties, and of two that nothing in scope touches.
    assert_eq!(outcome(&again, "postgis/places").as_deref(), Some("unchanged"));
    let gates = again["gates"].to_string();
    assert!(gates.contains(&format!("canonical-intact/{PLACES}")), "{gates}");

    // In place and damaged is not proven: what reads it is blocked, and stays as it was.
    let mut artifact = Vec::new();
    find(&bench.canonical().join("processed"), "ks_populated_places.parquet", &mut artifact);
    fs::write(&artifact[0], "damaged").unwrap();
    let blocked = bench.receipt(1, &["restore", "--dataset", "ks_counties"]);
    assert_eq!(blocked["outcome"], "partial", "{blocked:#}");
    assert_eq!(outcome(&blocked, "postgis/counties").as_deref(), Some("unchanged"));
    assert_eq!(outcome(&blocked, "tiles/kansas").as_deref(), Some("blocked"));
}

#[test]
fn something_strange_in_a_version_blocks_it_and_displaced_content_is_told() {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    bench.receipt(0, &["restore"]);
    let version = bench.canonical().join("processed/ks_airports");
    let version = fs::read_dir(version).unwrap().next().unwrap().unwrap().path();
    fs::write(version.join("artifacts/stray.bin"), b"x").unwrap();
    let mut artifact = Vec::new();
    find(&bench.canonical().join("processed"), "ks_counties.parquet", &mut artifact);
    fs::write(&artifact[0], "tampered").unwrap();
    let receipt = bench.receipt(1, &["restore"]);
    assert_eq!(outcome(&receipt, "postgis/airports").as_deref(), Some("blocked"), "{receipt:#}");
    assert_eq!(outcome(&receipt, "postgis/counties").as_deref(), Some("unchanged"));
    assert!(version.join("artifacts/stray.bin").exists(), "nothing is ever deleted");
    let findings = receipt["findings"].as_array().unwrap();
    let of = |kind: &str| findings.iter().find(|finding| finding["kind"] == kind);
    assert_eq!(of("extra").unwrap()["severity"], "blocks", "{receipt:#}");
    let displaced = of("truncated").unwrap();
    assert_eq!(displaced["severity"], "warns");
    assert!(text(&displaced["hint"]).contains(".coppice/displaced/"), "{displaced:#}");
    assert_eq!(receipt["restored"]["displaced"], 1);
    assert_eq!(outcome(&receipt, "search/kansas").as_deref(), Some("blocked"));
}

/// Moves zones of the origin into stores of their own, and lets the plan say so.
fn in_several_stores(bench: &Bench) {
    for (zone, folders) in [("audit", &["audit"][..]), ("catalog", &["catalog", "releases"])] {
        for folder in folders {
            let from = bench.path("origin").join(folder);
            copy(&from, &bench.path(&format!("{zone}-origin")).join(folder));
            fs::remove_dir_all(from).unwrap();
        }
    }
    let plan = bench.path("plans/kansas.yaml");
    let zones = "{ audit: ../.coppice/dev/ledger, catalog: ../.coppice/dev/catalogs }";
    let canonical = "canonical: { url: ../.coppice/dev/canonical";
    let text = fs::read_to_string(&plan).unwrap();
    let text = text.replacen(canonical, &format!("{canonical}, zones: {zones}"), 1);
    fs::write(&plan, text).unwrap();
}

#[test]
fn zones_may_live_in_stores_of_their_own() {
    let bench = Bench::new();
    in_several_stores(&bench);
    let snapshot = |more: &[&str]| {
        let args = ["snapshot", "--from", "origin", "--to", BACKUP, "--env", "dev"];
        bench.json(&[&args[..], more].concat())
    };
    let zones = ["--from", "audit=audit-origin", "--from", "catalog=catalog-origin"];
    let sealed = snapshot(&zones).expect(0).json();
    assert_eq!(sealed["objects"], 222, "{sealed:#}");
    assert_eq!(snapshot(&zones).expect(0).json()["objects_copied"], 0);
    bench.json(&["verify", BACKUP]).expect(0);

    bench.receipt(0, &["rehearse"]);
    bench.init();
    let receipt = bench.receipt(0, &["restore"]);
    assert_eq!(receipt["outcome"], "recovered", "{receipt:#}");
    for (store, folder, elsewhere) in [
        ("ledger", "audit/ledger/records", "catalog"),
        ("catalogs", "releases", "audit"),
        ("canonical", "processed", "audit"),
    ] {
        let root = bench.path(".coppice/dev").join(store);
        assert!(root.join(folder).is_dir() && !root.join(elsewhere).exists(), "{store}");
    }
    let rebuilt = bench.receipt(0, &["rebuild", "--reprove"]);
    assert_eq!(rebuilt["outcome"], "recovered", "{rebuilt:#}");
    let against = ["verify", ".coppice/dev/canonical", "--against", BACKUP];
    let with_plan = [&against[..], &["--plan", "plans/kansas.yaml", "--env", "dev"]].concat();
    let verified = bench.json(&with_plan).expect(1).json();
    // All but the one that was withdrawn, which is all that is told.
    assert_eq!(verified["objects_checked"], 221, "{verified:#}");
    assert_eq!(verified["findings"].as_array().unwrap().len(), 1, "{verified:#}");
    assert_eq!(verified["findings"][0]["kind"], "withdrawn", "{verified:#}");
    // Without its zones the store is not whole.
    bench.json(&against).expect(1);
}

#[test]
fn a_snapshot_says_where_it_went_and_a_torn_url_is_no_folder() {
    let bench = Bench::new();
    let seal = |to: &str| bench.run(&["snapshot", "--from", "origin", "--to", to]);
    let refused = seal("s3:/kfm").expect(2);
    assert!(refused.stderr.contains("s3://kfm"), "{}", refused.stderr);
    assert!(!bench.path("s3:").exists());
    let (first, again) = (seal(BACKUP).expect(0).stdout, seal(BACKUP).expect(0).stdout);
    let made = "a new backup store was made";
    assert!(first.contains(made) && !again.contains(made), "{first}\n{again}");
    let place = bench.backup().canonicalize().unwrap().display().to_string();
    assert!(first.contains(&place) && again.contains(&place), "{first}\n{again}");
    let sealed = bench.seal();
    assert_eq!((&sealed["to"], &sealed["new_store"]), (&json!(place), &json!(false)));
    let quiet = ["snapshot", "--from", "origin", "--to", "bakcup", "--quiet"];
    let line = bench.run(&quiet).expect(0).stdout;
    assert!(line.contains("; new backup store ") && line.trim_end().lines().count() == 1, "{line}");
}
