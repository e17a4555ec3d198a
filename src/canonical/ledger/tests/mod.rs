use std::fs;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::record::RECORDS;
use super::*;
use crate::canonical::fixture::Platform;
use crate::digest::{Digest, canonical_json};
use crate::model::{FindingKind, Severity};
use FindingKind as K;
use Severity::{Blocks, Warns};

mod append;
mod crash;
mod damage;
mod growth;
mod large;
mod random;
mod restore;

const CHECKPOINT: &str = "audit/checkpoints/2026/2026-02/audit_checkpoint_2026-02-10";

fn new(minutes: i64) -> NewRecord {
    let start: DateTime<Utc> = "2026-02-11T22:00:00Z".parse().unwrap();
    NewRecord {
        event_type: "rebuild".into(),
        subject: "kfm://environment/dev".into(),
        evidence_refs: vec!["doc://sha256:00".into()],
        actor: json!({"principal": "ada", "role": "operator"}),
        audit_ref: format!("kfm://run/{minutes}"),
        timestamp: start + TimeDelta::minutes(minutes),
        extra: Map::new(),
    }
}

/// A ledger of `count` records, an hour apart, over several days; the keys in chain order.
async fn grown(count: i64) -> (Platform, Vec<String>) {
    let platform = Platform::empty();
    let mut keys = Vec::new();
    for at in 0..count {
        keys.push(append(&platform.store, &new(60 * at)).await.unwrap().key);
    }
    (platform, keys)
}

async fn kinds(platform: &Platform) -> Vec<(FindingKind, Severity)> {
    let report = verify(&platform.store, None, HeadDocument::Expected).await.unwrap();
    report.findings.into_iter().map(|finding| (finding.kind, finding.severity)).collect()
}

fn put(platform: &Platform, mut record: Map<String, Value>) -> (String, Digest) {
    record.remove("event_hash");
    let hash = Digest::sha256(&canonical_json(&record).unwrap());
    record.insert("event_hash".into(), json!(hash));
    let day = record["timestamp"].as_str().unwrap()[..10].to_owned();
    let key = format!("{RECORDS}{}/{}/{day}/forged_{}.json", &day[..4], &day[..7], hash.hex());
    fs::write(platform.path(&key), canonical_json(&record).unwrap()).unwrap();
    (key, hash)
}

fn read(platform: &Platform, key: &str) -> Map<String, Value> {
    serde_json::from_slice(&fs::read(platform.path(key)).unwrap()).unwrap()
}

/// Closes a day: writes its checkpoint and the manifest of that. The keys come in chain order.
fn close(platform: &Platform, day: NaiveDate, keys: &[String]) -> String {
    let mut lines = Vec::new();
    for key in keys {
        let record = read(platform, key);
        let line = json!({"event_hash": record["event_hash"], "key": key});
        lines.extend(canonical_json(&line).unwrap());
        lines.push(b'\n');
    }
    let (first, last) = (read(platform, &keys[0]), read(platform, &keys[keys.len() - 1]));
    let manifest = json!({
        "version": 1,
        "date": day.to_string(),
        "records": keys.len(),
        "prev_hash": first["prev_hash"],
        "first_event_hash": first["event_hash"],
        "last_event_hash": last["event_hash"],
        "digest": Digest::sha256(&lines),
    });
    let (key, manifest_key) = super::checkpoint::keys_of(&day.to_string());
    fs::create_dir_all(platform.path(&key).parent().unwrap()).unwrap();
    fs::write(platform.path(&key), lines).unwrap();
    fs::write(platform.path(&manifest_key), manifest.to_string()).unwrap();
    key
}

/// A ledger with a checkpoint of each day.
struct Closed {
    platform: Platform,
    /// The keys of the records, in chain order.
    keys: Vec<String>,
    /// The keys of the checkpoints, by day.
    checkpoints: Vec<String>,
}

impl Closed {
    /// `days` days of `each` records.
    async fn new(days: i64, each: i64) -> Self {
        let mut closed =
            Self { platform: Platform::empty(), keys: Vec::new(), checkpoints: Vec::new() };
        for day in 0..days {
            closed.day(day, each).await;
        }
        closed
    }

    /// Appends the records of a day and closes it.
    async fn day(&mut self, day: i64, each: i64) {
        let mut keys = Vec::new();
        for at in 0..each {
            let new = new(120 + 1440 * day + at);
            keys.push(append(&self.platform.store, &new).await.unwrap().key);
        }
        let date = (new(120 + 1440 * day)).timestamp.date_naive();
        self.checkpoints.push(close(&self.platform, date, &keys));
        self.keys.extend(keys);
    }

    fn remove(&self, keys: &[String]) {
        for key in keys {
            self.platform.remove(key);
        }
    }

    /// Puts the head back to the record `at`.
    fn rewind(&self, at: usize) {
        let record = read(&self.platform, &self.keys[at]);
        let head = json!({
            "version": 1,
            "event_hash": record["event_hash"],
            "key": self.keys[at],
            "timestamp": record["timestamp"],
            "records": at + 1,
        });
        fs::write(self.platform.path(HEAD), head.to_string()).unwrap();
    }

    fn name(&self, at: usize) -> Digest {
        read(&self.platform, &self.keys[at])["event_hash"].as_str().unwrap().parse().unwrap()
    }

    async fn report(&self) -> LedgerReport {
        verify(&self.platform.store, None, HeadDocument::Expected).await.unwrap()
    }

    /// Kinds, severities and keys.
    async fn found(&self) -> Vec<(FindingKind, Severity, String)> {
        let findings = self.report().await.findings.into_iter();
        findings.map(|f| (f.kind, f.severity, f.key.unwrap_or_default())).collect()
    }
}
