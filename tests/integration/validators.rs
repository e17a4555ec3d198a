//! The fixture and what is sealed of it, held against validators that others wrote. Each is shown a
//! defect too: one that finds nothing there finds nothing at all.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::bench::{Bench, find, repository};

const VERSION: &str = "catalog/ks_populated_places/2026-02.d1c078f2";

/// Runs a check; gives what it counted, or what it found.
pub(crate) fn check(script: &str, args: &[String]) -> Result<Value, String> {
    let interpreter = repository().join("target/venv/bin/python");
    let program = repository().join("tests/python").join(script);
    let output = Command::new(&interpreter).arg("-B").arg(program).args(args).output();
    let output =
        output.unwrap_or_else(|e| panic!("{}: {e}; run `make setup`", interpreter.display()));
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{} has no {from}", file.display());
    fs::write(file, text.replace(from, to)).unwrap();
}

/// Runs a check on the fixture, then on one with each of these edits.
fn passes_and_finds(script: &str, edits: &[(&str, &str, &str, &str)]) -> Value {
    let bench = Bench::new();
    let origin = [bench.at("origin")];
    let counted = check(script, &origin).unwrap_or_else(|found| panic!("{found}"));
    for (path, from, to, said) in edits {
        let file = bench.path("origin").join(VERSION).join(path);
        let whole = fs::read(&file).unwrap();
        edit(&file, from, to);
        let found = check(script, &origin).expect_err(path);
        assert!(found.contains(said), "{path}: {from}: {found}");
        fs::write(file, whole).unwrap();
    }
    counted
}

#[test]
fn pystac_finds_every_document_valid() {
    let item = "stac/items/ks_populated_places.json";
    let counted = passes_and_finds(
        "stac.py",
        &[
            (item, "\"datetime\": null", "\"datetime\": 7", "7 is not of type"),
            (item, "\"file:size\": ", "\"file:size\": -", "less than the minimum of 0"),
            (item, "v1.2.0", "v9.9.9", "network"),
            ("stac/collection.json", "\"../dcat.jsonld\"", "\"../no.jsonld\"", "leads nowhere"),
        ],
    );
    assert_eq!(counted["items"], 14);
}

#[test]
fn rdflib_and_oxigraph_read_the_same_graphs() {
    let counted = passes_and_finds(
        "linked_data.py",
        &[
            ("dcat.jsonld", "artifacts/ks_populated", "artifacts/no", "from nowhere"),
            ("prov/bundle.jsonld", "\"@type\": \"prov:Activity\",", "", "not declared"),
            ("dcat.jsonld", "\"@context\"", "\"@context\": \"https://example.org/c\", \"_\"", ""),
        ],
    );
    assert!(counted["triples"].as_u64().unwrap() > 1000, "{counted}");
}

#[test]
fn the_catalog_keeps_its_shapes() {
    let counted = passes_and_finds(
        "shapes.py",
        &[
            ("dcat.jsonld", "dct:license", "dct:rights", "license"),
            ("dcat.jsonld", "\"public\"", "\"secret\"", "policy_label"),
            ("dcat.jsonld", "kfm://run/", "kfm://run/0", "wasGeneratedBy"),
            ("dcat.jsonld", "\"public\"", "\"embargoed\"", "Or"),
            ("prov/bundle.jsonld", "2026-02-11T06:34", "2026-02-11T06:31", "endedAtTime"),
        ],
    );
    assert_eq!(counted["versions"], 14);
}

/// Every document that says which schema an editor is to hold it against, by schema.
fn documents(root: &Path) -> BTreeMap<PathBuf, Vec<PathBuf>> {
    let mut by_schema = BTreeMap::new();
    let mut folders = vec![root.join("plans"), root.join("rebuild")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "yaml") {
                let text = fs::read_to_string(&path).unwrap();
                let first = text.lines().next().unwrap();
                let schema = first.strip_prefix("# yaml-language-server: $schema=");
                let schema = schema.unwrap_or_else(|| panic!("{} names none", path.display()));
                let schema = fs::canonicalize(path.parent().unwrap().join(schema)).unwrap();
                by_schema.entry(schema).or_insert_with(Vec::new).push(path);
            }
        }
    }
    by_schema
}

/// Holds YAML against a schema as an editor would; gives what it says where that is something.
fn hold(schema: &Path, files: &[PathBuf]) -> Result<(), String> {
    let program = repository().join("target/venv/bin/check-jsonschema");
    let output = Command::new(&program).arg("--schemafile").arg(schema).args(files).output();
    let output = output.unwrap_or_else(|e| panic!("{}: {e}; run `make setup`", program.display()));
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said) }
}

#[test]
fn an_editor_finds_our_yaml_right_and_its_slips_wrong() {
    let by_schema = documents(repository());
    assert_eq!(by_schema.values().map(Vec::len).collect::<Vec<_>>(), [15, 3]);
    for (schema, files) in &by_schema {
        hold(schema, files).unwrap_or_else(|found| panic!("{found}"));
    }
    let bench = Bench::new();
    let schema = |name: &str| repository().join(format!("schemas/{name}.schema.json"));
    for (file, schema, from, to, said) in [
        ("plans/kansas.yaml", schema("recovery-plan"), "rto: 30m", "rto: soon", "soon"),
        ("plans/kansas.yaml", schema("recovery-plan"), "env:COPPICE_STAGE", "hunter", "hunter"),
        ("plans/kansas.yaml", schema("recovery-plan"), "cutover: proven", "cutovr: all", "cutovr"),
        ("rebuild/postgis/places.yaml", schema("rebuild-job"), "type: bigint", "type: big", "big"),
    ] {
        let path = bench.path(file);
        let whole = fs::read(&path).unwrap();
        edit(&path, from, to);
        let found = hold(&schema, std::slice::from_ref(&path)).expect_err(to);
        assert!(found.contains(said), "{to}: {found}");
        fs::write(path, whole).unwrap();
    }
}

#[test]
fn every_digest_of_a_snapshot_is_that_of_its_bytes() {
    let bench = Bench::new();
    let sealed = bench.seal();
    let args = [bench.at("origin"), bench.at(".coppice/dev/backup")];
    let counted = check("digests.py", &args).unwrap_or_else(|found| panic!("{found}"));
    assert_eq!(counted["objects"], sealed["objects"]);
    assert!(counted["checked"].as_u64().unwrap() > 1500, "{counted}");

    let mut blobs = Vec::new();
    find(&bench.path("origin"), "us_flight_airports.csv", &mut blobs);
    for file in blobs {
        edit(&file, "DEN", "DEM");
    }
    let found = check("digests.py", &args).expect_err("altered objects");
    for place in
        ["in the store", "checksums.json", "run_receipt.json", "stac/items", "manifest.json"]
    {
        assert!(found.contains(place), "{place}: {found}");
    }
}
