use serde_json::{Value, json};

use crate::out::{Out, sha256};
use crate::{Outcome, json};

const GENESIS: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
const DAY: &str = "2026-02-10";

/// The audit ledger while it grows.
pub(crate) struct Ledger<'a> {
    out: &'a Out,
    tip: String,
    lines: Vec<Value>,
}

/// What happened to a dataset.
pub(crate) struct Event<'a> {
    pub(crate) kind: &'a str,
    pub(crate) minutes: i64,
    pub(crate) audit_ref: &'a str,
    pub(crate) subject: String,
    pub(crate) evidence: Vec<String>,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(out: &'a Out) -> Self {
        Self { out, tip: GENESIS.to_owned(), lines: Vec::new() }
    }

    /// Appends one record: `event_hash` is the SHA-256 of the record without it.
    pub(crate) fn append(&mut self, event: &Event<'_>) -> Outcome {
        let timestamp = json::at(event.minutes);
        let mut record = json!({
            "audit_ref": event.audit_ref,
            "timestamp": timestamp,
            "actor": {"principal": "kfm-pipeline", "role": "publisher"},
            "event_type": event.kind,
            "subject": event.subject,
            "evidence_refs": event.evidence,
            "prev_hash": self.tip,
        });
        let hash = json::digest(&record)?;
        record["event_hash"] = json!(hash);
        let hex = &hash["sha256:".len()..];
        let key = format!("audit/ledger/records/2026/2026-02/{DAY}/{}_{hex}.json", event.kind);
        self.out.put(&key, "application/json", &json::canonical(&record)?)?;
        self.lines.push(json!({"event_hash": hash, "key": key, "timestamp": timestamp}));
        self.tip = hash;
        Ok(())
    }

    /// Writes the checkpoint of the day and the head.
    pub(crate) fn close(self, minutes: i64) -> Outcome {
        let mut ndjson = Vec::new();
        for line in &self.lines {
            ndjson.extend(json::canonical(line)?);
            ndjson.push(b'\n');
        }
        let base = format!("audit/checkpoints/2026/2026-02/audit_checkpoint_{DAY}");
        self.out.put(&format!("{base}.ndjson"), "application/x-ndjson", &ndjson)?;
        let manifest = json!({
            "version": 1,
            "date": DAY,
            "records": self.lines.len(),
            "prev_hash": GENESIS,
            "first_event_hash": self.lines[0]["event_hash"],
            "last_event_hash": self.tip,
            "digest": format!("sha256:{}", sha256(&ndjson)),
            "created_at": json::at(minutes),
        });
        let key = format!("{base}.manifest.json");
        self.out.put(&key, "application/json", &json::pretty(&manifest)?)?;
        let last = &self.lines[self.lines.len() - 1];
        let head = json!({
            "version": 1,
            "event_hash": self.tip,
            "key": last["key"],
            "timestamp": last["timestamp"],
            "records": self.lines.len(),
        });
        let key = "audit/ledger/heads/ledger_head.json";
        let head = json::pretty(&head)?;
        self.out.put(key, "application/json", &head)?;
        let signature = format!("unsigned placeholder for sha256:{}\n", sha256(&head));
        self.out.put(&format!("{key}.sig"), "application/octet-stream", signature.as_bytes())?;
        Ok(())
    }
}
