use serde_json::{Value, json};

use crate::out::{Out, sha256};
use crate::{Outcome, json};

const GENESIS: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// The audit ledger while it grows.
pub(crate) struct Ledger<'a> {
    out: &'a Out,
    tip: String,
    records: usize,
    /// The records of the day that is open.
    lines: Vec<Value>,
    /// What the first of them follows.
    before: String,
    last: Value,
}

/// What happened to a dataset.
pub(crate) struct Event {
    pub(crate) at: i64,
    pub(crate) kind: &'static str,
    pub(crate) audit_ref: String,
    pub(crate) subject: String,
    pub(crate) evidence: Vec<String>,
}

impl<'a> Ledger<'a> {
    /// Writes the ledger of these events, with a checkpoint of every day.
    pub(crate) fn write(out: &'a Out, mut events: Vec<Event>) -> Outcome {
        events.sort_by_key(|event| event.at);
        let mut ledger = Self {
            out,
            tip: GENESIS.to_owned(),
            records: 0,
            lines: Vec::new(),
            before: GENESIS.to_owned(),
            last: Value::Null,
        };
        let mut open = String::new();
        for event in &events {
            let day = json::at(event.at)[..10].to_owned();
            if day != open {
                ledger.close(&open)?;
                open = day;
            }
            ledger.append(event)?;
        }
        ledger.close(&open)?;
        ledger.head()
    }

    /// Appends one record: `event_hash` is the SHA-256 of the record without it.
    fn append(&mut self, event: &Event) -> Outcome {
        let timestamp = json::at(event.at);
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
        let (year, month, day) = (&timestamp[..4], &timestamp[..7], &timestamp[..10]);
        let hex = &hash["sha256:".len()..];
        let key = format!("audit/ledger/records/{year}/{month}/{day}/{}_{hex}.json", event.kind);
        self.out.put(&key, "application/json", &json::canonical(&record)?)?;
        self.last = json!({"event_hash": hash, "key": key, "timestamp": timestamp});
        self.lines.push(self.last.clone());
        self.records += 1;
        self.tip = hash;
        Ok(())
    }

    /// Writes the checkpoint of a day.
    fn close(&mut self, day: &str) -> Outcome {
        let lines = std::mem::take(&mut self.lines);
        let Some(first) = lines.first() else { return Ok(()) };
        let mut ndjson = Vec::new();
        for line in &lines {
            ndjson.extend(json::canonical(line)?);
            ndjson.push(b'\n');
        }
        let base = format!("audit/checkpoints/{}/{}/audit_checkpoint_{day}", &day[..4], &day[..7]);
        self.out.put(&format!("{base}.ndjson"), "application/x-ndjson", &ndjson)?;
        let manifest = json!({
            "version": 1,
            "date": day,
            "records": lines.len(),
            "prev_hash": self.before,
            "first_event_hash": first["event_hash"],
            "last_event_hash": self.tip,
            "digest": format!("sha256:{}", sha256(&ndjson)),
            "created_at": format!("{day}T23:59:00Z"),
        });
        let key = format!("{base}.manifest.json");
        self.out.document(&key, "application/json", &manifest)?;
        self.before.clone_from(&self.tip);
        Ok(())
    }

    fn head(self) -> Outcome {
        let head = json!({
            "version": 1,
            "event_hash": self.tip,
            "key": self.last["key"],
            "timestamp": self.last["timestamp"],
            "records": self.records,
        });
        let key = "audit/ledger/heads/ledger_head.json";
        let head = self.out.document(key, "application/json", &head)?;
        let signature = format!("unsigned placeholder for sha256:{}\n", head.sha256);
        self.out.put(&format!("{key}.sig"), "application/octet-stream", signature.as_bytes())?;
        Ok(())
    }
}
