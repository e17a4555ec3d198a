//! Whether what is live is still what the canonical data say, and what each target holds.

use std::fs;

use serde_json::Value;

use crate::bench::{Bench, files, find};

fn drift(bench: &Bench, code: i32, more: &[&str]) -> Value {
    let command = ["drift", "plans/kansas.yaml", "--env", "dev"];
    bench.json(&[&command[..], more].concat()).expect(code).json()
}

fn differs(drift: &Value) -> Vec<(&str, String)> {
    let jobs = drift["jobs"].as_array().unwrap().iter();
    let said =
        |job: &Value| job["differs"].as_array().unwrap().iter().map(Value::to_string).collect();
    let all = jobs.map(|job| (job["job"].as_str().unwrap(), said(job)));
    all.filter(|(_, said): &(&str, String)| !said.is_empty()).collect()
}

fn states(bench: &Bench, job: &str) -> Vec<String> {
    let command = ["generations", "plans/kansas.yaml", "--env", "dev"];
    let listed = bench.json(&command).expect(0).json();
    let of = listed["jobs"].as_array().unwrap().iter().find(|of| of["job"] == job).unwrap();
    let states = of["generations"].as_array().unwrap().iter();
    states.map(|line| line["state"].as_str().unwrap().to_owned()).collect()
}

fn change(bench: &Bench, query: &str, order: &str) {
    let sql = bench.path("rebuild/postgis").join(query);
    let text = fs::read_to_string(&sql).unwrap();
    let select = text.split("\nORDER BY").next().unwrap().trim_end();
    fs::write(&sql, format!("{select}\nORDER BY {order}\n")).unwrap();
}

#[test]
fn what_changed_since_it_was_built_is_named_and_a_rebuild_ends_it() {
    let bench = Bench::new();
    bench.seal();
    // Nothing was recovered yet: no look makes a server.
    drift(&bench, 1, &[]);
    assert!(!bench.path(".coppice/dev/canonical").exists());
    bench.init();
    bench.receipt(0, &["restore"]);
    let stores =
        || ["canonical", "projections"].map(|of| files(&bench.path(".coppice/dev").join(of)));
    let before = stores();
    let whole = drift(&bench, 0, &["--deep"]);
    assert_eq!((whole["ok"].as_bool(), differs(&whole)), (Some(true), vec![]), "{whole:#}");
    for job in whole["jobs"].as_array().unwrap() {
        assert_eq!(job["live"], job["expected"], "{job:#}");
        assert_eq!(job["rows_found"], job["rows_recorded"], "{job:#}");
        assert_eq!(job["digest_found"], job["digest_recorded"], "{job:#}");
    }
    assert_eq!(states(&bench, "postgis/places"), ["live"]);

    change(&bench, "places.sql", "1");
    let changed = drift(&bench, 1, &[]);
    let found = differs(&changed);
    let jobs: Vec<_> = found.iter().map(|(job, _)| *job).collect();
    assert_eq!(jobs, ["postgis/places", "tiles/kansas"], "{changed:#}");
    assert!(found[0].1.contains("its query changed"), "{found:?}");
    assert!(found[1].1.contains("its inputs changed"), "{found:?}");
    let text = bench.run(&["drift", "plans/kansas.yaml", "--env", "dev"]).expect(1).stdout;
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(stores(), before, "a look changed something");

    bench.receipt(0, &["rebuild", "--only", "postgis/places"]);
    drift(&bench, 0, &[]);
    assert_eq!(states(&bench, "postgis/places"), ["live", "former"]);
    let text = bench.run(&["generations", "plans/kansas.yaml", "--env", "dev"]).expect(0).stdout;
    assert!(text.contains("former"), "{text}");
}

#[test]
fn what_was_written_to_behind_our_back_is_found_by_reading_it_back() {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    bench.receipt(0, &["restore"]);
    let mut archives = Vec::new();
    find(&bench.path(".coppice/dev/projections"), "graph.nq.zst", &mut archives);
    let archive = archives.first().expect("no published graph");
    let mut bytes = fs::read(archive).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(archive, bytes).unwrap();
    let found = drift(&bench, 1, &["--deep"]);
    let jobs: Vec<_> = differs(&found).iter().map(|(job, _)| (*job).to_owned()).collect();
    assert_eq!(jobs, ["graph/kansas"], "{found:#}");
}

#[test]
fn what_is_live_and_has_no_job_any_more_is_told() {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    let receipt = bench.receipt(0, &["restore"]);
    let live = |job: &str| {
        let lines = receipt["projections"].as_array().unwrap();
        lines.iter().find(|line| line["job"] == job).unwrap()["generation"].clone()
    };
    for job in ["postgis/earthquakes", "search/kansas"] {
        fs::remove_file(bench.path(&format!("rebuild/{job}.yaml"))).unwrap();
    }
    let found = drift(&bench, 1, &["--deep"]);
    let told =
        [("postgis/earthquakes", "in the database"), ("search/kansas", "in the projections")];
    let said = differs(&found);
    assert_eq!(said.len(), told.len(), "{found:#}");
    for ((job, said), (wanted, place)) in said.iter().zip(told) {
        assert_eq!(*job, wanted);
        assert!(said.contains(place) && said.contains("no job of the plan"), "{said}");
        let jobs = found["jobs"].as_array().unwrap();
        let of = jobs.iter().find(|of| of["job"] == wanted).unwrap();
        assert_eq!((&of["live"], &of["expected"]), (&live(wanted), &Value::Null), "{of:#}");
        assert_eq!(of["run_id"], receipt["run_id"], "{of:#}");
        assert_eq!(states(&bench, wanted), ["live"]);
    }
    let text = bench.run(&["drift", "plans/kansas.yaml", "--env", "dev"]).expect(1).stdout;
    assert!(!text.contains("coppice rebuild"), "no job builds it: {text}");
    assert!(text.contains("--take-down"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    // A plan that is about some jobs alone says nothing of the others.
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    let only = "  jobs: ../rebuild\n  only: [postgis/places]\n";
    fs::write(&plan, text.replace("  jobs: ../rebuild\n", only)).unwrap();
    drift(&bench, 0, &[]);
}
