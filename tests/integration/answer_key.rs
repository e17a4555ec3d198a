//! Damages of the fixture, each with its answer: what is found and which versions it holds back.
//! None is missed, and nothing else is found. Of some the whole recovery is rehearsed: which jobs
//! are blocked, while all others come up.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::bench::Bench;

/// A damage to one object of the store.
enum Damage {
    /// A text in the place of another.
    Edit(&'static str, &'static str, &'static str),
    /// It is gone.
    Remove(&'static str),
    /// One bit is another.
    Flip(&'static str),
    /// The last bytes are gone.
    Cut(&'static str),
    /// It goes on.
    Grow(&'static str),
    /// It is there though nothing names it.
    Add(&'static str),
}
use Damage::{Add, Cut, Edit, Flip, Grow, Remove};

/// What a damage must come to.
struct Answer {
    damage: Damage,
    /// The kinds of findings, each at least once, and no other.
    found: &'static [&'static str],
    /// The datasets whose newest version is held back.
    blocked: &'static [&'static str],
}

const fn answer(
    damage: Damage,
    found: &'static [&'static str],
    blocked: &'static [&'static str],
) -> Answer {
    Answer { damage, found, blocked }
}

const AIRPORTS: &[&str] = &["2026-02.c4f9633b"];
const ARTIFACT: &str = "processed/ks_airports/2026-02.c4f9633b/artifacts/ks_airports.parquet";
const JSON: &str = "processed/ks_airports/2026-02.c4f9633b/artifacts/ks_airports.geojson";
const CHECKSUMS: &str = "processed/ks_airports/2026-02.c4f9633b/checksums.json";
const REPORT: &str = "processed/ks_airports/2026-02.c4f9633b/qa/validation_report.json";
const DCAT: &str = "catalog/ks_airports/2026-02.c4f9633b/dcat.jsonld";
const PROV: &str = "catalog/ks_airports/2026-02.c4f9633b/prov/bundle.jsonld";
const ITEM: &str = "catalog/ks_airports/2026-02.c4f9633b/stac/items/ks_airports.json";
const COLLECTION: &str = "catalog/ks_airports/2026-02.c4f9633b/stac/collection.json";
const RECEIPT: &str = "catalog/ks_airports/2026-02.c4f9633b/receipts/run_receipt.json";
const RELEASE: &str = "releases/ks_airports/2026-02.c4f9633b/release.json";
const RAW: &str = "raw/ks_airports/20260210T060600Z/artifacts/ks_airports.geojson";
const RAW_MANIFEST: &str = "raw/ks_airports/20260210T060600Z/manifest.json";
const HEAD: &str = "audit/ledger/heads/ledger_head.json";
const FIRST_DAY: &str = "audit/ledger/records/2026/2026-02/2026-02-10";
const RECORD: &str = "audit/ledger/records/2026/2026-02/2026-02-10/promote_17a81c082c849c3d80edaed28e0e1e53db199c65e2e11a9fa6d611df5fc9bdb6.json";
const LAST: &str = "audit/ledger/records/2026/2026-02/2026-02-11/supersede_53ac0a287a96d8e1a3084b6318153721cc0b133a4fb60bc46146042333ff1498.json";
const CHECKPOINT: &str = "audit/checkpoints/2026/2026-02/audit_checkpoint_2026-02-10.ndjson";
const CHECKPOINT_MANIFEST: &str =
    "audit/checkpoints/2026/2026-02/audit_checkpoint_2026-02-10.manifest.json";

/// Objects: what became of bytes.
const OBJECTS: &[Answer] = &[
    answer(Remove(ARTIFACT), &["dangling-link", "missing"], AIRPORTS),
    answer(Flip(ARTIFACT), &["checksum-mismatch"], AIRPORTS),
    answer(Cut(ARTIFACT), &["checksum-mismatch"], AIRPORTS),
    answer(Grow(JSON), &["checksum-mismatch"], AIRPORTS),
    answer(Add("processed/ks_airports/2026-02.c4f9633b/artifacts/more.csv"), &["extra"], AIRPORTS),
    answer(Remove(CHECKSUMS), &["missing"], AIRPORTS),
    answer(Remove(RECEIPT), &["dangling-link", "missing"], AIRPORTS),
    answer(Remove(DCAT), &["dangling-link", "missing"], AIRPORTS),
    answer(Remove(PROV), &["missing"], AIRPORTS),
    answer(Remove(COLLECTION), &["dangling-link", "missing"], AIRPORTS),
    answer(Remove(ITEM), &["dangling-link"], AIRPORTS),
    answer(Cut(CHECKSUMS), &["schema-invalid"], AIRPORTS),
    answer(Cut(DCAT), &["schema-invalid"], AIRPORTS),
    answer(Flip(REPORT), &["checksum-mismatch"], AIRPORTS),
    answer(Flip(RAW), &["checksum-mismatch"], AIRPORTS),
    answer(Remove(RAW), &["missing"], AIRPORTS),
    answer(Remove(RAW_MANIFEST), &["missing"], &[]),
    answer(Add("raw/ks_airports/20260210T060600Z/artifacts/more.csv"), &["extra"], &[]),
    answer(Add("elsewhere/notes.txt"), &["unknown-zone"], &[]),
];

/// Documents: what they say.
const DOCUMENTS: &[Answer] = &[
    answer(Edit(CHECKSUMS, "\"size\": 38001", "\"size\": 38002"), &["checksum-mismatch"], AIRPORTS),
    answer(Edit(CHECKSUMS, "c71f96f8", "c71f96f9"), &["checksum-mismatch"], AIRPORTS),
    answer(Edit(CHECKSUMS, "\"version\": 1", "\"version\": 7"), &["schema-invalid"], AIRPORTS),
    answer(Edit(ITEM, "1e20c71f96f8", "1e20c71f96f9"), &["checksum-mismatch"], AIRPORTS),
    answer(Edit(ITEM, "\"122033afa8", "\"sha256:33afa8"), &["checksum-not-multihash"], AIRPORTS),
    answer(Edit(ITEM, "\"122033afa8", "\"1e2033afa8"), &["checksum-mismatch"], AIRPORTS),
    answer(
        Edit(ITEM, "\"file:size\": 38001", "\"file:size\": 1"),
        &["checksum-mismatch"],
        AIRPORTS,
    ),
    answer(Edit(ITEM, "table/v1.2.0", "table/v9.9.9"), &["unknown-extension"], AIRPORTS),
    answer(
        Edit(ITEM, "\"stac_version\": \"1.1.0\"", "\"stac_version\": \"3.0.0\""),
        &["schema-invalid"],
        AIRPORTS,
    ),
    answer(Edit(ITEM, "\"datetime\": null", "\"datetime\": 7"), &["schema-invalid"], AIRPORTS),
    answer(
        Edit(ITEM, "artifacts/ks_airports.parquet\"", "artifacts/other.parquet\""),
        &["dangling-link"],
        AIRPORTS,
    ),
    answer(
        Edit(
            ITEM,
            "../../../../../processed/ks_airports/2026-02.c4f9633b/artifacts/ks_airports.parquet",
            "../../../../../../../etc/passwd",
        ),
        &["dangling-link"],
        AIRPORTS,
    ),
    answer(
        Edit(ITEM, "../../receipts/run_receipt.json", "../../receipts/other.json"),
        &["dangling-link"],
        AIRPORTS,
    ),
    answer(Edit(COLLECTION, "../dcat.jsonld", "../other.jsonld"), &["dangling-link"], AIRPORTS),
    answer(
        Edit(COLLECTION, "\"rel\": \"describedby\"", "\"rel\": \"about\""),
        &["dangling-link"],
        AIRPORTS,
    ),
    answer(
        Edit(COLLECTION, "./items/ks_airports.json", "./items/other.json"),
        &["dangling-link"],
        AIRPORTS,
    ),
    answer(Edit(COLLECTION, "\"license\": \"MIT\",", ""), &["schema-invalid"], AIRPORTS),
    answer(Edit(DCAT, "dct:license", "dct:rights"), &["license-missing"], AIRPORTS),
    answer(Edit(DCAT, "c71f96f8", "c71f96f9"), &["checksum-mismatch"], AIRPORTS),
    answer(
        Edit(DCAT, "artifacts/ks_airports.parquet\"", "artifacts/other.parquet\""),
        &["dangling-link"],
        AIRPORTS,
    ),
    answer(
        Edit(DCAT, "\"kfm:row_count\": 334", "\"kfm:row_count\": 335"),
        &["documents-disagree"],
        AIRPORTS,
    ),
    answer(Edit(DCAT, "\"dct:title\"", "\"dkt:title\""), &["schema-invalid"], AIRPORTS),
    answer(
        Edit(DCAT, "kfm://run/019c4643", "kfm://run/019c4644"),
        &["dangling-link", "documents-disagree"],
        AIRPORTS,
    ),
    answer(
        Edit(DCAT, "\"kfm:policy_label\": \"public\"", "\"kfm:policy_label\": \"restricted\""),
        &["policy-label-conflict"],
        AIRPORTS,
    ),
    answer(
        Edit(DCAT, "\"kfm:policy_label\": \"public\"", "\"kfm:policy_label\": \"everyone\""),
        &["policy-label-unknown"],
        AIRPORTS,
    ),
    answer(
        Edit(RELEASE, "\"policy_label\": \"public\"", "\"policy_label\": \"internal\""),
        &["policy-label-conflict"],
        AIRPORTS,
    ),
    answer(
        Edit(PROV, "2026-02-10T06:37:00Z", "2026-02-10T05:37:00Z"),
        &["provenance-incomplete"],
        AIRPORTS,
    ),
    answer(
        Edit(
            PROV,
            "\"@id\": \"kfm://store/raw/ks_airports/20260210T060600Z/artifacts/ks_airports.geojson\"\n        }\n      ],\n      \"prov:wasGeneratedBy\"",
            "\"@id\": \"kfm://store/processed/ks_airports/2026-02.c4f9633b/artifacts/ks_airports.parquet\"\n        }\n      ],\n      \"prov:wasGeneratedBy\"",
        ),
        &["provenance-cycle"],
        AIRPORTS,
    ),
    answer(
        Edit(
            PROV,
            "\"prov:wasAssociatedWith\": {\n        \"@id\": \"urn:kfm:agent:kfm-pipeline\"",
            "\"prov:wasAssociatedWith\": {\n        \"@id\": \"urn:kfm:agent:nobody\"",
        ),
        &["provenance-incomplete"],
        AIRPORTS,
    ),
    answer(
        Edit(RECEIPT, "\"spec_hash\": \"sha256:c4f9633b26", "\"spec_hash\": \"sha256:c4f9633b27"),
        &["spec-hash-mismatch"],
        AIRPORTS,
    ),
    answer(
        Edit(RECEIPT, "\"pipeline_version\": 1", "\"pipeline_version\": 2"),
        &["spec-hash-mismatch"],
        AIRPORTS,
    ),
    answer(
        Edit(RECEIPT, "\"pipeline_version\": 1", "\"pipeline_version\": 9007199254740993"),
        &["spec-hash-mismatch"],
        AIRPORTS,
    ),
    answer(
        Edit(
            RECEIPT,
            "\"operation\": \"process\"",
            "\"operation\": \"process\", \"operation\": \"process\"",
        ),
        &["schema-invalid"],
        AIRPORTS,
    ),
    answer(
        Edit(RECEIPT, "\"digest\": \"sha256:1cef063e", "\"digest\": \"sha256:1cef063f"),
        &["checksum-mismatch"],
        AIRPORTS,
    ),
    answer(
        Edit(RECEIPT, "\"dataset_version_id\": \"2026-02", "\"dataset_version_id\": \"2025-02"),
        &["documents-disagree"],
        AIRPORTS,
    ),
    answer(
        Edit(RECEIPT, "\"kfm_run_receipt_version\": \"v1\",", ""),
        &["schema-invalid"],
        AIRPORTS,
    ),
    answer(
        Edit(RELEASE, "\"dataset_version_id\": \"2026-02", "\"dataset_version_id\": \"2025-02"),
        &["documents-disagree"],
        AIRPORTS,
    ),
    answer(Edit(RELEASE, "items/ks_airports\"", "items/other\""), &["dangling-link"], &[]),
    answer(Edit(RAW_MANIFEST, "acc92070", "acc92071"), &["checksum-mismatch"], &[]),
];

/// The ledger, which holds everything back.
const LEDGER: &[Answer] = &[
    answer(Edit(RECORD, "\"actor\"", "\"aktor\""), &["ledger-altered"], &[]),
    answer(Flip(RECORD), &["ledger-altered"], &[]),
    answer(Remove(RECORD), &["ledger-broken-chain", "ledger-checkpoint-mismatch"], &[]),
    answer(Remove(LAST), &["ledger-cut"], &[]),
    answer(Remove(HEAD), &["ledger-head-mismatch"], &[]),
    answer(Edit(HEAD, "sha256:53ac", "sha256:53ad"), &["ledger-head-mismatch"], &[]),
    answer(Cut(CHECKPOINT), &["ledger-checkpoint-mismatch"], &[]),
    answer(Remove(CHECKPOINT), &["missing"], &[]),
    answer(Cut(CHECKPOINT_MANIFEST), &["ledger-checkpoint-mismatch"], &[]),
    answer(Remove(FIRST_DAY), &["ledger-cut", "ledger-day-missing"], &[]),
];

/// Every job of the plan.
const ALL: &[&str] = &[
    "graph/kansas",
    "postgis/airports",
    "postgis/counties",
    "postgis/earthquakes",
    "postgis/flights",
    "postgis/places",
    "postgis/routes",
    "postgis/species",
    "postgis/species_restricted",
    "postgis/warnings",
    "postgis/zipcodes",
    "search/kansas",
    "tiles/kansas",
];

/// Damages to what is sealed, and the jobs that are blocked when it is recovered. The graph reads
/// every catalog, the search index those of the newest versions that are public.
const OF_ONE_DATASET: &[(Damage, &[&str])] = &[
    (
        Edit(ITEM, "1e20c71f96f8", "1e20c71f96f9"),
        &["graph/kansas", "postgis/airports", "search/kansas", "tiles/kansas"],
    ),
    (
        Edit("catalog/ks_zipcodes/2026-02.29ec178f/dcat.jsonld", "dct:license", "dct:rights"),
        &["graph/kansas", "postgis/zipcodes", "search/kansas", "tiles/kansas"],
    ),
    (
        Cut("processed/ks_flights_2001_ict/2026-02.74695b01/artifacts/ks_flights_2001_ict.parquet"),
        &["graph/kansas", "postgis/flights", "postgis/routes", "search/kansas", "tiles/kansas"],
    ),
    (
        Remove("processed/ks_storm_warnings/2026-02.6d2832fb/artifacts/ks_storm_warnings.csv"),
        &["graph/kansas", "postgis/warnings", "search/kansas"],
    ),
    (
        Remove("processed/ks_species_sites/2026-02.10272652/checksums.json"),
        &["graph/kansas", "postgis/species_restricted"],
    ),
    (
        Grow("processed/ks_earthquakes/2026-02.304508b7/artifacts/ks_earthquakes.geojson"),
        &["graph/kansas", "postgis/earthquakes"],
    ),
    // The newer version of the places is whole.
    (Remove("catalog/ks_populated_places/2026-01.f3643be0/prov/bundle.jsonld"), &["graph/kansas"]),
];

/// The same: what holds back everything, and what holds back nothing.
const OF_ALL_OR_NONE: &[(Damage, &[&str])] = &[
    (Flip(RECORD), ALL),
    (Remove(CHECKPOINT_MANIFEST), ALL),
    // Production lived with it when it was sealed.
    (Edit(ITEM, "table/v1.2.0", "table/v9.9.9"), &[]),
    (Edit(RELEASE, "items/ks_airports\"", "items/other\""), &[]),
    (Add("elsewhere/notes.txt"), &[]),
];

fn apply(root: &Path, damage: &Damage) {
    match damage {
        Edit(key, from, to) => {
            let text = fs::read_to_string(root.join(key)).unwrap();
            assert!(text.contains(from), "{key} has no {from}");
            fs::write(root.join(key), text.replace(from, to)).unwrap();
        }
        Remove(key) if root.join(key).is_dir() => fs::remove_dir_all(root.join(key)).unwrap(),
        Remove(key) => fs::remove_file(root.join(key)).unwrap(),
        Flip(key) => change(root, key, |bytes| {
            // A digit in the place of another is a text still.
            let at = bytes.iter().rposition(|byte| matches!(byte, b'1'..=b'8')).unwrap();
            bytes[at] += 1;
        }),
        Cut(key) => change(root, key, |bytes| bytes.truncate(bytes.len() - 9)),
        Grow(key) => change(root, key, |bytes| bytes.push(b'\n')),
        Add(key) => {
            fs::create_dir_all(root.join(key).parent().unwrap()).unwrap();
            fs::write(root.join(key), "id,name\n1,one\n").unwrap();
        }
    }
}

fn change(root: &Path, key: &str, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(root.join(key)).unwrap();
    how(&mut bytes);
    fs::write(root.join(key), bytes).unwrap();
}

fn name(damage: &Damage) -> String {
    match damage {
        Edit(key, from, to) => format!("edit {key}: {from} -> {to}"),
        Remove(key) => format!("remove {key}"),
        Flip(key) => format!("flip {key}"),
        Cut(key) => format!("cut {key}"),
        Grow(key) => format!("grow {key}"),
        Add(key) => format!("add {key}"),
    }
}

/// Demands every answer, and tells of all that are wrong at once.
fn hold(answers: &[Answer]) {
    let mut wrong = Vec::new();
    for answer in answers {
        let bench = Bench::new();
        apply(&bench.path("origin"), &answer.damage);
        let verified = bench.json(&["verify", "origin"]).json();
        let findings = verified["findings"].as_array().unwrap();
        let kinds: BTreeSet<&str> = findings.iter().map(|f| f["kind"].as_str().unwrap()).collect();
        let blocked: BTreeSet<&str> = findings
            .iter()
            .flat_map(|f| f["blocks"].as_array().unwrap())
            .map(|version| version.as_str().unwrap())
            .collect();
        if kinds != BTreeSet::from_iter(answer.found.iter().copied())
            || blocked != BTreeSet::from_iter(answer.blocked.iter().copied())
        {
            wrong.push(format!("{}\n    {kinds:?} hold back {blocked:?}", name(&answer.damage)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_damage_to_bytes_has_its_answer() {
    hold(OBJECTS);
}

#[test]
fn every_wrong_word_of_a_document_has_its_answer() {
    hold(DOCUMENTS);
}

#[test]
fn every_damage_to_the_ledger_has_its_answer() {
    hold(LEDGER);
}

/// Demands of rehearsals which jobs are blocked, and that all others come up proven.
fn hold_jobs(answers: &[(Damage, &[&str])]) {
    let mut wrong = Vec::new();
    for (damage, blocked) in answers {
        let bench = Bench::new();
        apply(&bench.path("origin"), damage);
        bench.try_to_seal();
        let receipt = bench.json(&["rehearse", "plans/kansas.yaml", "--env", "dev"]).json();
        let projections = receipt["predicate"]["projections"].as_array().unwrap();
        let of = |wanted: &str| -> BTreeSet<&str> {
            let jobs = projections.iter().filter(|p| p["outcome"] == wanted);
            jobs.map(|p| p["job"].as_str().unwrap()).collect()
        };
        let (held, up) = (of("blocked"), of("rebuilt"));
        let blocked = BTreeSet::from_iter(blocked.iter().copied());
        let others = ALL.iter().copied().filter(|job| !blocked.contains(job)).collect();
        let outcome = if blocked.is_empty() { "recovered" } else { "partial" };
        if held != blocked || up != others || receipt["predicate"]["outcome"] != outcome {
            let outcome = &receipt["predicate"]["outcome"];
            wrong.push(format!("{}\n    {outcome}: blocked {held:?}, up {up:?}", name(damage)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_one_dataset_lacks_blocks_the_jobs_that_need_it_and_no_other() {
    hold_jobs(OF_ONE_DATASET);
}

#[test]
fn a_doubtful_ledger_blocks_every_job_and_what_only_warns_none() {
    hold_jobs(OF_ALL_OR_NONE);
}
