//! The audit ledger at a target: restored, kept, moved forward, or left alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::bench::{Bench, copy};

const HEAD: &str = "audit/ledger/heads/ledger_head.json";
const AUDIT: [&str; 3] = ["restore", "--zone", "audit"];

fn read(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn write(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

/// The records of a ledger that lead to its head, the first one first: keys and documents.
fn chain(root: &Path) -> Vec<(String, Value)> {
    let mut all = BTreeMap::new();
    let mut folders = vec![root.join("audit/ledger/records")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let (record, key) = (read(&path), path.strip_prefix(root).unwrap());
                let name = record["event_hash"].as_str().unwrap().to_owned();
                all.insert(name, (key.to_str().unwrap().to_owned(), record));
            }
        }
    }
    let mut at = read(&root.join(HEAD))["event_hash"].as_str().unwrap().to_owned();
    let mut chain = Vec::new();
    while let Some((key, record)) = all.remove(&at) {
        at = record["prev_hash"].as_str().unwrap_or_default().to_owned();
        chain.push((key, record));
    }
    chain.reverse();
    chain
}

fn put_head(root: &Path, key: &str, record: &Value, records: usize) {
    let head = json!({
        "version": 1,
        "event_hash": record["event_hash"],
        "key": key,
        "timestamp": record["timestamp"],
        "records": records,
    });
    write(&root.join(HEAD), &head.to_string());
}

/// Takes a ledger back to its first `count` records, head and all.
fn rewind(root: &Path, count: usize) {
    let records = chain(root);
    for (key, _) in &records[count..] {
        fs::remove_file(root.join(key)).unwrap();
    }
    let (key, record) = &records[count - 1];
    put_head(root, key, record, count);
}

/// Appends a record as the platform itself would.
fn append(root: &Path, day: &str) {
    append_about(root, day, "dcat://another@history", &[]);
}

/// The same, of an event that rests on evidence. Gives the record's key.
fn append_about(root: &Path, day: &str, subject: &str, evidence: &[&str]) -> String {
    let records = chain(root);
    let mut record = BTreeMap::from([
        ("actor", json!({"principal": "kfm-pipeline", "role": "publisher"})),
        ("audit_ref", json!(format!("kfm://run/{}", records.len()))),
        ("event_type", json!("publish")),
        ("evidence_refs", json!(evidence)),
        ("prev_hash", records[records.len() - 1].1["event_hash"].clone()),
        ("subject", json!(subject)),
        ("timestamp", json!(format!("{day}T12:00:00Z"))),
    ]);
    let hash = Sha256::digest(serde_json::to_vec(&record).unwrap());
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    record.insert("event_hash", json!(format!("sha256:{hex}")));
    let key = format!("audit/ledger/records/{}/{}/{day}/publish_{hex}.json", &day[..4], &day[..7]);
    write(&root.join(&key), &serde_json::to_string(&record).unwrap());
    put_head(root, &key, &json!(record), records.len() + 1);
    key
}

fn gate<'a>(receipt: &'a Value, id: &str) -> &'a Value {
    receipt["gates"].as_array().unwrap().iter().find(|gate| gate["id"] == id).unwrap()
}

fn kinds(receipt: &Value) -> Vec<(&str, &str)> {
    let findings = receipt["findings"].as_array().unwrap();
    fn text(value: &Value) -> &str {
        value.as_str().unwrap()
    }
    findings.iter().map(|f| (text(&f["kind"]), text(&f["severity"]))).collect()
}

/// A sealed snapshot, and targets that hold the ledger as it was sealed.
fn bench() -> (Bench, PathBuf) {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    let target = bench.canonical();
    copy(&bench.path("origin/audit"), &target.join("audit"));
    (bench, target)
}

#[test]
fn the_record_of_a_restore_names_the_snapshot_its_head_and_what_was_lost() {
    let bench = Bench::new();
    let sealed = bench.seal();
    bench.init();
    let target = bench.canonical();
    // All that is left of the target is the checkpoint of a day after the snapshot.
    let lost = format!("sha256:{}", "ab".repeat(32));
    let line = format!("{}\n", json!({"event_hash": lost}));
    let manifest = json!({"prev_hash": sealed["ledger_head"], "records": 1});
    let checkpoint = "audit/checkpoints/2026/2026-09/audit_checkpoint_2026-09-30";
    write(&target.join(format!("{checkpoint}.ndjson")), &line);
    write(&target.join(format!("{checkpoint}.manifest.json")), &manifest.to_string());

    let receipt = bench.receipt(0, &AUDIT);
    assert_eq!(gate(&receipt, "ledger")["open"], true, "{receipt:#}");
    assert_eq!(kinds(&receipt), [("ledger-day-missing", "warns")]);
    let records = chain(&target);
    let (key, record) = &records[records.len() - 1];
    assert!(key.contains("/restore_"), "{key}");
    assert_eq!(record["snapshot"], sealed["snapshot"]);
    assert_eq!(record["snapshot_head"], sealed["ledger_head"]);
    assert_eq!(record["prev_hash"], sealed["ledger_head"]);
    assert_eq!(record["last_lost_head"], lost);
    assert_eq!(record["audit_ref"], receipt["audit_ref"]);
    // It cites the receipt as it is stored, by its digest.
    let run = receipt["run_id"].as_str().unwrap();
    let stored = fs::read(bench.path(&format!("state/receipts/{run}.json"))).unwrap();
    let digest = format!("blake3:{}", blake3::hash(&stored).to_hex());
    assert_eq!(record["receipt_digest"], digest.as_str());
    let refs = record["evidence_refs"].as_array().unwrap();
    assert!(refs.contains(&json!(format!("doc://{digest}"))), "{record:#}");

    // What is on record does not stop the next run.
    let again = bench.receipt(0, &AUDIT);
    assert_eq!(gate(&again, "ledger")["open"], true, "{again:#}");
    assert_eq!(chain(&target).len(), records.len() + 1);
}

#[test]
fn a_head_that_was_lost_with_its_tail_is_moved_forward_and_a_longer_ledger_is_kept() {
    let (bench, target) = bench();
    let all = chain(&target);
    rewind(&target, all.len() / 2);
    let receipt = bench.receipt(0, &AUDIT);
    assert_eq!((gate(&receipt, "ledger")["open"].clone(), kinds(&receipt)), (json!(true), vec![]));
    let records = chain(&target);
    assert_eq!(records[..all.len()], all[..]);
    assert_eq!(records.len(), all.len() + 1);

    // It is longer than the snapshot's now: growth, and never rewound.
    let receipt = bench.receipt(0, &AUDIT);
    assert_eq!(kinds(&receipt), []);
    assert_eq!(chain(&target)[..records.len()], records[..]);
}

#[test]
fn nothing_is_written_to_a_ledger_that_left_the_snapshots_history() {
    let (bench, target) = bench();
    rewind(&target, chain(&target).len() - 3);
    append(&target, "2026-05-01");
    append(&target, "2026-05-02");
    // A loss as well, which a restore would have filled.
    fs::remove_dir_all(target.join("audit/checkpoints")).unwrap();
    let before = chain(&target);
    let receipt = bench.receipt(1, &AUDIT);
    assert_eq!(gate(&receipt, "ledger")["open"], false, "{receipt:#}");
    assert!(kinds(&receipt).contains(&("ledger-forked", "blocks")), "{receipt:#}");
    assert_eq!(chain(&target), before);
    assert!(!target.join("audit/checkpoints").exists(), "something was written");
    let dropped = &chain(&bench.path("origin"))[before.len() - 2].0;
    assert!(!target.join(dropped).exists(), "something was written");
}

#[test]
fn a_signature_is_not_checked_and_a_plan_that_requires_it_is_told() {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    let receipt = bench.receipt(0, &AUDIT);
    let words = receipt["not_covered"].to_string();
    assert!(words.contains("the signature of the ledger's head: not checked"), "{words}");

    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    fs::write(&plan, text.replace("signatures: report", "signatures: require")).unwrap();
    let receipt = bench.receipt(1, &AUDIT);
    assert_eq!(gate(&receipt, "ledger")["open"], false, "{receipt:#}");
    assert_eq!(kinds(&receipt), [("ledger-signature-unchecked", "blocks")]);
    let sealed = fs::read(bench.path("origin").join(format!("{HEAD}.sig"))).unwrap();
    assert_eq!(fs::read(bench.canonical().join(format!("{HEAD}.sig"))).unwrap(), sealed);
}

#[test]
fn a_signature_that_is_required_shuts_the_ledger_before_anything_is_built() {
    for (signed, kind) in
        [(true, "ledger-signature-unchecked"), (false, "ledger-signature-missing")]
    {
        let bench = Bench::new();
        let signature = bench.path("origin").join(format!("{HEAD}.sig"));
        if !signed {
            fs::remove_file(signature).unwrap();
        }
        bench.seal();
        let plan = bench.path("plans/kansas.yaml");
        let text = fs::read_to_string(&plan).unwrap();
        fs::write(&plan, text.replace("signatures: report", "signatures: require")).unwrap();
        // Nothing is at the target yet: what counts is what the snapshot brings.
        let receipt = bench.receipt(1, &["rehearse"]);
        let shut = gate(&receipt, "ledger");
        assert_eq!(shut["open"], false, "{receipt:#}");
        assert!(shut["evidence"].as_str().unwrap().contains(kind), "{shut:#}");
        assert!(kinds(&receipt).contains(&(kind, "blocks")), "{receipt:#}");
        let words = receipt["not_covered"].to_string();
        assert!(!words.contains("signature"), "{words}");
        for projection in receipt["projections"].as_array().unwrap() {
            assert_eq!(projection["outcome"], "blocked", "{projection:#}");
        }
        let run = receipt["run_id"].as_str().unwrap();
        let text = bench.run(&["status", run]).stdout;
        assert!(text.contains("signature"), "{text}");
    }
}

#[test]
fn evidence_that_leads_nowhere_warns_and_history_of_what_is_gone_is_not_asked() {
    let bench = Bench::new();
    let origin = bench.path("origin");
    let airports = "dcat://ks_airports@2026-02.c4f9633b";
    let good = [airports, "stac://ks_airports/items/ks_airports", "graph://kfm/airport/KICT"];
    append_about(&origin, "2026-02-12", airports, &good);
    // What is not about a dataset version is not followed.
    let own = ["prov://kfm://run/nowhere"];
    append_about(&origin, "2026-02-12", "kfm://environment/dev", &own);
    bench.json(&["verify", "origin"]).expect(0);
    let bad = ["stac://ks_airports/items/none", "dcat://ks_airports@2020-01.abcd1234", "nothing"];
    let key = append_about(&origin, "2026-02-13", airports, &bad);
    let verified = bench.json(&["verify", "origin"]).expect(1).json();
    let told = verified["findings"].as_array().unwrap().iter();
    let mut told: Vec<_> = told
        .map(|f| {
            assert_eq!((&f["kind"], &f["severity"]), (&json!("dangling-link"), &json!("warns")));
            assert_eq!(f["key"], json!(key));
            f["actual"].as_str().unwrap().to_owned()
        })
        .collect();
    told.sort();
    let mut bad = bad.map(str::to_owned);
    bad.sort();
    assert_eq!(told, bad);
    // A recovery is not held back by history.
    bench.try_to_seal();
    bench.receipt(0, &["rehearse"]);
}
