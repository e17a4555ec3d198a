//! Names and values that are not public reach nothing that leaves the process.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::bench::{Bench, Ended, find_all};
use crate::interrupted::{until_it_happens, wait_for};
use crate::sibling::{self, ARTIFACT, DATASET, VERSION};

/// A query that gives what the table declares.
const SOUND: &str = "SELECT src AS name, rel AS place FROM ks_species_restricted";

const PLAN: [&str; 3] = ["plans/kansas.yaml", "--env", "dev"];

/// Demands that nothing secret stands in some bytes.
#[track_caller]
fn clean(what: &str, bytes: &[u8]) {
    for secret in sibling::secrets() {
        let found = bytes.windows(secret.len()).position(|window| window == secret.as_bytes());
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(300)..bytes.len().min(at + 100)];
            panic!("{what} holds {secret}: {}", String::from_utf8_lossy(around));
        }
    }
}

#[track_caller]
fn clean_output(what: &str, ended: &Ended) {
    clean(what, ended.stdout.as_bytes());
    clean(what, ended.stderr.as_bytes());
}

/// Everything in the state directory but the files for the owner alone, and the data of the
/// private cluster, which is a governed target.
#[track_caller]
fn clean_state(bench: &Bench) {
    let mut kept_for_the_owner = 0;
    for file in find_all(&bench.path("state")) {
        let name = file.display().to_string();
        if name.ends_with(".restricted.jsonl") {
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
            kept_for_the_owner += 1;
        } else if !name.contains("/postgres/pgdata/") && !name.contains("/cache/") {
            clean(&name, &fs::read(&file).unwrap_or_default());
        }
    }
    assert!(kept_for_the_owner > 0, "no run kept what it hid");
    for private in ["spill", "scratch"] {
        let left = find_all(&bench.path("state").join(private));
        assert!(left.is_empty(), "{left:?}");
    }
}

fn outcome(receipt: &Value, job: &str) -> String {
    let projections = receipt["projections"].as_array().unwrap();
    let line = projections.iter().find(|line| line["job"] == job);
    line.unwrap_or_else(|| panic!("no {job} in {receipt:#}"))["outcome"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn failure(receipt: &Value, step: &str) -> String {
    let steps = receipt["steps"].as_array().unwrap();
    let step = steps.iter().find(|line| line["id"] == step).unwrap();
    step["failure"]["message"].as_str().unwrap().to_owned()
}

/// A bench whose jobs read the sibling: one as it should, one whose key the table refuses, one
/// whose cast the query engine refuses, and a public index that may not.
fn bench() -> Bench {
    let bench = Bench::new();
    sibling::add(&bench);
    sibling::add_table(&bench, "nests", SOUND);
    sibling::add_table(&bench, "nests_twice", SOUND);
    let job = bench.path("rebuild/postgis/nests_twice.yaml");
    let text = fs::read_to_string(&job).unwrap().replace("double", "double, not_null: true");
    fs::write(&job, text + "      primary_key: [place]\n").unwrap();
    sibling::add_table(
        &bench,
        "nests_cast",
        "SELECT CAST(CAST(src AS INTEGER) AS VARCHAR) AS name, rel AS place \
         FROM ks_species_restricted",
    );
    sibling::add_search(&bench);
    bench
}

#[test]
fn nothing_that_is_not_public_is_seen_in_a_whole_recovery() {
    let bench = bench();
    bench.seal();
    bench.init();
    for args in [&["check"][..], &["plan"]] {
        let args = [args, &PLAN].concat();
        clean_output(args[0], &bench.run(&args));
        clean_output(args[0], &bench.json(&args));
    }
    let restore = ["restore", "plans/kansas.yaml", "--env", "dev", "--log-format", "json"];
    let loud = bench.logged("debug", &[&restore[..], &["--format", "json"]].concat()).expect(1);
    clean_output("restore", &loud);
    let receipt = loud.json()["predicate"].clone();
    let run = receipt["run_id"].as_str().unwrap();
    assert_eq!(outcome(&receipt, "postgis/nests"), "rebuilt", "{receipt:#}");
    assert_eq!(outcome(&receipt, "postgis/nests_twice"), "failed");
    assert_eq!(outcome(&receipt, "postgis/nests_cast"), "failed");
    assert_eq!(outcome(&receipt, "search/nests"), "blocked");
    assert_eq!(outcome(&receipt, "search/kansas"), "rebuilt");
    assert!(failure(&receipt, "rebuild/postgis/nests_twice").starts_with("postgres 23505;"));
    assert!(failure(&receipt, "gate/policy/search/nests").contains("policy-denied"));
    clean_output("status", &bench.run(&["status", run]));
    clean_output("receipt", &bench.run(&["receipt", run]));
    clean_output("rehearse", &bench.run(&[&["rehearse"], &PLAN[..]].concat()));
    let seen = bench.on_terminal(&[], &[&["rebuild"], &PLAN[..]].concat());
    assert!(seen.screen.iter().any(|line| line.contains("nests_cast")), "{:#?}", seen.screen);
    clean("the terminal", seen.screen.join("\n").as_bytes());
    clean_state(&bench);

    // What went to the public, and the ledger that cites it.
    let generations = bench.path(".coppice/dev/projections/generations");
    assert!(!generations.join("search/nests").exists());
    for folder in
        [generations.join("search"), generations.join("tiles"), bench.canonical().join("audit")]
    {
        let files = find_all(&folder);
        assert!(!files.is_empty(), "{}", folder.display());
        for file in files {
            clean(&file.display().to_string(), &fs::read(&file).unwrap());
        }
    }

    // Whoever may see the file sees the names, and the database's own words.
    let open = bench.run(&["receipt", run, "--restricted"]).expect(0).stdout;
    assert!(open.contains("unique index"), "{open}");
    assert!(bench.run(&["status", run, "--restricted"]).expect(0).stdout.contains("Wqkgrus"));
}

#[test]
fn damage_to_what_is_not_public_is_told_without_its_name() {
    let bench = bench();
    bench.seal();
    bench.init();
    bench.receipt(1, &["restore"]);
    let artifact = format!("processed/{DATASET}/{VERSION}/artifacts/{ARTIFACT}");
    fs::write(bench.canonical().join(&artifact), "Wqkgrus 38.471922").unwrap();
    let strange = format!("processed/{DATASET}/{VERSION}/artifacts/reeds_north_bank.bin");
    fs::write(bench.canonical().join(strange), "x").unwrap();
    let names = bench.at("names.jsonl");
    let verify = ["verify", ".coppice/dev/canonical", "--against", ".coppice/dev/backup"];
    let ended = bench.json(&[&verify[..], &["--restricted-to", &names]].concat()).expect(1);
    clean_output("verify", &ended);
    let document = ended.json();
    let findings = document["findings"].as_array().unwrap();
    let findings: Vec<_> = findings.iter().filter(|f| f["dataset_version_id"] == VERSION).collect();
    let kinds: Vec<_> = findings.iter().map(|finding| &finding["kind"]).collect();
    assert_eq!(kinds, ["truncated", "extra"], "{document:#}");
    let map = fs::read_to_string(&names).unwrap();
    assert!(map.contains(&artifact) && map.contains(findings[0]["key"].as_str().unwrap()), "{map}");
    assert_eq!(fs::metadata(&names).unwrap().permissions().mode() & 0o777, 0o600);
    let again = bench.run(&[&verify[..], &["--restricted-to", &names]].concat()).expect(2);
    clean_output("verify", &again);
    clean_output("verify", &bench.run(&verify).expect(1));

    // The same in a run, and after a seal that finds an immutable object changed.
    let ended = bench.json(&[&["rebuild"], &PLAN[..]].concat()).expect(1);
    clean_output("rebuild", &ended);
    fs::write(bench.path("origin").join(&artifact), "Wqkgrus 38.471922").unwrap();
    let sealed = bench.try_to_seal().expect(1);
    clean_output("snapshot", &sealed);
    assert!(sealed.json()["findings"].to_string().contains("hidden:"), "{}", sealed.stdout);
    clean_state(&bench);
}

#[test]
fn a_resumed_run_finds_what_it_verified_by_the_same_hashes() {
    let (bench, run) = until_it_happens(|| {
        let bench = bench();
        bench.seal();
        bench.init();
        let mut child = bench.start(&[&["restore"], &PLAN[..]].concat());
        assert!(wait_for(&bench, "verify/catalog", &["running", "succeeded"]));
        child.kill().unwrap();
        child.wait().unwrap();
        let run = bench.newest_run().unwrap();
        let status = bench.json(&["status", &run]).expect(0).json();
        (status["state"] == "running").then_some((bench, run))
    });
    let resumed = bench.json(&["resume", &run]).expect(1).json()["predicate"].clone();
    assert_eq!(outcome(&resumed, "postgis/nests"), "rebuilt", "{resumed:#}");
    assert_eq!(outcome(&resumed, "postgis/nests_cast"), "failed");
    clean_state(&bench);
}

#[test]
fn quarantine_comes_back_byte_for_byte_and_is_read_by_nobody() {
    let bench = bench();
    bench.seal();
    bench.init();
    bench.receipt(1, &["restore"]);
    let key = Path::new("quarantine/ks_eggs/20260301T060000Z/marsh_egg_counts.csv");
    let sealed = fs::read(bench.path("origin").join(key)).unwrap();
    assert_eq!(fs::read(bench.canonical().join(key)).unwrap(), sealed);
    // A job cannot even name it.
    let job = bench.path("rebuild/postgis/nests.yaml");
    let text = fs::read_to_string(&job).unwrap();
    fs::write(&job, text.replace(DATASET, "ks_eggs")).unwrap();
    let refused = bench.json(&[&["plan"], &PLAN[..]].concat()).expect(2).json();
    assert!(refused["error"]["message"].as_str().unwrap().contains("ks_eggs"), "{refused:#}");
}
