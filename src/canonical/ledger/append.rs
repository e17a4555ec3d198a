use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::error::LedgerError;
use super::own::{self, Own};
use super::record::{DOCUMENT_LIMIT, GENESIS, HEAD, Head, RECORDS, digest_of};
use super::verify::parse_head;
use crate::digest::{Digest, canonical_json};
use crate::store::{Created, Pin, Store};

/// So many writers may win the head before us.
const TRIES: u32 = 32;

/// What is to be recorded.
#[derive(Debug, Clone)]
pub(crate) struct NewRecord {
    /// What happened, such as `rebuild`; it goes into the key.
    pub(crate) event_type: String,
    /// What it happened to.
    pub(crate) subject: String,
    /// What shows it: `dcat://`, `stac://`, `prov://`, `doc://`, `graph://`.
    pub(crate) evidence_refs: Vec<String>,
    /// `{principal, role}`.
    pub(crate) actor: Value,
    /// The run, such as `kfm://run/<uuid>`.
    pub(crate) audit_ref: String,
    /// When; the same on a second try, so that the second try is the same record.
    pub(crate) timestamp: DateTime<Utc>,
    /// Further members.
    pub(crate) extra: Map<String, Value>,
}

/// Where a record came to stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Appended {
    /// Its name.
    pub(crate) event_hash: Digest,
    /// Its key.
    pub(crate) key: String,
    /// How many records the chain has with it, where the head counts them.
    pub(crate) records: Option<u64>,
}

/// Appends a record: its file first, create-only, then the head by compare-and-swap.
///
/// The same entry (`audit_ref`, `event_type` and receipt) is appended once, however often it is
/// tried and whatever came in between. Records of it that lost the race for the head are named as
/// `supersedes` by the one that takes their place, so that verification knows them.
pub(crate) async fn append(store: &Store, new: &NewRecord) -> Result<Appended, LedgerError> {
    check_type(&new.event_type)?;
    for _ in 0..TRIES {
        let (head, pin) = read(store).await?;
        let record = match &head {
            None if own::is_first(store, new).await? => record(new, None, &[])?,
            None => return Err(LedgerError::HeadMissing),
            Some(head) => match former(store, new, head).await? {
                Former::InChain(appended) => return Ok(appended),
                Former::Next(own) => own.taken_up(head),
                Former::Lost(lost) => record(new, Some(head), &lost)?,
            },
        };
        if let Some(bytes) = &record.bytes {
            write(store, &record.key, bytes).await?;
        }
        let head = Bytes::from(serde_json::to_vec_pretty(&record.head)?);
        if store.compare_and_swap(HEAD, head, pin.as_ref()).await? {
            let records = record.head.records;
            return Ok(Appended { event_hash: record.head.event_hash, key: record.key, records });
        }
    }
    Err(LedgerError::Busy { tries: TRIES })
}

/// What became of former tries.
enum Former {
    /// One is in the chain.
    InChain(Appended),
    /// One follows the head, which was not moved.
    Next(Own),
    /// There were none, or others came first.
    Lost(Vec<Digest>),
}

async fn former(store: &Store, new: &NewRecord, head: &Head) -> Result<Former, LedgerError> {
    let all = own::find(store, new, head).await?;
    for own in &all {
        if let Some(behind) = own::behind(store, new, head, own.name).await? {
            let records = head.records.map(|records| records.saturating_sub(behind));
            let (event_hash, key) = (digest_of(own.name), own.key.clone());
            return Ok(Former::InChain(Appended { event_hash, key, records }));
        }
    }
    if let Some(next) = all.iter().find(|own| own.prev == head.name()) {
        return Ok(Former::Next(next.clone()));
    }
    let mut lost: Vec<Digest> = all.iter().map(|own| digest_of(own.name)).collect();
    lost.sort();
    Ok(Former::Lost(lost))
}

impl Own {
    /// The record as it was written, with the head that was not.
    fn taken_up(self, before: &Head) -> Made {
        let head = Head {
            version: 1,
            event_hash: digest_of(self.name),
            key: Some(self.key.clone()),
            timestamp: self.timestamp,
            records: before.records.map(|records| records + 1),
        };
        Made { key: self.key, bytes: None, head }
    }
}

/// The head document, if the ledger has begun.
#[cfg(test)]
pub(super) async fn head(store: &Store) -> Result<Option<Head>, LedgerError> {
    Ok(read(store).await?.0)
}

struct Made {
    key: String,
    /// What is to be written; nothing where it is there.
    bytes: Option<Bytes>,
    head: Head,
}

async fn read(store: &Store) -> Result<(Option<Head>, Option<Pin>), LedgerError> {
    let Some((bytes, meta)) = store.read(HEAD, DOCUMENT_LIMIT).await? else {
        return Ok((None, None));
    };
    let head = parse_head(&bytes).ok_or(LedgerError::HeadUnreadable)?;
    Ok((Some(head), Some(meta.pin)))
}

fn check_type(event_type: &str) -> Result<(), LedgerError> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if event_type.is_empty() || !event_type.chars().all(good) {
        return Err(LedgerError::EventType { event_type: event_type.to_owned() });
    }
    Ok(())
}

fn body(new: &NewRecord) -> Map<String, Value> {
    let mut record = new.extra.clone();
    record.insert("audit_ref".into(), json!(new.audit_ref));
    let timestamp = new.timestamp.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    record.insert("timestamp".into(), json!(timestamp));
    record.insert("actor".into(), new.actor.clone());
    record.insert("event_type".into(), json!(new.event_type));
    record.insert("subject".into(), json!(new.subject));
    record.insert("evidence_refs".into(), json!(new.evidence_refs));
    record
}

fn record(new: &NewRecord, head: Option<&Head>, lost: &[Digest]) -> Result<Made, LedgerError> {
    let mut record = body(new);
    let prev = head.map_or_else(|| digest_of(GENESIS), |head| head.event_hash);
    record.insert("prev_hash".into(), json!(prev));
    if !lost.is_empty() {
        record.insert("supersedes".into(), json!(lost));
    }
    let hash = Digest::sha256(&canonical_json(&record)?);
    record.insert("event_hash".into(), json!(hash));
    let mut folder = format!("{RECORDS}{}", new.timestamp.format("%Y/%Y-%m/%Y-%m-%d"));
    // A clock that runs behind does not put a record before the one that it follows.
    if let Some((former, _)) = head.and_then(|head| head.key.as_deref()?.rsplit_once('/'))
        && former.starts_with(RECORDS)
        && former > folder.as_str()
    {
        former.clone_into(&mut folder);
    }
    let key = format!("{folder}/{}_{}.json", new.event_type, hash.hex());
    let records = match head {
        None => Some(1),
        Some(head) => head.records.map(|records| records + 1),
    };
    let timestamp = record.get("timestamp").and_then(Value::as_str).map(str::to_owned);
    let head = Head { version: 1, event_hash: hash, key: Some(key.clone()), timestamp, records };
    Ok(Made { key, bytes: Some(canonical_json(&record)?.into()), head })
}

async fn write(store: &Store, key: &str, bytes: &Bytes) -> Result<(), LedgerError> {
    match store.create(key, bytes.clone()).await? {
        Created::Written => Ok(()),
        Created::Exists => match store.read(key, DOCUMENT_LIMIT).await? {
            Some((there, _)) if there == *bytes => Ok(()),
            _ => Err(LedgerError::Occupied { key: key.to_owned() }),
        },
    }
}
