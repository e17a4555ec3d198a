//! Whether what is live is still what the canonical data say, and what each target holds.

use std::fs;

use serde_json::Value;

use crate::bench::{Bench, files, find};
use crate::server::Server;

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

/// A bench whose `dev` has its tables on a server that a test can ask by SQL, in `gis`.
pub(crate) fn on_a_server() -> (Bench, Server) {
    let (mut bench, server) = (Bench::new(), Server::start());
    bench.set("GIS", &server.database("gis"));
    server.sql("gis", "CREATE EXTENSION postgis");
    bench.edit("plans/kansas.yaml", "private: {}", "server: { secret: env:GIS }");
    (bench, server)
}

/// Demands that these jobs differ, and no others, in these words.
#[track_caller]
fn told(drift: &Value, wanted: &[(&str, &str)]) {
    let said = differs(drift);
    assert_eq!(said.len(), wanted.len(), "{drift:#}");
    for ((job, said), (of, words)) in said.iter().zip(wanted) {
        assert!(job == of && said.contains(*words), "{drift:#}");
    }
}

/// The table of the generation that a receipt says is live.
fn table(receipt: &Value, name: &str) -> String {
    let lines = receipt["projections"].as_array().unwrap();
    let line = lines.iter().find(|line| line["job"] == format!("postgis/{name}")).unwrap();
    let generation = line["generation"].as_str().unwrap().trim_start_matches("blake3:");
    format!("coppice_{}.{name}", &generation[..16])
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
fn what_was_taken_out_of_the_database_behind_our_back_is_seen_without_reading_it_back() {
    let (bench, server) = on_a_server();
    bench.seal();
    bench.init();
    let receipt = bench.receipt(0, &["restore"]);
    drift(&bench, 0, &[]);
    let after = |statement: &str, wanted: &[(&str, &str)]| {
        server.sql("gis", statement);
        let found = drift(&bench, 1, &[]);
        told(&found, wanted);
        found
    };
    // A row of what is live.
    let (earthquakes, warnings) = (table(&receipt, "earthquakes"), table(&receipt, "warnings"));
    let one = format!("SELECT ctid FROM {earthquakes} LIMIT 1");
    let rows = ("postgis/earthquakes", "11 rows are there, 12 were proven");
    let found = after(&format!("DELETE FROM {earthquakes} WHERE ctid = ({one})"), &[rows]);
    let jobs = found["jobs"].as_array().unwrap();
    let line = jobs.iter().find(|line| line["job"] == rows.0).unwrap();
    assert_eq!((&line["rows_found"], &line["rows_recorded"]), (&11.into(), &12.into()), "{line:#}");
    let text = bench.run(&["drift", "plans/kansas.yaml", "--env", "dev"]).expect(1).stdout;
    assert!(text.contains(rows.1) && text.contains("1 of 15 jobs drifted"), "{text}");
    // The name by which readers get it; and the table itself.
    let unseen = ("postgis/airports", "readers are not shown what the record says is live");
    after("DROP VIEW kansas.airports", &[unseen, rows]);
    let gone = ("postgis/warnings", "what should be live is gone");
    after(&format!("DROP TABLE {warnings} CASCADE"), &[unseen, rows, gone]);
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
    // A command is not broken, however long it is.
    let mut words = text.lines().filter(|line| !line.trim_start().starts_with("coppice "));
    assert!(words.all(|line| line.chars().count() <= 80), "{text}");
    // A plan that is about some jobs alone says nothing of the others.
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    let only = "  jobs: ../rebuild\n  only: [postgis/places]\n";
    fs::write(&plan, text.replace("  jobs: ../rebuild\n", only)).unwrap();
    drift(&bench, 0, &[]);
}
