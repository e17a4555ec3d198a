use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value};

use super::record::{GENESIS, Name, RECORDS, digest_of};
use crate::canonical::json;
use crate::digest::{Algorithm, Digest, canonical_json};
use crate::model::{Finding, FindingKind};

/// What the chain is made of: a record reduced to its name and the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: Name,
    pub(super) prev: Name,
    /// Microseconds since 1970; orders what the chain itself does not.
    pub(super) at: i64,
    pub(super) place: Place,
    pub(super) filed: Filed,
    /// On which day of the walk it was met.
    pub(super) day: u32,
    /// What few records say.
    pub(super) notes: Option<Box<Notes>>,
}

/// What few records say beside the chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Notes {
    /// Records that lost the race for the head to this one.
    pub(super) supersedes: Vec<Name>,
    /// The last record that was lost for good before a restore.
    pub(super) lost_head: Option<Name>,
}

/// Where a record stands. Most keys are made of folder, type and name, so that many records share
/// what is kept of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The key up to the digest; the digest is the record's name.
    Named(Arc<str>),
    /// A whole key.
    Odd(Arc<str>),
}

impl Place {
    /// The key of the record `name` that stands there.
    pub(super) fn key(&self, name: Name) -> String {
        match self {
            Self::Named(prefix) => format!("{prefix}{}.json", digest_of(name).hex()),
            Self::Odd(key) => key.to_string(),
        }
    }

    /// The folder.
    pub(super) fn folder(&self) -> &str {
        let (Self::Named(text) | Self::Odd(text)) = self;
        text.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// Whether a record stands in the folder of its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filed {
    /// It does, or does not say when it was made.
    Right,
    /// In that of a later day: right if the record before it stands there too, since a clock that
    /// runs behind does not put a record before the one that it follows.
    Later,
    /// Anywhere else.
    Wrong,
}

/// The folder of a day's records.
pub(super) fn folder_of(day: NaiveDate) -> String {
    format!("{RECORDS}{}", day.format("%Y/%Y-%m/%Y-%m-%d"))
}

/// What a record stands in the wrong place.
pub(super) fn misplaced(key: &str, at: i64) -> Finding {
    let expected = DateTime::from_timestamp_micros(at).map(|at| folder_of(at.date_naive()));
    let hint = "the record does not stand in the folder of its day: somebody moved it";
    let actual = key.rsplit_once('/').map_or("", |(folder, _)| folder);
    Finding::warning(FindingKind::LedgerMisplaced, hint)
        .at(key)
        .differs(expected.unwrap_or_default(), actual)
}

/// Keys that share a beginning share its bytes.
#[derive(Default)]
pub(super) struct Places(Vec<Arc<str>>);

impl Places {
    fn of(&mut self, key: &str, name: Name) -> Place {
        match split(key).filter(|(_, digest)| *digest == name) {
            None => Place::Odd(key.into()),
            Some((prefix, _)) => {
                // A batch has few folders and few types.
                let known = self.0.iter().rev().take(16).find(|known| &***known == prefix);
                Place::Named(known.cloned().unwrap_or_else(|| {
                    self.0.push(prefix.into());
                    self.0[self.0.len() - 1].clone()
                }))
            }
        }
    }
}

/// A key's beginning, and the digest in it.
fn split(key: &str) -> Option<(&str, Name)> {
    let stem = key.strip_suffix(".json")?;
    let at = stem.len().checked_sub(64).filter(|at| stem.is_char_boundary(*at))?;
    let (prefix, hex) = stem.split_at(at);
    let digest: Digest = format!("sha256:{hex}").parse().ok()?;
    prefix.ends_with('_').then_some((prefix, *digest.as_bytes()))
}

/// Reads a record; the findings say what is wrong with it. An altered record is still a link under
/// its name, so that one damaged record is one finding.
pub(super) fn read_link(
    key: &str,
    bytes: &[u8],
    places: &mut Places,
) -> (Option<Link>, Vec<Finding>) {
    match read(key, bytes, places) {
        Ok((link, findings)) => (Some(link), findings),
        Err(finding) => (None, vec![*finding]),
    }
}

fn read(
    key: &str,
    bytes: &[u8],
    places: &mut Places,
) -> Result<(Link, Vec<Finding>), Box<Finding>> {
    let mut record = match json::parse_strict(bytes) {
        Ok(Value::Object(record)) => record,
        Ok(_) => return Err(altered(key, "the record is no JSON object").into()),
        Err(error) => return Err(Box::new(unread(key, &error))),
    };
    let claimed = record.remove("event_hash").as_ref().and_then(read_hash).ok_or_else(|| {
        Box::new(altered(key, "the record has no `event_hash` of the form sha256:<hex>"))
    })?;
    let prev = read_prev(&record).ok_or_else(|| {
        Box::new(altered(key, "the record's `prev_hash` is not of the form sha256:<hex>"))
    })?;
    let named = split(key).map(|(_, digest)| digest);
    let finding = recompute(key, &record, claimed);
    // Of two names the one that the key gives is the likelier, once the record does not recompute.
    let name = match finding {
        Some(_) => named.unwrap_or(*claimed.as_bytes()),
        None => *claimed.as_bytes(),
    };
    let at = time_of(&record);
    let filed = match at {
        Some(at) if finding.is_none() => filed(key, at),
        _ => Filed::Right,
    };
    let mut findings: Vec<Finding> = finding.into_iter().collect();
    findings.extend(named.filter(|named| *named != name).map(|named| misnamed(key, named, name)));
    if let (Filed::Wrong, Some(at)) = (filed, at) {
        findings.push(misplaced(key, at.timestamp_micros()));
    }
    let at = at.map_or(0, |at| at.timestamp_micros());
    let place = places.of(key, name);
    Ok((Link { name, prev, at, place, filed, day: 0, notes: notes(&record) }, findings))
}

fn altered(key: &str, hint: &str) -> Finding {
    let hint = format!("{hint}: restore it from a snapshot");
    Finding::blocking(FindingKind::LedgerAltered, hint).at(key)
}

fn unread(key: &str, error: &json::JsonError) -> Finding {
    altered(key, "the record cannot be read as one document").differs("a JSON object", error)
}

fn recompute(key: &str, record: &Map<String, Value>, claimed: Digest) -> Option<Finding> {
    match canonical_json(record).map(|bytes| Digest::sha256(&bytes)) {
        Ok(actual) if actual == claimed => None,
        Ok(actual) => {
            let hint = "the record was changed after it was written";
            Some(altered(key, hint).differs(claimed, actual))
        }
        Err(error) => {
            Some(altered(key, "the record has no canonical form").differs(claimed, error))
        }
    }
}

fn misnamed(key: &str, named: Name, name: Name) -> Finding {
    let hint = "another record stands under this name: restore it from a snapshot";
    Finding::blocking(FindingKind::LedgerMisnamed, hint)
        .at(key)
        .differs(digest_of(named), digest_of(name))
}

fn filed(key: &str, at: DateTime<Utc>) -> Filed {
    let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
    let right = folder_of(at.date_naive());
    if folder == right {
        return Filed::Right;
    }
    let day = folder.rsplit('/').next().and_then(|day| day.parse::<NaiveDate>().ok());
    match day {
        Some(day) if folder_of(day) == folder && day > at.date_naive() => Filed::Later,
        _ => Filed::Wrong,
    }
}

fn read_hash(value: &Value) -> Option<Digest> {
    let digest: Digest = value.as_str()?.parse().ok()?;
    (digest.algorithm() == Algorithm::Sha256).then_some(digest)
}

fn read_prev(record: &Map<String, Value>) -> Option<Name> {
    match record.get("prev_hash") {
        None | Some(Value::Null) => Some(GENESIS),
        Some(Value::String(text)) if text.is_empty() => Some(GENESIS),
        Some(value) => read_hash(value).map(|digest| *digest.as_bytes()),
    }
}

fn notes(record: &Map<String, Value>) -> Option<Box<Notes>> {
    let name = |value: &Value| read_hash(value).map(|digest| *digest.as_bytes());
    let lost = record.get("supersedes").and_then(Value::as_array);
    let supersedes: Vec<Name> = lost.into_iter().flatten().filter_map(name).collect();
    let lost_head = record.get("last_lost_head").and_then(name);
    let any = !supersedes.is_empty() || lost_head.is_some();
    any.then(|| Box::new(Notes { supersedes, lost_head }))
}

fn time_of(record: &Map<String, Value>) -> Option<DateTime<Utc>> {
    let text = record.get("timestamp")?.as_str()?;
    Some(DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc))
}
