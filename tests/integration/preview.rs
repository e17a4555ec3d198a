//! What a run would do is told before, and nothing is written for it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bench::{Bench, ERASED, Files, files};

const DEV: [&str; 3] = ["plans/kansas.yaml", "--env", "dev"];
const COLLECTION: &str = "catalog/ks_airports/2026-02.c4f9633b/stac/collection.json";
const LINK: &str = "dangling-link@catalog/ks_airports/2026-02.c4f9633b/stac/collection.json";
const ARTIFACT: &str = "processed/ks_airports/2026-02.c4f9633b/checksums.json";

fn shown(bench: &Bench, args: &[&str]) -> Value {
    let args = [&args[..1], &DEV, &args[1..]].concat();
    let ended = bench.json(&args);
    let steps = ended.json()["steps"].as_array().unwrap().clone();
    let blocked = steps.iter().any(|step| step["preview"]["blocked"].is_string());
    // A dry run that foresees something in the way says so; who asks for the plan gets it.
    let code = i32::from(blocked && args.contains(&"--dry-run"));
    ended.expect(code).json()
}

/// How many things of a kind would meet a fate, by a list of changes.
fn amount(changes: &Value, thing: &str, fate: &str) -> u64 {
    let all = changes.as_array().unwrap();
    let found = all.iter().find(|one| one["thing"] == thing && one["fate"] == fate);
    found.map_or(0, |one| one["count"].as_u64().unwrap())
}

/// How many objects would be kept, with their bytes.
fn kept(totals: &Value) -> (u64, u64) {
    let all = totals.as_array().unwrap();
    let kept = all.iter().find(|one| one["thing"] == "object" && one["fate"] == "keep");
    let kept = kept.unwrap_or_else(|| panic!("no object is kept: {totals:#}"));
    (kept["count"].as_u64().unwrap(), kept["bytes"].as_u64().unwrap())
}

fn step<'a>(plan: &'a Value, id: &str) -> &'a Value {
    plan["steps"].as_array().unwrap().iter().find(|step| step["id"] == id).unwrap()
}

fn targets(bench: &Bench) -> Files {
    files(&bench.path(".coppice"))
}

fn first(bench: &Bench, zone: &str) -> PathBuf {
    let folder = bench.canonical().join(zone);
    folder.join(files(&folder).into_keys().next().unwrap())
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

#[test]
fn a_preview_tells_what_a_restore_then_does_and_writes_nothing() {
    let bench = Bench::new();
    let sealed = bench.seal();
    bench.init();
    let before = targets(&bench);
    let plan = shown(&bench, &["plan", "--mode", "restore"]);
    let rehearsal = shown(&bench, &["rehearse", "--dry-run"]);
    assert_eq!(targets(&bench), before, "a preview wrote to a target");
    assert!(!bench.path("state/scratch").exists());
    assert_eq!(plan["snapshot"], sealed["snapshot"]);
    assert_eq!(plan["diff"], Value::Null);
    let (objects, bytes) = (sealed["objects"].as_u64().unwrap(), sealed["bytes"].as_u64().unwrap());
    for plan in [&plan, &rehearsal] {
        let totals = &plan["totals"];
        // The withdrawn one is left.
        assert_eq!(amount(totals, "object", "leave"), 1, "{totals}");
        assert_eq!(amount(totals, "object", "create"), objects - 1, "{totals}");
        assert_eq!(amount(totals, "object", "keep"), 0);
        assert!(amount(totals, "projection", "rebuild") > 5, "{totals}");
        assert_eq!(amount(totals, "projection", "blocked"), 0, "{totals}");
        let raw = &step(plan, "restore/objects/raw")["preview"]["changes"];
        assert!(raw[0]["bytes"].as_u64().unwrap() > 1000, "{raw}");
    }
    let run = bench.receipt(0, &["restore"])["run_id"].clone();

    let again = shown(&bench, &["restore", "--dry-run"]);
    let totals = &again["totals"];
    assert_eq!(amount(totals, "object", "create"), 0, "{totals}");
    // All that was sealed is there, but for what was withdrawn.
    let there = bytes - size(&bench.path("origin").join(ERASED));
    assert_eq!(kept(totals), (objects - 1, there), "{totals}");
    assert_eq!(amount(totals, "projection", "rebuild"), 0, "{totals}");
    assert!(amount(totals, "projection", "unchanged") > 5, "{totals}");
    assert_eq!(amount(totals, "generation", "switch"), 0, "{totals}");
    let places = &step(&again, "rebuild/postgis/places")["preview"]["changes"][0];
    assert!(places["rows"].as_u64().unwrap() > 100, "{places}");
    assert_eq!(again["diff"]["run_id"], run);
    assert_eq!(again["diff"]["same"], true);
    assert!(step(&again, "rebuild/postgis/places")["estimate_seconds"].as_u64().unwrap() > 0);

    // What would be replaced, brought back, left for somebody to decide, and rebuilt.
    let changed = [bench.canonical().join(ARTIFACT), first(&bench, "raw"), first(&bench, "work")];
    let there = there - changed.iter().map(|path| size(path)).sum::<u64>();
    fs::write(&changed[0], "x").unwrap();
    fs::remove_file(&changed[1]).unwrap();
    fs::write(&changed[2], "x").unwrap();
    let sql = bench.path("rebuild/postgis/places.sql");
    let changed = format!("{}\n-- another\n", fs::read_to_string(&sql).unwrap());
    fs::write(&sql, changed).unwrap();
    let before = targets(&bench);
    let damaged = shown(&bench, &["restore", "--dry-run"]);
    let replace = shown(&bench, &["restore", "--existing", "replace", "--dry-run"]);
    let text = bench.run(&[&["restore"], &DEV[..], &["--dry-run"]].concat()).expect(0).stdout;
    let back = bench.run(&[&["rollback"], &DEV[..], &["--dry-run"]].concat()).expect(1).stdout;
    assert_eq!(targets(&bench), before, "a preview wrote to a target");
    let totals = &damaged["totals"];
    assert_eq!(amount(totals, "object", "replace"), 1, "{totals}");
    assert_eq!(amount(totals, "object", "create"), 1, "{totals}");
    assert_eq!(amount(totals, "object", "conflict"), 1, "{totals}");
    assert_eq!(kept(totals), (objects - 4, there), "what nobody changed is kept: {totals}");
    assert_eq!(kept(&replace["totals"]), (objects - 4, there));
    assert_eq!(amount(&replace["totals"], "object", "replace"), 2);
    assert_eq!(damaged["diff"]["same"], false);
    let changes = damaged["diff"]["changes"].as_array().unwrap();
    let jobs: Vec<_> = changes.iter().map(|one| (&one["what"], &one["name"])).collect();
    assert!(jobs.contains(&(&"job".into(), &"postgis/places".into())), "{jobs:?}");
    assert!(text.contains("replace 1 (723 B)"), "{text}");
    assert!(text.contains("  job postgis/places"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(back.contains("blocked: "), "{back}");
}

#[test]
fn what_is_known_to_block_and_what_would_be_run_is_foreseen() {
    let bench = Bench::new();
    let origin = bench.path("origin").join(COLLECTION);
    let text = fs::read_to_string(&origin).unwrap();
    fs::write(&origin, text.replacen("\"describedby\"", "\"about\"", 1)).unwrap();
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    let freeze = "rehearse_every: 90d\n      \
                  freeze: [{ name: stop, program: \"true\", args: [writers], timeout: 2m }]";
    fs::write(&plan, text.replacen("rehearse_every: 90d", freeze, 1)).unwrap();
    bench.try_to_seal();
    bench.init();
    let plan = shown(&bench, &["restore", "--dry-run"]);
    let note = &step(&plan, "freeze/stop")["preview"]["note"];
    assert_eq!(note, "would run `true writers`, 2m at most");
    let gate = step(&plan, "gate/canonical-intact/2026-02.c4f9633b");
    let why = gate["preview"]["blocked"].as_str().unwrap();
    assert!(why.starts_with("known when it was sealed: dangling-link at "), "{why}");
    let foreseen = amount(&plan["totals"], "projection", "blocked");
    let text = bench.run(&[&["restore"], &DEV[..], &["--dry-run"]].concat()).expect(1).stdout;
    assert!(text.contains("is found by the run itself"), "{text}");

    let receipt = bench.receipt(1, &["restore"]);
    let jobs = receipt["projections"].as_array().unwrap();
    let blocked = jobs.iter().filter(|job| job["outcome"] == "blocked").count() as u64;
    assert!(blocked > 0);
    assert_eq!(foreseen, blocked, "{receipt:#}");
    // Accepted, it blocks nothing.
    let accept = ["restore", "--dry-run", "--accept", LINK, "--reason", "looked at"];
    let accepted = shown(&bench, &accept);
    assert_eq!(amount(&accepted["totals"], "projection", "blocked"), 0);
}
