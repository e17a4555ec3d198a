//! Rows that cannot be read as declared, and rows that are not what a job expects: named and
//! counted, never dropped in silence.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::bench::{Bench, example};

/// Six rows that are right, two that can be repaired, one off the map and one that is cut off.
const FIELDS: &str = r#"id,name,note,wkt
F1,North,dry,"POLYGON((-98 38,-97.9 38,-97.9 38.1,-98 38.1,-98 38))"
F2,South,,"POLYGON((-98 37,-97.9 37,-97.9 37.1,-98 37.1,-98 37))"
F3,East,wet,"POLYGON((-97 38,-96.9 38,-96.9 38.1,-97 38.1,-97 38))"
F4,West,wet,"POLYGON((-99 38,-98.9 38,-98.9 38.1,-99 38.1,-99 38))"
F5,West,dry,"POLYGON((-99 39,-98.9 39,-98.9 39.1,-99 39.1,-99 39))"
F6,Middle,dry,"POLYGON((-98 38.5,-97.9 38.5,-97.9 38.6,-98 38.6,-98 38.5))"
F7,Crossed,dry,"POLYGON((-98 37.5,-97.9 37.6,-97.9 37.5,-98 37.6,-98 37.5))"
F8,Open,dry,"POLYGON((-97 37.5,-96.9 37.5,-96.9 37.6,-97 37.6))"
F9,Away,dry,"POLYGON((-97 95,-96.9 95,-96.9 95.1,-97 95.1,-97 95))"
F10,Torn
"#;

/// A dataset of which the catalog counts one row more than there are.
const SHORT: &str = "id,name\nS1,one\nS2,two\nS3,three\n";

/// The jobs: a name, the dataset, what becomes of bad rows, what is expected, and the query.
const JOBS: [(&str, &str, &str, &str, &str); 12] = [
    ("refused", "ks_fields", "refuse", "{}", ALL),
    ("skipped", "ks_fields", "{skip: {max_rows: 4}}", "{}", ALL),
    ("beyond", "ks_fields", "{skip: {max_fraction: 0.3}}", "{}", ALL),
    ("repaired", "ks_fields", "{repair: {skip: {max_rows: 2}}}", "{}", ALL),
    ("unrepaired", "ks_fields", "{repair: {}}", "{}", ALL),
    ("expected", "ks_fields", SKIP, EXPECTED, ALL),
    ("doubled", "ks_fields", SKIP, "{unique: [name]}", ALL),
    ("without", "ks_fields", SKIP, "{not_null: [note]}", ALL),
    ("many", "ks_fields", SKIP, "{max_rows: 5}", ALL),
    ("outside", "ks_fields", SKIP, "{extent: [-98.5, 36, -96, 40]}", ALL),
    ("empty", "ks_fields", SKIP, "{}", "SELECT id, name, note, geometry FROM t WHERE id = 'F0'"),
    ("short", "ks_short", "refuse", "{}", "SELECT id, name, name AS note, NULL AS geometry FROM t"),
];
const ALL: &str = "SELECT id, name, NULLIF(note, '') AS note, geometry FROM t";
const SKIP: &str = "{skip: {max_rows: 4}}";
const EXPECTED: &str =
    "{min_rows: 6, max_rows: 6, unique: [id], not_null: [name], extent: [-99.5, 36, -96, 40]}";

/// A platform of the two datasets, sealed, and the jobs in the place of the plan's.
fn bench() -> Bench {
    let bench = Bench::new();
    let sources = bench.path("sources");
    fs::create_dir(&sources).unwrap();
    fs::write(sources.join("ks_fields.csv"), FIELDS).unwrap();
    fs::write(sources.join("ks_short.csv"), SHORT).unwrap();
    let fields = ["id", "name", "note", "wkt"];
    let datasets = [described("ks_fields", 10, &fields), described("ks_short", 4, &fields[..2])];
    fs::write(sources.join("datasets.json"), json!(datasets).to_string()).unwrap();
    let mut generator = Command::new(example("kansas"));
    generator.arg("--out").arg(bench.path("made")).arg("--sources").arg(&sources);
    assert!(generator.status().unwrap().success());
    fs::remove_dir_all(bench.path("rebuild")).unwrap();
    fs::create_dir_all(bench.path("rebuild/postgis")).unwrap();
    for (name, dataset, on_bad_row, expect, query) in JOBS {
        let read = match dataset {
            "ks_fields" => "{ crs: 'OGC:CRS84', geometry: { wkt: wkt } }",
            _ => "{}",
        };
        let job = format!(
            "apiVersion: coppice/v1\nkind: RebuildJob\nmetadata: {{ name: postgis/{name} }}\n\
             spec:\n  inputs:\n    - {{ dataset: {dataset}, as: t, read: {read} }}\n  \
             query: \"{query}\"\n  on_bad_row: {on_bad_row}\n  expect: {expect}\n  sink:\n    \
             postgis:\n      schema: kansas\n      table: {name}\n      columns:\n        \
             - {{ name: id, type: text }}\n        - {{ name: name, type: text }}\n        \
             - {{ name: note, type: text }}\n        \
             - {{ name: geometry, type: geometry, srid: 4326 }}\n"
        );
        fs::write(bench.path(&format!("rebuild/postgis/{name}.yaml")), job).unwrap();
    }
    bench.try_to_seal_from("made").expect(0);
    bench
}

fn described(name: &str, rows: usize, columns: &[&str]) -> Value {
    let columns: Vec<_> = columns.iter().map(|column| json!([column, "string"])).collect();
    json!({
        "name": name, "title": name, "description": name, "keywords": ["Kansas"],
        "license": ["CC0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/"],
        "source": "made for a test", "time": ["2026-02-10T00:00:00Z", "2026-02-10T23:59:59Z"],
        "minutes": if name == "ks_short" { 3 } else { 0 },
        "acquired": format!("{name}.csv"), "published": [format!("{name}.csv")],
        "columns": columns, "rows": rows, "bbox": [-102.1, 36.9, -94.5, 40.1],
    })
}

#[test]
fn no_row_is_dropped_in_silence() {
    let bench = bench();
    let receipt = bench.receipt(1, &["rehearse"]);
    assert_eq!(receipt["outcome"], "partial", "{receipt:#}");
    let jobs: BTreeMap<&str, &Value> = receipt["projections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["job"].as_str().unwrap().strip_prefix("postgis/").unwrap(), p))
        .collect();

    // What was read and what was refused are all that the catalog counts.
    for (name, rows, refused, repaired) in
        [("skipped", 6, 4, 0), ("repaired", 8, 2, 2), ("expected", 6, 4, 0)]
    {
        let job = jobs[name];
        assert_eq!(job["outcome"], "rebuilt", "{name}: {receipt:#}");
        assert_eq!((&job["live"], &job["proven"]), (&json!(true), &json!(true)), "{name}");
        assert_eq!(job["rows"], rows, "{name}");
        let read = &job["inputs"][0];
        assert_eq!(read["dataset"], "ks_fields", "{name}: {job:#}");
        assert_eq!(read["rows"], rows, "{name}: {job:#}");
        assert_eq!(read["refused"], refused, "{name}: {job:#}");
        assert_eq!(read["repaired"], repaired, "{name}: {job:#}");
    }

    // All others say why they are not there.
    let steps = receipt["steps"].as_array().unwrap();
    let findings = receipt["findings"].as_array().unwrap();
    for (name, why) in [
        ("refused", "is not what the catalog says"),
        ("beyond", "is not what the catalog says"),
        ("unrepaired", "is not what the catalog says"),
        ("short", "is not what the catalog says"),
        ("doubled", "has 1 rows that repeat another's `name`"),
        ("without", "has 1 rows without `note`"),
        ("many", "came out with 6 rows, more than it expects"),
        ("outside", "has geometries outside -98.5,36,-96,40"),
        ("empty", "came out empty"),
    ] {
        assert_eq!(jobs[name]["outcome"], "failed", "{name}: {receipt:#}");
        assert_eq!(jobs[name]["live"], false, "{name}");
        let id = format!("rebuild/postgis/{name}");
        let step = steps.iter().find(|step| step["id"] == id.as_str()).unwrap();
        let failure = &step["failure"];
        assert!(failure["message"].as_str().unwrap().contains(why), "{name}: {failure:#}");
        assert_ne!(failure["hint"], Value::Null, "{name}");
    }
    let blocking = |kind: &str, job: &str| {
        let of_job = |f: &&Value| {
            f["severity"] == "blocks" && f["kind"] == kind && f["blocks"].to_string().contains(job)
        };
        findings.iter().find(of_job).unwrap_or_else(|| panic!("{kind} {job}: {findings:#?}"))
    };
    for job in ["postgis/refused", "postgis/beyond", "postgis/unrepaired"] {
        let finding = blocking("rows-refused", job);
        assert!(finding["key"].as_str().unwrap().ends_with("artifacts/ks_fields.csv"));
    }
    let actual = blocking("rows-refused", "postgis/refused")["actual"].clone();
    let actual = actual.as_str().unwrap();
    assert!(actual.starts_with("4 of 10 rows: "), "{actual}");
    for defect in ["malformed-row 1 (row 10)", "off-the-map 1 (row 9)", "unclosed-ring 1 (row 8)"] {
        assert!(actual.contains(defect), "{actual}");
    }
    let counted = findings.iter().find(|f| f["kind"] == "count-mismatch").unwrap();
    assert_eq!((&counted["expected"], &counted["actual"]), (&json!("4"), &json!("3")));
    // What a job allows is told all the same.
    let warned: Vec<_> = findings
        .iter()
        .filter(|f| f["severity"] == "warns")
        .map(|f| (f["kind"].as_str().unwrap(), f["actual"].as_str().unwrap()))
        .collect();
    let told =
        |kind: &str, start: &str| warned.iter().any(|w| w.0 == kind && w.1.starts_with(start));
    assert!(told("rows-refused", "4 of 10 rows"), "{warned:?}");
    assert!(told("rows-refused", "2 of 10 rows"), "{warned:?}");
    assert!(told("rows-repaired", "2 of 10 rows"), "{warned:?}");
}
