//! Restore, rebuild and rollback on the environment's own targets, read by others' readers.

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::bench::{Bench, ERASED, erased, files, find, find_all, found, python};

/// An object in a place that may change.
const DRAFT: &str = "work/ks_populated_places/entwürfe und notes/Ortsnamen 2026 + alt.csv";
/// An object that is written once.
const SOURCE: &str = "raw/ks_airports/20260210T060600Z/artifacts/ks_airports.geojson";

fn restored() -> (Bench, Value) {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    let receipt = bench.receipt(0, &["restore"]);
    (bench, receipt)
}

fn outcomes(receipt: &Value) -> Vec<(String, String)> {
    let mut all: Vec<_> = receipt["projections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| {
            let text = |name: &str| p[name].as_str().unwrap_or_default().to_owned();
            (text("job"), text("outcome"))
        })
        .collect();
    all.sort();
    all
}

/// The published file of a job's live generation.
fn published(bench: &Bench, receipt: &Value, job: &str, name: &str) -> PathBuf {
    let projections = receipt["projections"].as_array().unwrap();
    let projection = projections.iter().find(|p| p["job"] == job).unwrap();
    let generation = projection["generation"].as_str().unwrap().trim_start_matches("blake3:");
    let root = bench.path(".coppice/dev/projections/generations").join(job);
    let mut found = Vec::new();
    find(&root, name, &mut found);
    found.retain(|path| path.to_string_lossy().contains(generation));
    assert_eq!(found.len(), 1, "{name} below {}", root.display());
    found.remove(0)
}

#[test]
fn a_restore_is_whole_and_a_second_one_changes_nothing() {
    let (bench, first) = restored();
    assert_eq!(first["outcome"], "recovered");
    assert_eq!(found(&first), erased());
    let restored = files(&bench.canonical());
    let mut sealed = files(&bench.path("origin"));
    assert!(sealed.remove(ERASED).is_some() && !restored.contains_key(ERASED));
    for (key, bytes) in sealed.iter().filter(|(key, _)| !key.starts_with("audit/ledger/heads/")) {
        assert!(restored.get(key) == Some(bytes), "{key} was not restored byte for byte");
    }
    let against = ["verify", ".coppice/dev/canonical", "--against", ".coppice/dev/backup"];
    let against = [&against[..], &["--plan", "plans/kansas.yaml", "--env", "dev"]].concat();
    assert_eq!(found(&bench.json(&against).expect(1).json()), erased());
    let second = bench.receipt(0, &["restore"]);
    for (job, outcome) in outcomes(&second) {
        assert_eq!(outcome, "unchanged", "{job}");
    }
    // The ledger grew by one record each, and its chain is whole.
    let ledger = second["gates"].as_array().unwrap().iter().find(|g| g["id"] == "ledger").unwrap();
    assert_eq!(ledger["open"], true);
}

#[test]
fn an_independent_reader_reads_the_tiles() {
    let (bench, receipt) = restored();
    let archive = published(&bench, &receipt, "tiles/kansas", "tiles.pmtiles");
    let read = python(
        r#"
import gzip, json, sys
import mapbox_vector_tile
from pmtiles.reader import Reader, MmapSource, all_tiles
with open(sys.argv[1], "rb") as f:
    source = MmapSource(f)
    reader = Reader(source)
    header, metadata = reader.header(), reader.metadata()
    def decode(data):
        return mapbox_vector_tile.decode(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    tiles = list(all_tiles(source))
    ids = set()
    for (z, x, y), data in tiles:
        if z == header["max_zoom"]:
            for feature in decode(data).get("counties", {"features": []})["features"]:
                ids.add(feature["properties"]["geoid"])
    zero = decode(reader.get(0, 0, 0))
    print(json.dumps({"tiles": len(tiles), "clustered": header["clustered"],
        "version": header["version"], "max_zoom": header["max_zoom"],
        "west": header["min_lon_e7"] / 1e7, "north": header["max_lat_e7"] / 1e7,
        "layers": sorted(l["id"] for l in metadata["vector_layers"]),
        "attribution": metadata.get("attribution"), "counties": len(ids),
        "zero": sorted(zero)}))
"#,
        &[&archive.display().to_string()],
    );
    assert_eq!(read["version"], 3, "{read:#}");
    assert_eq!(read["clustered"], true);
    assert_eq!(
        read["layers"],
        serde_json::json!(["airports", "counties", "places", "routes", "zipcodes"])
    );
    assert_eq!(read["counties"], 105, "every county is at the highest zoom");
    assert!(read["tiles"].as_u64().unwrap() > 30, "{read:#}");
    // The route to Phoenix reaches farther than the state.
    assert!((read["west"].as_f64().unwrap() + 112.01).abs() < 0.1, "{read:#}");
    assert!(read["attribution"].as_str().is_some_and(|a| !a.is_empty()));
}

#[test]
fn an_independent_store_answers_the_graph() {
    let (bench, receipt) = restored();
    let file = published(&bench, &receipt, "graph/kansas", "graph.nq.zst");
    let plain = bench.path("graph.nq");
    let bytes = zstd::decode_all(fs::File::open(file).unwrap()).unwrap();
    fs::write(&plain, &bytes).unwrap();
    let lines: Vec<_> = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
    assert!(lines.is_sorted(), "the quads are not sorted");
    assert!(!lines.iter().any(|line| line.starts_with(b"_:")), "a blank node was left");
    let answer = python(
        r#"
import json, sys
import pyoxigraph as ox
store = ox.Store()
store.load(path=sys.argv[1], format=ox.RdfFormat.N_QUADS)
rows = store.query("""
SELECT DISTINCT ?name WHERE {
  GRAPH ?g { ?place ?in ?county . ?county ?label "Sedgwick" . ?place ?label ?name }
  FILTER(CONTAINS(LCASE(STR(?in)), "county"))
} ORDER BY ?name""")
print(json.dumps({"quads": len(store), "places": [r["name"].value for r in rows]}))
"#,
        &[&plain.display().to_string()],
    );
    let places = answer["places"].to_string();
    assert!(places.contains("Wichita") && !places.contains("Topeka"), "{answer:#}");
}

#[test]
fn a_changed_job_is_rebuilt_with_its_dependants_and_rolled_back() {
    let (bench, before) = restored();
    let untouched = bench.receipt(0, &["rebuild"]);
    assert!(
        outcomes(&untouched).iter().all(|(_, outcome)| outcome == "unchanged"),
        "{untouched:#}"
    );

    // A migration: the places get another column order through another query.
    let sql = bench.path("rebuild/postgis/places.sql");
    let text = fs::read_to_string(&sql).unwrap();
    fs::write(&sql, format!("{text}\nORDER BY 1\n")).unwrap();
    let rebuilt = bench.receipt(0, &["rebuild", "--only", "postgis/places"]);
    let changed: Vec<_> = outcomes(&rebuilt);
    assert_eq!(
        changed
            .iter()
            .filter(|(_, outcome)| outcome == "rebuilt")
            .map(|(job, _)| job.as_str())
            .collect::<Vec<_>>(),
        ["postgis/places", "tiles/kansas"],
        "the job and what depends on it"
    );

    let live = |receipt: &Value, job: &str| {
        let all = receipt["projections"].as_array().unwrap();
        all.iter().find(|p| p["job"] == job).map(|p| p["generation"].clone())
    };
    assert_ne!(live(&rebuilt, "postgis/places"), live(&before, "postgis/places"));
    let back = bench.receipt(0, &["rollback", "--only", "postgis/places"]);
    assert_eq!(live(&back, "postgis/places"), live(&before, "postgis/places"), "{back:#}");
    assert_eq!(live(&back, "tiles/kansas"), live(&before, "tiles/kansas"));
}

#[test]
fn an_altered_artifact_in_place_stops_a_rebuild_of_what_reads_it() {
    let (bench, _) = restored();
    let mut found = Vec::new();
    find(&bench.canonical(), "ks_populated_places.parquet", &mut found);
    let file = found.iter().find(|p| p.to_string_lossy().contains("processed")).unwrap();
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).unwrap();
    let receipt = bench.receipt(1, &["rebuild", "--reprove"]);
    let blocked: Vec<_> = outcomes(&receipt)
        .into_iter()
        .filter(|(_, outcome)| outcome == "blocked")
        .map(|(job, _)| job)
        .collect();
    assert_eq!(blocked, ["graph/kansas", "postgis/places", "search/kansas", "tiles/kansas"]);
}

/// Puts other content under a key of the target.
fn put(bench: &Bench, key: &str, content: &str) -> PathBuf {
    let there = bench.canonical().join(key);
    fs::create_dir_all(there.parent().unwrap()).unwrap();
    fs::write(&there, content).unwrap();
    there
}

#[test]
fn other_content_in_a_place_that_may_change_stops_a_restore_before_it_writes() {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    let there = put(&bench, DRAFT, "newer than the snapshot");
    let restore = ["restore", "plans/kansas.yaml", "--env", "dev"];
    let refused = bench.json(&restore).expect(1).json();
    assert!(refused["error"]["hint"].as_str().unwrap().contains("--existing"), "{refused:#}");
    assert!(!bench.canonical().join("processed").exists(), "something was written");

    bench.receipt(0, &["restore", "--existing", "replace"]);
    let sealed = fs::read(bench.path("origin").join(DRAFT)).unwrap();
    assert_eq!(fs::read(&there).unwrap(), sealed);
    let mut aside = Vec::new();
    find(&bench.canonical().join(".coppice/displaced"), "Ortsnamen 2026 + alt.csv", &mut aside);
    assert_eq!(aside.len(), 1, "the former content was not copied aside");
}

#[test]
fn other_content_stays_where_it_is_to_be_kept_and_only_in_a_place_that_may_change() {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    let newer = "newer than the snapshot";
    let draft = put(&bench, DRAFT, newer);
    let source = put(&bench, SOURCE, "rotten");
    let restore = ["restore", "plans/kansas.yaml", "--env", "dev", "--existing", "keep"];
    let ended = bench.json(&restore);
    let predicate = ended.json()["predicate"].clone();
    assert_eq!(fs::read_to_string(&draft).unwrap(), newer);
    let sealed = fs::read(bench.path("origin").join(SOURCE)).unwrap();
    assert_eq!(fs::read(&source).unwrap(), sealed, "what is written once was kept as it was");
    // Only that was put aside.
    let aside = find_all(&bench.canonical().join(".coppice/displaced"));
    let of_source = |path: &PathBuf| path.ends_with(SOURCE);
    assert!(aside.len() == 1 && aside.iter().all(of_source), "{aside:?}");
    let restored = &predicate["restored"];
    assert_eq!(restored["kept"], 1, "{restored:#}");
    assert_eq!(restored["displaced"], 1, "{restored:#}");
    // It is as somebody wanted it, so nothing is lacking.
    assert_eq!(predicate["outcome"], "recovered", "{predicate:#}");
    ended.expect(0);
}

#[test]
fn what_was_lost_is_counted_from_the_incident_and_not_from_the_run() {
    let bench = Bench::new();
    bench.edit("plans/kansas.yaml", "rpo: 24h", "rpo: 1s");
    let time = |of: &Value| of.as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    let incident = time(&bench.seal()["as_of"]) + TimeDelta::seconds(1);
    bench.init();
    // The run starts when more would be lost than is allowed.
    sleep(Duration::from_secs(2));
    let given = bench.receipt(0, &["restore", "--incident-at", &incident.to_rfc3339()]);
    let of = &given["objectives"];
    assert_eq!((&of["incident_source"], time(&of["incident_at"])), (&"given".into(), incident));
    assert_eq!(of["rpo_actual_seconds"], 1, "{of:#}");
    assert_eq!(of["met"], true, "{of:#}");
    // Readers went without since the incident; the promise of a recovery counts from its start.
    let (since, rto) = (&of["since_incident_seconds"], &of["rto_actual_seconds"]);
    assert!(since.as_u64().unwrap() > rto.as_u64().unwrap(), "{of:#}");

    let unsaid = bench.receipt(3, &["restore"]);
    let of = &unsaid["objectives"];
    let at = (&of["incident_source"], &of["incident_at"]);
    assert_eq!(at, (&"run-start".into(), &unsaid["started_at"]), "{of:#}");
    assert!(of["rpo_actual_seconds"].as_u64().unwrap() > 2, "{of:#}");
    assert_eq!(of["met"], false);
}

#[test]
fn a_damaged_release_is_replaced_where_that_is_asked_for() {
    let (bench, _) = restored();
    let releases = bench.canonical().join("releases");
    let one = releases.join(files(&releases).into_keys().next().unwrap());
    let sealed = fs::read(&one).unwrap();
    fs::write(&one, b"{ torn").unwrap();
    let conflict = bench.json(&["restore", "plans/kansas.yaml", "--env", "dev"]).expect(1);
    assert_eq!(fs::read(&one).unwrap(), b"{ torn", "{}", conflict.stdout);
    let receipt = bench.receipt(0, &["restore", "--existing", "replace"]);
    assert_eq!(receipt["outcome"], "recovered", "{receipt:#}");
    assert_eq!(fs::read(&one).unwrap(), sealed);
}

#[test]
fn slips_of_a_dataset_of_a_time_and_of_a_run_are_told() {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    let restore = |more: &[&str]| {
        bench.run(&[&["restore", "plans/kansas.yaml", "--env", "dev", "--dry-run"], more].concat())
    };
    let slip = restore(&["--dataset", "ks_countie"]).expect(2).stderr;
    assert!(slip.contains("did you mean `ks_counties`?"), "{slip}");
    restore(&["--dataset", "ks_counties"]).expect(0);
    let late = restore(&["--incident-at", "2026-01-01T00:00:00Z"]).expect(0).stderr;
    assert!(late.contains("may hold the damage"), "{late}");
    let soon = restore(&["--incident-at", "2999-01-01T00:00:00Z"]).expect(0).stderr;
    assert!(!soon.contains("may hold the damage"), "{soon}");
    let time = restore(&["--as-of", "2026-11-24"]).expect(2).stderr;
    assert!(time.contains("2026-11-24T02:10:00Z"), "{time}");
    let run = bench.run(&["resume", "0190"]).expect(2).stderr;
    assert!(run.contains("as `coppice runs` lists it"), "{run}");
}

#[test]
fn a_query_that_cannot_be_planned_is_told_in_the_words_of_its_engine() {
    let (bench, _) = restored();
    let sql = bench.path("rebuild/postgis/places.sql");
    let text = fs::read_to_string(&sql).unwrap();
    fs::write(&sql, text.replacen("SELECT", "SELECT no_such_column,", 1)).unwrap();
    let receipt = bench.receipt(1, &["rebuild", "--only", "postgis/places"]);
    let steps = receipt["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["id"] == "rebuild/postgis/places").unwrap();
    let message = step["failure"]["message"].as_str().unwrap();
    assert!(message.contains("no_such_column"), "{message}");
}
