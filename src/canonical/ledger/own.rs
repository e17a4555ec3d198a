//! Was an entry appended before? A writer that was killed asks this on its second try.

use std::collections::HashMap;

use chrono::{NaiveDate, Utc};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Map, Value};

use super::append::NewRecord;
use super::error::LedgerError;
use super::link::{Link, Places, folder_of, read_link};
use super::record::{DOCUMENT_LIMIT, GENESIS, Head, Name, RECORDS};
use crate::canonical::json;
use crate::store::{Store, StoreError, Walked};

/// Records read at once.
const READS: usize = 16;

/// A record that says what is to be appended.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) name: Name,
    pub(super) prev: Name,
    pub(super) key: String,
    pub(super) timestamp: Option<String>,
}

/// Finds the records that say what is to be appended, in the chain or lost. They can only stand in
/// the folder of the entry's day or a later one, and their type is in their names.
pub(super) async fn find(
    store: &Store,
    new: &NewRecord,
    head: &Head,
) -> Result<Vec<Own>, LedgerError> {
    let prefix = format!("{}_", new.event_type);
    let mut found = Vec::new();
    for day in days(new, head) {
        let mut walk = store.walk(&folder_of(day));
        while let Some(walked) = walk.try_next().await? {
            let Walked::Object(meta) = walked else { continue };
            let name = meta.key.rsplit('/').next().unwrap_or_default();
            if !name.starts_with(&prefix) {
                continue;
            }
            if let Some((bytes, _)) = store.read(&meta.key, DOCUMENT_LIMIT).await? {
                found.extend(read_own(new, meta.key, &bytes));
            }
        }
    }
    Ok(found)
}

/// Whether all that a ledger without a head has is the first record, which the entry is.
pub(super) async fn is_first(store: &Store, new: &NewRecord) -> Result<bool, LedgerError> {
    let some: Vec<Walked> = store.walk(RECORDS).take(2).try_collect().await?;
    let [Walked::Object(meta)] = &some[..] else { return Ok(some.is_empty()) };
    let read = store.read(&meta.key, DOCUMENT_LIMIT).await?;
    let own = read.and_then(|(bytes, _)| read_own(new, meta.key.clone(), &bytes));
    Ok(own.is_some_and(|own| own.prev == GENESIS))
}

/// Says how many records follow `own` in the chain that ends at the head; `None` if it is not in
/// it. Only the links of the days since are in memory.
pub(super) async fn behind(
    store: &Store,
    new: &NewRecord,
    head: &Head,
    own: Name,
) -> Result<Option<u64>, LedgerError> {
    if own == head.name() {
        return Ok(Some(0));
    }
    let mut before: HashMap<Name, Name> = HashMap::new();
    for day in days(new, head) {
        let keys = store.walk(&folder_of(day)).try_filter_map(|walked| async {
            Ok(match walked {
                Walked::Object(meta) => Some(meta.key),
                Walked::Unreadable { .. } => None,
            })
        });
        let links = keys.map_ok(|key| async move {
            let read = store.read(&key, DOCUMENT_LIMIT).await?;
            Ok::<_, StoreError>(read.and_then(|(bytes, _)| whole(&key, &bytes)))
        });
        let mut links = links.try_buffered(READS).boxed();
        while let Some(link) = links.try_next().await? {
            before.extend(link.map(|link| (link.name, link.prev)));
        }
    }
    let (mut at, mut steps) = (head.name(), 0);
    while at != own {
        // Taken out, so that a circle ends.
        let Some(prev) = before.remove(&at) else { return Ok(None) };
        at = prev;
        steps += 1;
    }
    Ok(Some(steps))
}

/// The days in which the entry may stand: no record is put before the one that it follows.
fn days(new: &NewRecord, head: &Head) -> impl Iterator<Item = NaiveDate> {
    let first = new.timestamp.date_naive();
    let of_key = head.key.as_deref().and_then(|key| {
        let folder = key.strip_prefix(RECORDS)?.rsplit_once('/')?.0;
        folder.rsplit('/').next()?.parse::<NaiveDate>().ok()
    });
    let last = of_key.or_else(|| head.time().map(|time| time.date_naive()));
    let last = last.unwrap_or_else(|| Utc::now().date_naive()).max(first);
    first.iter_days().take_while(move |day| *day <= last)
}

/// A record that is what its name says.
fn whole(key: &str, bytes: &[u8]) -> Option<Link> {
    let (link, findings) = read_link(key, bytes, &mut Places::default());
    link.filter(|_| !findings.iter().any(crate::model::Finding::blocks))
}

fn read_own(new: &NewRecord, key: String, bytes: &[u8]) -> Option<Own> {
    let link = whole(&key, bytes)?;
    let Ok(Value::Object(record)) = json::parse_strict(bytes) else { return None };
    let timestamp = record.get("timestamp").and_then(Value::as_str).map(str::to_owned);
    is_same(new, &record).then_some(Own { name: link.name, prev: link.prev, key, timestamp })
}

/// One run makes one record of a type for one receipt.
fn is_same(new: &NewRecord, record: &Map<String, Value>) -> bool {
    let text = |member: &str| record.get(member).and_then(Value::as_str);
    text("audit_ref") == Some(&new.audit_ref)
        && text("event_type") == Some(&new.event_type)
        && record.get("receipt_digest") == new.extra.get("receipt_digest")
}
