//! A re-index after a migration: what changed is rebuilt with what is made of it, what did not is
//! proven to be what it was, and a rollback takes dependants along.

use std::fs;

use serde_json::Value;

use crate::bench::Bench;
use crate::cutover::pointer;
use crate::drift::on_a_server;

const PLAN: [&str; 3] = ["plans/kansas.yaml", "--env", "dev"];

fn restored() -> (Bench, Value) {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    let receipt = bench.receipt(0, &["restore"]);
    (bench, receipt)
}

fn change(bench: &Bench, file: &str, from: &str, to: &str) {
    let path = bench.path("rebuild").join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from:?}");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
}

/// Changes the query of the places.
fn sorted(bench: &Bench) {
    let path = bench.path("rebuild/postgis/places.sql");
    let query = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{}\nORDER BY 1\n", query.trim_end())).unwrap();
}

fn runs(bench: &Bench) -> usize {
    bench.json(&["runs"]).expect(0).json()["runs"].as_array().unwrap().len()
}

fn line<'a>(receipt: &'a Value, job: &str) -> &'a Value {
    let all = receipt["projections"].as_array().unwrap();
    all.iter().find(|line| line["job"] == job).unwrap_or_else(|| panic!("{job}: {receipt:#}"))
}

/// The jobs of a receipt with this outcome, sorted.
fn with(receipt: &Value, outcome: &str) -> Vec<String> {
    let all = receipt["projections"].as_array().unwrap().iter();
    let mut jobs: Vec<_> = all
        .filter(|line| line["outcome"] == outcome)
        .map(|line| line["job"].as_str().unwrap().to_owned())
        .collect();
    jobs.sort_unstable();
    jobs
}

/// Rebuilds since a plan where nothing changed: no run is made.
fn nothing(bench: &Bench, since: &str) -> Value {
    let before = runs(bench);
    let said = bench.json(&[&["rebuild"][..], &PLAN, &[since]].concat()).expect(0).json();
    assert_eq!((&said["ok"], &said["changed"]), (&true.into(), &Value::Array(vec![])), "{said:#}");
    assert_eq!(runs(bench), before, "a run was made for nothing");
    said
}

#[test]
fn only_what_changed_since_a_plan_is_rebuilt_with_what_is_made_of_it() {
    let bench = Bench::new();
    // Before the migration the places are those of January.
    let (old, new) = ("2026-01.f3643be0", "2026-02.d1c078f2");
    let pin = |from: &str, to: &str| change(&bench, "postgis/places.yaml", from, to);
    let input = "dataset: ks_populated_places\n";
    let pinned = format!("{input}      version: {old}\n");
    pin(input, &pinned);
    // Nor was that of January relabelled yet.
    let list = bench.path("fixtures/withdrawals.ndjson");
    let entries = fs::read_to_string(&list).unwrap();
    fs::write(&list, entries.lines().next().unwrap().to_owned() + "\n").unwrap();
    bench.seal();
    bench.init();
    let restored = bench.receipt(0, &["restore"]);
    let first = restored["run_id"].as_str().unwrap();
    assert_eq!(nothing(&bench, "--since-plan")["since"], first);
    let text = bench.run(&[&["rebuild"][..], &PLAN, &["--since-plan"]].concat()).expect(0).stdout;
    assert!(
        text.starts_with(&format!("nothing changed since the plan of run {first}\n")),
        "{text}"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");

    // A new version of a dataset.
    pin(&pinned, input);
    let before = runs(&bench);
    let dry = bench.run(&[&["rebuild"][..], &PLAN, &["--since-plan", "--dry-run"]].concat());
    let dry = dry.expect(0);
    assert!(dry.stderr.contains("postgis/places changed: its inputs changed"), "{}", dry.stderr);
    assert!(!dry.stdout.contains("rebuild/graph"), "{}", dry.stdout);
    assert_eq!(runs(&bench), before);
    let second = bench.receipt(0, &["rebuild", "--since-plan"]);
    assert_eq!(with(&second, "rebuilt"), ["postgis/places", "tiles/kansas"], "{second:#}");
    assert_eq!(second["projections"].as_array().unwrap().len(), 2, "{second:#}");
    let inputs = &line(&second, "postgis/places")["inputs"];
    assert_eq!(inputs[0]["version"], new, "{second:#}");

    // What the second run left out is known from the first.
    nothing(&bench, "--since-plan");
    let digest = second["plan_digest"].as_str().unwrap();
    nothing(&bench, &format!("--since-plan={digest}"));
    let again = bench.receipt(0, &["rebuild", &format!("--since-plan={first}")]);
    assert_eq!(with(&again, "unchanged"), ["postgis/places", "tiles/kansas"], "{again:#}");
    for job in ["postgis/places", "tiles/kansas"] {
        same(line(&again, job), line(&second, job));
    }
    let unknown = [&["rebuild"][..], &PLAN, &["--since-plan=blake3:00"]].concat();
    let error = bench.json(&unknown).expect(2).json();
    assert!(error["error"]["message"].as_str().unwrap().contains("blake3:00"), "{error:#}");
}

/// A skip is proven: the same generation by the same proof, with both digests.
fn same(now: &Value, then: &Value) {
    for field in ["generation", "proof_at", "rows", "canonical_digest", "projection_digest"] {
        assert!(!now[field].is_null(), "{field}: {now:#}");
        assert_eq!(now[field], then[field], "{field}: {now:#}");
    }
    assert_eq!((&now["proven"], &now["live"]), (&true.into(), &true.into()), "{now:#}");
}

#[test]
fn what_did_not_change_is_skipped_and_the_skip_is_proven() {
    let (bench, restored) = restored();
    sorted(&bench);
    let rebuilt = bench.receipt(0, &["rebuild"]);
    assert_eq!(with(&rebuilt, "rebuilt"), ["postgis/places", "tiles/kansas"], "{rebuilt:#}");
    let unchanged = with(&rebuilt, "unchanged");
    assert_eq!(unchanged.len(), rebuilt["projections"].as_array().unwrap().len() - 2);
    for job in &unchanged {
        same(line(&rebuilt, job), line(&restored, job));
    }
    // Proven again, it is the same content by a newer proof.
    let reproven = bench.receipt(0, &["rebuild", "--reprove", "--only", "graph/kansas"]);
    let (now, then) = (line(&reproven, "graph/kansas"), line(&restored, "graph/kansas"));
    assert_eq!(now["outcome"], "unchanged", "{now:#}");
    assert_eq!(now["projection_digest"], then["projection_digest"]);
    assert!(now["proof_at"].as_str() > then["proof_at"].as_str(), "{now:#}");
}

#[test]
fn a_rollback_of_one_job_takes_what_is_made_of_it_along_and_says_so() {
    let (bench, restored) = restored();
    sorted(&bench);
    let rebuilt = bench.run(&[&["rebuild"][..], &PLAN, &["--only", "postgis/places"]].concat());
    let said = rebuilt.expect(0).stderr;
    assert!(said.contains("tiles/kansas is added: it is made of postgis/places"), "{said}");

    let back = bench.json(&[&["rollback"][..], &PLAN, &["--only", "postgis/places"]].concat());
    let back = back.expect(0);
    let added = "tiles/kansas is added: it is made of postgis/places";
    assert!(back.stderr.contains(added), "{}", back.stderr);
    let receipt = back.json()["predicate"].clone();
    assert_eq!(with(&receipt, "rolled-back"), ["postgis/places", "tiles/kansas"], "{receipt:#}");
    for job in ["postgis/places", "tiles/kansas"] {
        assert_eq!(line(&receipt, job)["generation"], line(&restored, job)["generation"]);
        assert_eq!(line(&receipt, job)["live"], true);
    }
    // A job that was never switched twice has nothing to go back to, and nothing is changed.
    let pointers = || fs::read_dir(bench.path(".coppice/dev/projections/live")).unwrap().count();
    let before = pointers();
    let refused = bench.receipt(1, &["rollback", "--only", "graph/kansas"]);
    assert!(with(&refused, "rolled-back").is_empty(), "{refused:#}");
    assert_eq!(pointers(), before);
}

/// Adds copies of jobs under new names; one of them is made of the places.
fn new_jobs(bench: &Bench) {
    let copy = |from: &str, to: &str, changes: &[(&str, &str)]| {
        let text = fs::read_to_string(bench.path("rebuild").join(from)).unwrap();
        let text = changes.iter().fold(text, |text, (from, to)| text.replace(from, to));
        fs::write(bench.path("rebuild").join(to), text).unwrap();
    };
    let table =
        [("name: postgis/places", "name: postgis/hamlets"), ("table: places", "table: hamlets")];
    copy("postgis/places.yaml", "postgis/hamlets.yaml", &table);
    let tiles = [("name: tiles/kansas", "name: tiles/second")];
    copy("tiles/kansas.yaml", "tiles/second.yaml", &tiles);
}

#[test]
fn what_was_first_live_with_what_goes_back_is_taken_down_and_can_come_again() {
    let (bench, restored) = restored();
    sorted(&bench);
    new_jobs(&bench);
    let rebuilt = bench.receipt(0, &["rebuild"]);
    let new = ["postgis/hamlets", "tiles/second"];
    for job in new {
        assert_eq!(line(&rebuilt, job)["live"], true, "{rebuilt:#}");
    }
    let states = |job: &str| {
        let all = bench.json(&[&["generations"][..], &PLAN].concat()).expect(0).json();
        let jobs = all["jobs"].as_array().unwrap().iter();
        let of = jobs.filter(|one| one["job"] == job).flat_map(|one| one["generations"].as_array());
        let states: Vec<_> =
            of.flatten().map(|one| one["state"].as_str().unwrap().to_owned()).collect();
        states
    };
    // Alone it has nothing to go back to, and nothing is changed.
    let dry = [&["rollback"][..], &PLAN, &["--only", "tiles/second", "--dry-run"]].concat();
    let refused = bench.run(&dry).expect(1).stdout;
    assert!(refused.contains("tiles/second has no former generation"), "{refused}");
    bench.receipt(1, &["rollback", "--only", "tiles/second"]);
    assert_eq!(states("tiles/second"), ["live"]);

    let dry = bench.run(&[&["rollback"][..], &PLAN, &["--dry-run"]].concat()).expect(0).stdout;
    assert!(dry.contains("is taken down"), "{dry}");
    let back = bench.run(&[&["rollback"][..], &PLAN].concat()).expect(0).stdout;
    assert!(back.contains("2 of 4 projections live"), "{back}");
    assert_eq!(back.matches("not live any more").count(), 2, "{back}");
    for job in new {
        assert_eq!(states(job), ["former"]);
    }
    let again = bench.receipt(0, &["rollback"]);
    for job in ["postgis/places", "tiles/kansas"].iter().chain(&new) {
        assert_eq!(line(&again, job)["generation"], line(&rebuilt, job)["generation"], "{again:#}");
        assert_eq!(line(&again, job)["live"], true);
    }
    assert_ne!(
        line(&again, "postgis/places")["generation"],
        line(&restored, "postgis/places")["generation"]
    );
}

#[test]
fn a_job_is_taken_out_of_service_before_it_leaves_the_plan_and_can_come_back() {
    let (bench, server) = on_a_server();
    bench.seal();
    bench.init();
    bench.receipt(0, &["restore"]);
    // What readers get: of the files by the pointer, of the tables by a view.
    let read = || {
        let there =
            server.sql("gis", "SELECT to_regclass('kansas_restricted.earthquakes') IS NOT NULL");
        (!pointer(&bench)["generations"]["search/kansas"].is_null(), there == "t")
    };
    assert_eq!(read(), (true, true));
    let needed = ["rollback", "--only", "postgis/places", "--take-down"];
    let needed = bench.run(&[&needed[..1], &PLAN, &needed[1..]].concat()).expect(1);
    let needed = format!("{}{}", needed.stdout, needed.stderr).replace('\n', " ");
    assert!(
        needed.contains("is made of it, or refers to it: ") && needed.contains("tiles/kansas"),
        "{needed}"
    );
    let down =
        ["rollback", "--only", "search/kansas", "--only", "postgis/earthquakes", "--take-down"];
    let dry = bench.run(&[&down[..1], &PLAN, &down[1..], &["--dry-run"]].concat()).expect(0).stdout;
    assert!(dry.contains("search/kansas") && dry.contains("is taken down"), "{dry}");
    assert_eq!(read(), (true, true), "a dry run took something down");
    let receipt = bench.receipt(0, &down);
    assert_eq!(receipt["outcome"], "recovered", "{receipt:#}");
    // It is not there for readers; what is in the plan is told to be gone.
    assert_eq!(read(), (false, false));
    let drift = bench.json(&[&["drift"], &PLAN[..]].concat()).expect(1).json();
    let gone = drift["jobs"].as_array().unwrap().iter().filter(|job| job["live"].is_null());
    assert_eq!(gone.count(), 2, "{drift:#}");
    // Taken out of the plan, nothing is left to tell; put back, it is live again without being built.
    let file = bench.path("rebuild/search/kansas.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let drift = bench.json(&[&["drift"], &PLAN[..]].concat()).expect(1).json();
    let jobs = drift["jobs"].as_array().unwrap();
    assert!(jobs.iter().all(|job| job["job"] != "search/kansas"), "{drift:#}");
    fs::write(&file, text).unwrap();
    let back = bench.receipt(0, &["rollback", "--only", "search/kansas"]);
    assert_eq!(back["projections"][0]["live"], true, "{back:#}");
    assert_eq!(read(), (true, false), "one job was asked for");
    bench.receipt(0, &["rebuild"]);
    assert_eq!(read(), (true, true));
    bench.json(&[&["drift"], &PLAN[..]].concat()).expect(0);
}
