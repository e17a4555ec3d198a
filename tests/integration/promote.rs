//! A kept rehearsal is put live: copied and proven where it goes, by all the rules of a restore.

use std::fs;

use serde_json::Value;

use crate::bench::{Bench, Ended, find_all};
use crate::programs::only;

const PLAN: [&str; 3] = ["plans/kansas.yaml", "--env", "dev"];

fn lines(receipt: &Value) -> &Vec<Value> {
    receipt["projections"].as_array().unwrap()
}

fn line<'a>(receipt: &'a Value, job: &str) -> &'a Value {
    let found = lines(receipt).iter().find(|line| line["job"] == job);
    found.unwrap_or_else(|| panic!("{job}: {receipt:#}"))
}

fn promote(bench: &Bench, run: &str, more: &[&str]) -> Ended {
    bench.json(&[&["rehearse"][..], &PLAN, &["--promote", run], more].concat())
}

/// A bench with a plan of a few jobs, a snapshot, markers, and a kept rehearsal.
fn rehearsed(jobs: &[&str]) -> (Bench, String) {
    let bench = Bench::new();
    only(&bench, jobs);
    bench.init();
    let receipt = bench.receipt(0, &["rehearse", "--keep"]);
    let run = receipt["run_id"].as_str().unwrap().to_owned();
    (bench, run)
}

#[test]
fn what_a_rehearsal_proved_is_put_live_without_building_it_again() {
    let bench = Bench::new();
    let first = bench.seal();
    bench.init();
    let rehearsal = bench.receipt(0, &["rehearse", "--keep"]);
    let run = rehearsal["run_id"].as_str().unwrap();
    // A newer snapshot is no reason to take another than was rehearsed, and is told.
    bench.seal();
    let foreseen = promote(&bench, run, &["--dry-run"]).expect(0).json();
    let totals = foreseen["totals"].as_array().unwrap();
    let taken = totals.iter().find(|one| one["fate"] == "take-over").unwrap();
    assert_eq!(taken["count"], lines(&rehearsal).len(), "{foreseen:#}");
    assert!(!bench.canonical().join("processed").exists(), "a dry run wrote something");

    let ended = promote(&bench, run, &["--reason", "bucket lost"]).expect(0);
    assert!(ended.stderr.contains("are taken over from rehearsal"), "{}", ended.stderr);
    assert!(ended.stderr.contains("loses less"), "{}", ended.stderr);
    let receipt = ended.json()["predicate"].clone();
    assert_eq!((&receipt["mode"], &receipt["outcome"]), (&"restore".into(), &"recovered".into()));
    assert_eq!((&receipt["promotes"], &receipt["snapshot"]), (&run.into(), &first["snapshot"]));
    let restored = &receipt["restored"];
    assert!(restored["promoted"].as_u64() > Some(50), "{restored:#}");
    assert!(receipt["gates"].as_array().unwrap().iter().all(|gate| gate["open"] == true));
    for before in lines(&rehearsal) {
        let job = before["job"].as_str().unwrap();
        let now = line(&receipt, job);
        assert_eq!((&now["outcome"], &now["live"]), (&"promoted".into(), &true.into()), "{now:#}");
        for field in ["generation", "rows", "canonical_digest", "projection_digest", "inputs"] {
            assert_eq!(now[field], before[field], "{job} {field}");
        }
        assert!(now["proof_at"].as_str() > before["proof_at"].as_str(), "it is proven anew");
        assert_eq!(now["promotion"], serde_json::json!({ "run": run, "why_not": null }));
    }
    // What is live needs nothing of scratch, and is what the canonical data say.
    bench.run(&["discard", run]).expect(0);
    let drift = bench.json(&[&["drift"][..], &PLAN, &["--deep"]].concat()).expect(0).json();
    assert_eq!(drift["ok"], true, "{drift:#}");
    let again = bench.receipt(0, &["restore", "--snapshot", first["snapshot"].as_str().unwrap()]);
    assert!(lines(&again).iter().all(|line| line["outcome"] == "unchanged"), "{again:#}");
}

#[test]
fn what_cannot_be_taken_over_is_said_and_built_again_or_refused() {
    let (bench, run) = rehearsed(&["graph/kansas", "postgis/places", "postgis/airports"]);
    let query = bench.path("rebuild/postgis/places.sql");
    let text = fs::read_to_string(&query).unwrap();
    fs::write(&query, format!("{}\nORDER BY 1\n", text.trim_end())).unwrap();
    // What is damaged in scratch, a projection and an object, is not put live.
    let scratch = bench.path("state/scratch").join(&run);
    let damage = |folder: &str, name: &str| {
        let all = find_all(&scratch.join(folder));
        let file = all.iter().find(|file| file.ends_with(name)).unwrap_or_else(|| panic!("{name}"));
        let mut bytes = fs::read(file).unwrap();
        bytes[100] ^= 1;
        fs::write(file, bytes).unwrap();
    };
    damage("projections/generations/graph", "graph.nq.zst");
    damage("canonical/processed", "ks_airports.parquet");

    let refused = promote(&bench, &run, &["--no-rebuild"]).expect(1);
    let words = "postgis/places fails: it would be built otherwise now: its query changed";
    assert!(refused.stderr.contains(words), "{}", refused.stderr);
    let receipt = refused.json()["predicate"].clone();
    assert_eq!(receipt["outcome"], "partial");
    for (job, outcome) in
        [("postgis/airports", "promoted"), ("postgis/places", "failed"), ("graph/kansas", "failed")]
    {
        assert_eq!(line(&receipt, job)["outcome"], outcome, "{receipt:#}");
    }

    let text =
        bench.run(&[&["rehearse"][..], &PLAN, &["--promote", &run]].concat()).expect(0).stdout;
    assert!(text.contains(&format!("Built again, not taken over from {run}")), "{text}");
    let newest = bench.newest_run().unwrap();
    let built = bench.json(&["receipt", &newest]).expect(0).json()["predicate"].clone();
    for (job, outcome, why) in [
        ("postgis/airports", "unchanged", ""),
        ("postgis/places", "rebuilt", "it would be built otherwise now: its query changed"),
        ("graph/kansas", "rebuilt", ""),
    ] {
        let line = line(&built, job);
        assert_eq!((&line["outcome"], &line["live"]), (&outcome.into(), &true.into()), "{line:#}");
        if outcome == "rebuilt" {
            let said = line["promotion"]["why_not"].as_str().unwrap();
            assert!(said.contains(why) && !said.is_empty(), "{line:#}");
        }
    }
}

#[test]
fn a_run_that_is_no_green_kept_rehearsal_of_this_environment_is_refused() {
    let (bench, kept) = rehearsed(&["postgis/airports"]);
    let refused = |run: &str, words: &str| {
        let error = promote(&bench, run, &[]).expect(2).json();
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{error:#}");
        assert!(error["error"]["hint"].is_string(), "{error:#}");
        assert!(!bench.canonical().join("processed").exists());
    };
    let cleared = bench.receipt(0, &["rehearse"]);
    refused(cleared["run_id"].as_str().unwrap(), "its scratch was cleared at its end");
    // One that proved less than all is not green.
    let job = bench.path("rebuild/postgis/airports.yaml");
    let text = fs::read_to_string(&job).unwrap();
    assert!(text.contains("min_rows: 1\n"));
    fs::write(&job, text.replace("min_rows: 1\n", "min_rows: 100000\n")).unwrap();
    bench.receipt(1, &["rehearse", "--keep"]);
    refused(&bench.newest_run().unwrap(), "it is not green: it ended partial");
    fs::write(&job, text).unwrap();
    bench.run(&["discard", &kept]).expect(0);
    refused(&kept, "its scratch was discarded");
    let restored = bench.receipt(0, &["restore"]);
    let run = restored["run_id"].as_str().unwrap();
    let error = promote(&bench, run, &[]).expect(2).json();
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("it is no rehearsal but a restore"), "{error:#}");
}

#[test]
fn a_promotion_that_was_stopped_goes_on_without_its_rehearsal() {
    let bench = Bench::new();
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    let waits = "      rehearse_every: 90d\n      \
                 approve: { steps: [rebuild/graph/kansas], by: any }\n";
    fs::write(&plan, text.replacen("      rehearse_every: 90d\n", waits, 1)).unwrap();
    only(&bench, &["graph/kansas", "postgis/airports"]);
    bench.init();
    let rehearsed = bench.receipt(0, &["rehearse", "--keep"]);
    let rehearsal = rehearsed["run_id"].as_str().unwrap();
    promote(&bench, rehearsal, &["--no-wait"]).expect(4);
    let run = bench.newest_run().unwrap();
    bench.run(&["discard", rehearsal]).expect(0);
    bench.run(&["approve", &run, "rebuild/graph/kansas", "--reason", "go on"]).expect(0);
    let receipt = bench.json(&["resume", &run]).expect(0).json()["predicate"].clone();
    assert_eq!(receipt["outcome"], "recovered", "{receipt:#}");
    assert_eq!(receipt["promotes"], rehearsal);
    assert_eq!(line(&receipt, "postgis/airports")["outcome"], "promoted");
    let graph = line(&receipt, "graph/kansas");
    assert_eq!((&graph["outcome"], &graph["live"]), (&"rebuilt".into(), &true.into()));
    let why = graph["promotion"]["why_not"].as_str().unwrap();
    assert!(why.contains("its scratch was discarded"), "{why}");
}
