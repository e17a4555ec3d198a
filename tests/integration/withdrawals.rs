//! What was erased or restricted after the backup stays so, whatever is restored.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bench::{Bench, ERASED};

const AIRPORTS: &str = "processed/ks_airports/2026-02.c4f9633b/artifacts/ks_airports.geojson";
const EDGES: &str =
    "processed/ks_county_adjacency/2026-02.02951798/artifacts/ks_county_adjacency_edges.csv";
/// The list that the plan names.
const LIST: &str = "fixtures/withdrawals.ndjson";
const PLAN: [&str; 3] = ["plans/kansas.yaml", "--env", "dev"];

fn erase(key: &str) -> String {
    format!(r#"{{"key":"{key}","action":"erase","at":"2026-03-01T00:00:00Z","reason":"asked"}}"#)
}

fn relabel(version: &str, label: &str) -> String {
    format!(
        r#"{{"version":1,"dataset_version_id":"{version}","action":"relabel","label":"{label}","at":"2026-03-01T00:00:00Z","reason":"nests"}}"#
    )
}

/// A sealed bench whose list has these lines and no other.
fn bench(lines: &[String]) -> Bench {
    let bench = Bench::new();
    write(&bench, lines);
    bench.seal();
    bench.init();
    bench
}

fn edit_plan(bench: &Bench, line: &str, edit: impl FnOnce(&str) -> String) {
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    assert!(text.contains(line));
    fs::write(&plan, text.replacen(line, &edit(line), 1)).unwrap();
}

fn write(bench: &Bench, lines: &[String]) {
    fs::write(bench.path(LIST), lines.join("\n") + "\n").unwrap();
}

fn outcomes(receipt: &Value, outcome: &str) -> Vec<String> {
    let projections = receipt["projections"].as_array().unwrap().iter();
    let mut jobs: Vec<_> = projections
        .filter(|line| line["outcome"] == outcome)
        .map(|line| line["job"].as_str().unwrap().to_owned())
        .collect();
    jobs.sort();
    jobs
}

fn findings(document: &Value) -> Vec<(String, String, String)> {
    let all = document["findings"].as_array().unwrap().iter();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> =
        all.map(|f| (text(f, "kind"), text(f, "severity"), text(f, "key"))).collect();
    all.sort();
    all
}

fn withdrawn(severity: &str, key: &str) -> (String, String, String) {
    ("withdrawn".to_owned(), severity.to_owned(), key.to_owned())
}

#[test]
fn what_a_version_does_without_is_not_restored_and_blocks_nobody() {
    let bench = bench(&[erase(AIRPORTS)]);
    let receipt = bench.receipt(0, &["restore"]);
    assert_eq!(receipt["outcome"], "recovered", "{receipt:#}");
    assert_eq!(findings(&receipt), [withdrawn("warns", AIRPORTS)]);
    assert!(!bench.canonical().join(AIRPORTS).exists());
    let gate = receipt["gates"].as_array().unwrap().iter().find(|gate| gate["id"] == "withdrawals");
    assert_eq!(gate.unwrap()["open"], true);

    // In place it is the same generation, and still no link dangles.
    let rebuilt = bench.receipt(0, &["rebuild", "--reprove"]);
    let all = rebuilt["projections"].as_array().unwrap().len();
    assert_eq!(outcomes(&rebuilt, "unchanged").len(), all, "{rebuilt:#}");
    assert_eq!(findings(&rebuilt), [withdrawn("warns", AIRPORTS)]);
    let verify = ["verify", ".coppice/dev/canonical", "--against", ".coppice/dev/backup"];
    let with_plan = [&verify[..], &["--plan", "plans/kansas.yaml", "--env", "dev"]].concat();
    let verified = bench.json(&with_plan).expect(1).json();
    assert_eq!(findings(&verified), [withdrawn("warns", AIRPORTS)]);
    // Without the plan nobody knows of the list.
    assert_eq!(findings(&bench.json(&verify).expect(1).json())[0].0, "missing");
}

#[test]
fn what_is_needed_and_erased_blocks_those_who_need_it_alone() {
    let bench = bench(&[erase(EDGES)]);
    let receipt = bench.receipt(1, &["rehearse"]);
    assert_eq!(receipt["outcome"], "partial");
    assert_eq!(outcomes(&receipt, "blocked"), ["graph/kansas", "search/kansas"]);
    assert!(outcomes(&receipt, "rebuilt").contains(&"tiles/kansas".to_owned()), "{receipt:#}");
    assert_eq!(findings(&receipt), [withdrawn("blocks", EDGES)]);
    let gates = receipt["gates"].as_array().unwrap();
    let gate = gates.iter().find(|g| g["id"] == "canonical-intact/2026-02.02951798").unwrap();
    assert!(gate["evidence"].as_str().unwrap().contains("withdrawn"), "{gate:#}");
}

#[test]
fn a_version_that_was_erased_leaves_catalogs_and_blocks_who_names_it() {
    let erased = r#"{"dataset_version_id":"2026-02.02951798","action":"erase","at":"2026-03-01T00:00:00Z","reason":"asked"}"#;
    let bench = bench(&[erased.to_owned()]);
    let receipt = bench.receipt(1, &["restore"]);
    // The index reads the adjacency by the catalog alone, the graph by name.
    assert_eq!(outcomes(&receipt, "blocked"), ["graph/kansas"], "{receipt:#}");
    for zone in ["processed", "catalog", "releases"] {
        assert!(!bench.canonical().join(zone).join("ks_county_adjacency").exists(), "{zone}");
    }
    assert!(findings(&receipt).iter().all(|(kind, ..)| kind == "withdrawn"), "{receipt:#}");
}

#[test]
fn an_erased_object_that_is_still_there_has_to_be_deleted_by_its_owner() {
    let raw = "raw/ks_airports/20260210T060600Z/artifacts/ks_airports.geojson";
    let bench = bench(&[]);
    bench.receipt(0, &["restore"]);
    write(&bench, &[erase(AIRPORTS), erase(raw)]);
    for args in [&["restore"][..], &["rebuild"]] {
        let receipt = bench.receipt(1, args);
        assert_eq!(
            outcomes(&receipt, "blocked"),
            ["graph/kansas", "postgis/airports", "search/kansas", "tiles/kansas"],
            "{args:?} {receipt:#}"
        );
        assert!(findings(&receipt).contains(&withdrawn("blocks", AIRPORTS)), "{receipt:#}");
        assert!(bench.canonical().join(AIRPORTS).exists(), "Coppice deleted it");
    }
    fs::remove_file(bench.canonical().join(AIRPORTS)).unwrap();
    let receipt = bench.receipt(1, &["restore"]);
    assert_eq!(findings(&receipt), [withdrawn("blocks", raw), withdrawn("warns", AIRPORTS)]);
    let gates = receipt["gates"].as_array().unwrap();
    let shut: Vec<_> = gates.iter().filter(|g| g["open"] == false).map(|g| &g["id"]).collect();
    assert_eq!(shut, ["withdrawals"]);
    fs::remove_file(bench.canonical().join(raw)).unwrap();
    bench.receipt(0, &["restore"]);
}

#[test]
fn a_label_only_tightens() {
    let bench = bench(&[relabel("2026-02.d1c078f2", "restricted")]);
    let receipt = bench.receipt(1, &["rehearse"]);
    // The index reads the places by name, the tiles by their table.
    assert_eq!(outcomes(&receipt, "blocked"), ["search/kansas", "tiles/kansas"], "{receipt:#}");
    let denied = findings(&receipt);
    assert!(denied.iter().all(|(kind, ..)| kind == "policy-denied"), "{denied:?}");
    write(
        &bench,
        &[relabel("2026-02.d1c078f2", "restricted"), relabel("2026-02.d1c078f2", "internal")],
    );
    refused(&bench, "line 2");
}

#[test]
fn a_list_that_cannot_be_trusted_stops_everything_before_it_begins() {
    let bench = bench(&[]);
    let list = bench.path(LIST);
    let torn = &erase(AIRPORTS)[..40];
    for (text, said) in [
        (torn.to_owned(), "line 1"),
        (erase(AIRPORTS).replace("erase", "restore"), "line 1"),
        (format!("\n{}", erase("audit/ledger/heads/ledger_head.json")), "line 2"),
    ] {
        fs::write(&list, text).unwrap();
        refused(&bench, said);
    }
    fs::remove_file(&list).unwrap();
    refused(&bench, "not there");
    fs::create_dir(&list).unwrap();
    refused(&bench, "withdrawals");
}

/// Demands that nothing starts, and nothing is written.
#[track_caller]
fn refused(bench: &Bench, said: &str) {
    for mode in ["restore", "rehearse", "rebuild"] {
        let refused = bench.json(&[&[mode], &PLAN[..]].concat()).expect(1).json();
        assert_eq!(refused["error"]["code"], "gate-shut", "{mode} {refused:#}");
        assert!(refused["error"]["message"].as_str().unwrap().contains(said), "{refused:#}");
    }
    let ready = bench.json(&[&["check"], &PLAN[..]].concat()).expect(1).json();
    assert!(ready["probes"].to_string().contains(said), "{ready:#}");
    assert!(!bench.canonical().join("processed").exists(), "something was written");
}

#[test]
fn a_list_inside_a_snapshot_is_no_list() {
    let bench = bench(&[]);
    edit_plan(&bench, "../fixtures/withdrawals.ndjson", |_| {
        "../.coppice/dev/canonical/withdrawals.ndjson".to_owned()
    });
    bench.json(&[&["plan"], &PLAN[..]].concat()).expect(2);
}

/// The date of an embargo decides, at the plan's policy date.
#[test]
fn an_embargo_ends_by_its_date() {
    let bench = Bench::new();
    let label =
        |text: &str| text.replace(r#"policy_label": "public""#, r#"policy_label": "embargoed""#);
    for file in crate::bench::find_all(&bench.path("origin/catalog/ks_airports")) {
        let text = label(&fs::read_to_string(&file).unwrap());
        let dated = r#""kfm:embargo_until": "2026-09-01", "kfm:policy_label""#;
        let is_dcat = file.ends_with(Path::new("dcat.jsonld"));
        let text = if is_dcat { text.replace(r#""kfm:policy_label""#, dated) } else { text };
        fs::write(&file, text).unwrap();
    }
    for file in crate::bench::find_all(&bench.path("origin/releases/ks_airports")) {
        let text = label(&fs::read_to_string(&file).unwrap());
        fs::write(&file, text).unwrap();
    }
    bench.seal();
    let at = |bench: &Bench, date: &str| {
        edit_plan(bench, "  cutover: proven", |line| format!("{line}\n  policy_date: {date}"));
    };
    at(&bench, "2026-08-31T23:59:59Z");
    let before = bench.receipt(1, &["rehearse"]);
    assert_eq!(before["policy_date"], "2026-08-31T23:59:59Z");
    assert_eq!(outcomes(&before, "blocked"), ["search/kansas", "tiles/kansas"], "{before:#}");
    edit_plan(&bench, "2026-08-31T23:59:59Z", |_| "2026-09-01T00:00:00Z".to_owned());
    let after = bench.receipt(0, &["rehearse"]);
    assert_eq!(outcomes(&after, "blocked"), [""; 0], "{after:#}");
}

#[test]
fn a_list_that_lost_entries_stops_everything() {
    let edges = erase(EDGES);
    let bench = bench(&[erase(AIRPORTS), edges.clone()]);
    let known = bench.receipt(1, &["rehearse"])["run_id"].as_str().unwrap().to_owned();
    write(&bench, &[erase(AIRPORTS)]);
    refused(&bench, "only 1 entry");
    refused(&bench, &known);
    write(&bench, &[edges.clone(), erase(AIRPORTS), relabel("2026-02.d1c078f2", "restricted")]);
    refused(&bench, "does not begin with what it said before");
    edit_plan(&bench, "      withdrawals: { url: ../fixtures/withdrawals.ndjson }\n", |_| {
        String::new()
    });
    for mode in ["restore", "rehearse", "rebuild"] {
        let refused = bench.json(&[&[mode], &PLAN[..]].concat()).expect(1).json();
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains("names no list of withdrawals any more"), "{message}");
    }
    edit_plan(&bench, "      rehearse_every: 90d\n", |line| {
        format!("{line}      withdrawals: {{ url: ../fixtures/withdrawals.ndjson }}\n")
    });
    write(&bench, &[erase(AIRPORTS), edges, erase("raw/ks_airports/none/a")]);
    bench.receipt(1, &["rehearse"]);
}

#[test]
fn a_version_that_its_owner_erased_blocks_a_rebuild_of_what_reads_it() {
    let bench = bench(&[]);
    bench.receipt(0, &["restore"]);
    let erased = r#"{"dataset_version_id":"2026-02.02951798","action":"erase","at":"2026-03-01T00:00:00Z","reason":"asked"}"#;
    write(&bench, &[erased.to_owned()]);
    for zone in ["processed", "catalog", "releases"] {
        fs::remove_dir_all(bench.canonical().join(zone).join("ks_county_adjacency")).unwrap();
    }
    let receipt = bench.receipt(1, &["rebuild"]);
    assert_eq!(receipt["outcome"], "partial", "{receipt:#}");
    assert_eq!(outcomes(&receipt, "blocked"), ["graph/kansas"], "{receipt:#}");
    let gates = receipt["gates"].as_array().unwrap();
    let shut: Vec<_> = gates.iter().filter(|gate| gate["open"] == false).collect();
    assert_eq!(shut.len(), 1, "{shut:#?}");
    assert_eq!(shut[0]["id"], "erased/graph/kansas");
    let found = receipt["findings"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((&found[0]["kind"], &found[0]["severity"]), (&"withdrawn".into(), &"blocks".into()));
    assert_eq!(found[0]["blocks"], serde_json::json!(["graph/kansas"]));
    // A name that nothing was ever known by is an error of the plan, where nothing was erased.
    write(&bench, &[erased.to_owned(), erase(EDGES)]);
    let job = bench.path("rebuild/postgis/airports.yaml");
    let text = fs::read_to_string(&job).unwrap();
    let wrong = "dataset: ks_airports\n      version: 2026-02.c4f9633c";
    fs::write(&job, text.replace("dataset: ks_airports", wrong)).unwrap();
    let refused = bench.json(&[&["rebuild"], &PLAN[..]].concat()).expect(2).json();
    assert!(refused.to_string().contains("has no version `2026-02.c4f9633c`"), "{refused:#}");
}

#[test]
fn a_rollback_puts_nothing_live_that_was_withdrawn_or_restricted_since() {
    let bench = bench(&[]);
    bench.receipt(0, &["restore"]);
    let sql = bench.path("rebuild/postgis/places.sql");
    let text = fs::read_to_string(&sql).unwrap();
    fs::write(&sql, format!("{text}\nORDER BY 1\n")).unwrap();
    // The tiles are made of the places, the airports and others.
    bench.receipt(0, &["rebuild", "--only", "postgis/places"]);
    let pointers = || fs::read_dir(bench.path(".coppice/dev/projections/live")).unwrap().count();
    let before = pointers();
    let restricted = relabel("2026-02.d1c078f2", "restricted");
    for (lines, kinds) in [
        (vec![erase(AIRPORTS)], vec!["withdrawn"]),
        (vec![erase(AIRPORTS), restricted], vec!["policy-denied", "withdrawn"]),
    ] {
        write(&bench, &lines);
        let receipt = bench.receipt(1, &["rollback"]);
        let found = findings(&receipt);
        let found: Vec<_> =
            found.iter().map(|(kind, severity, _)| (&**kind, &**severity)).collect();
        let wanted: Vec<_> = kinds.into_iter().map(|kind| (kind, "blocks")).collect();
        assert_eq!(found, wanted, "{receipt:#}");
        for finding in receipt["findings"].as_array().unwrap() {
            // The table of places is governed, and may hold what is restricted.
            assert_eq!(finding["blocks"], serde_json::json!(["tiles/kansas"]), "{finding:#}");
        }
        let steps = receipt["steps"].as_array().unwrap();
        let decide = steps.iter().find(|step| step["id"] == "cutover/decide").unwrap();
        let message = decide["failure"]["message"].as_str().unwrap();
        assert!(message.contains("tiles/kansas may not go live again"), "{message}");
        assert_eq!(pointers(), before, "something went live");
    }
}

#[test]
fn what_was_erased_and_is_gone_is_as_it_should_be_when_a_snapshot_is_sealed() {
    let bench = bench(&[erase(ERASED), erase(AIRPORTS)]);
    for key in [ERASED, AIRPORTS] {
        fs::remove_file(bench.path("origin").join(key)).unwrap();
    }
    let expected = [withdrawn("warns", AIRPORTS), withdrawn("warns", ERASED)];
    // The first time the former snapshot still has them, then only documents name them.
    for _ in 0..2 {
        let sealed = bench.seal();
        assert_eq!((&sealed["state"], &sealed["objects"]), (&"clean".into(), &220.into()));
        assert_eq!(findings(&sealed), expected, "{sealed:#}");
    }
    bench.receipt(0, &["restore"]);
    // Nobody knows of it without its line.
    write(&bench, &[erase(AIRPORTS)]);
    let sealed = bench.try_to_seal().expect(1).json();
    let missing = ("missing".to_owned(), "blocks".to_owned(), ERASED.to_owned());
    assert!(findings(&sealed).contains(&missing), "{sealed:#}");
    assert!(findings(&sealed).contains(&withdrawn("warns", AIRPORTS)), "{sealed:#}");
}
