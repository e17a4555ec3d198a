use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::error::LedgerError;
use super::record::{GENESIS, HEAD, Head, RECORDS, digest_of};
use crate::digest::{Digest, canonical_json};
use crate::store::{Created, Pin, Store};

/// So many writers may win the head before us.
const TRIES: u32 = 32;
/// A head or record larger than this is none.
const DOCUMENT_LIMIT: u64 = 4 << 20;

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
/// A second try with the same content finds its own record at the head, or its own file, and does
/// not append twice. A record that lost the race for the head is named as `supersedes` by the one
/// that takes its place, so that verification knows it.
pub(crate) async fn append(store: &Store, new: &NewRecord) -> Result<Appended, LedgerError> {
    check_type(&new.event_type)?;
    let mut lost: Vec<Digest> = Vec::new();
    for _ in 0..TRIES {
        let (head, pin) = read(store).await?;
        if let Some(head) = &head
            && is_ours(store, head, new).await?
        {
            let key = head.key.clone().unwrap_or_default();
            return Ok(Appended { event_hash: head.event_hash, key, records: head.records });
        }
        let record = record(new, head.as_ref(), &lost)?;
        write(store, &record).await?;
        let head = Bytes::from(serde_json::to_vec_pretty(&record.head)?);
        if store.compare_and_swap(HEAD, head, pin.as_ref()).await? {
            let records = record.head.records;
            return Ok(Appended { event_hash: record.hash, key: record.key, records });
        }
        lost.push(record.hash);
    }
    Err(LedgerError::Busy { tries: TRIES })
}

/// The head document, if the ledger has begun.
#[cfg(test)]
pub(crate) async fn head(store: &Store) -> Result<Option<Head>, LedgerError> {
    Ok(read(store).await?.0)
}

struct Made {
    hash: Digest,
    key: String,
    bytes: Bytes,
    head: Head,
}

async fn read(store: &Store) -> Result<(Option<Head>, Option<Pin>), LedgerError> {
    let Some((bytes, meta)) = store.read(HEAD, DOCUMENT_LIMIT).await? else {
        return match futures::TryStreamExt::try_next(&mut store.walk(RECORDS)).await? {
            None => Ok((None, None)),
            Some(_) => Err(LedgerError::HeadMissing),
        };
    };
    let head =
        serde_json::from_slice(&bytes).map_err(|source| LedgerError::HeadUnreadable { source })?;
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
    Ok(Made { hash, key, bytes: canonical_json(&record)?.into(), head })
}

async fn write(store: &Store, record: &Made) -> Result<(), LedgerError> {
    match store.create(&record.key, record.bytes.clone()).await? {
        Created::Written => Ok(()),
        Created::Exists => {
            let there = store.read(&record.key, DOCUMENT_LIMIT).await?;
            match there {
                Some((bytes, _)) if bytes == record.bytes => Ok(()),
                _ => Err(LedgerError::Occupied { key: record.key.clone() }),
            }
        }
    }
}

/// Whether the record at the head is the one that is to be appended.
async fn is_ours(store: &Store, head: &Head, new: &NewRecord) -> Result<bool, LedgerError> {
    let Some(key) = &head.key else { return Ok(false) };
    let Some((bytes, _)) = store.read(key, DOCUMENT_LIMIT).await? else { return Ok(false) };
    let Ok(mut there) = serde_json::from_slice::<Map<String, Value>>(&bytes) else {
        return Ok(false);
    };
    for member in ["prev_hash", "event_hash", "supersedes"] {
        there.remove(member);
    }
    Ok(canonical_json(&there)? == canonical_json(&body(new))?)
}
