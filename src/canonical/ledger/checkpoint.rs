use std::collections::HashMap;

use bytes::BytesMut;
use futures::TryStreamExt;
use serde::Deserialize;

use super::record::{DOCUMENT_LIMIT, Name, digest_of};
use super::watch::mismatch;
use crate::canonical::json;
use crate::digest::{Algorithm, BothDigests, BothHashers, Digest};
use crate::model::{Finding, FindingKind};
use crate::store::{Store, StoreError};

/// Where the checkpoints are: `YYYY/YYYY-MM/audit_checkpoint_YYYY-MM-DD.ndjson` and
/// `.manifest.json`.
pub(super) const CHECKPOINTS: &str = "audit/checkpoints/";

/// A line names one record; a longer one is none.
const LINE_LIMIT: usize = 64 << 10;

/// The records of one day as they were when the day was closed.
#[derive(Debug, Default)]
pub(super) struct Checkpoint {
    /// The key of the lines.
    pub(super) key: String,
    /// The records, each with its line from 0.
    pub(super) lines: HashMap<Name, u32>,
    /// The record before the first, where the manifest tells.
    pub(super) before: Option<Name>,
    first: Option<Name>,
    last: Option<Name>,
}

#[derive(Deserialize)]
struct Line {
    event_hash: Digest,
}

#[derive(Default, Deserialize)]
struct Manifest {
    date: Option<String>,
    records: Option<u64>,
    first_event_hash: Option<Digest>,
    last_event_hash: Option<Digest>,
    prev_hash: Option<Digest>,
    digest: Option<Digest>,
}

/// The day of a checkpoint's key, such as `2026-02-10`.
pub(super) fn day_of(key: &str) -> Option<&str> {
    let name = key.rsplit('/').next()?.strip_prefix("audit_checkpoint_")?;
    name.strip_suffix(".ndjson").or_else(|| name.strip_suffix(".manifest.json"))
}

/// The key of the lines and that of their manifest.
pub(super) fn keys_of(day: &str) -> (String, String) {
    let month = day.get(..7).unwrap_or(day);
    let year = day.get(..4).unwrap_or(day);
    let base = format!("{CHECKPOINTS}{year}/{month}/audit_checkpoint_{day}");
    (format!("{base}.ndjson"), format!("{base}.manifest.json"))
}

impl Checkpoint {
    /// Reads the checkpoint of a day as a stream and holds its lines against their manifest.
    pub(super) async fn read(
        store: &Store,
        day: &str,
    ) -> Result<(Option<Self>, Vec<Finding>), StoreError> {
        let (key, manifest_key) = keys_of(day);
        let mut findings = Vec::new();
        let manifest = match read_manifest(store, &manifest_key).await? {
            Ok(manifest) => manifest,
            Err(finding) => {
                findings.push(*finding);
                Manifest::default()
            }
        };
        let mut lines = Lines::default();
        match lines.read(store, &key).await {
            Ok(true) => {}
            Ok(false) => {
                let hint = "the checkpoint's manifest is there and its lines are not: restore them";
                findings.push(Finding::blocking(FindingKind::Missing, hint).at(key));
                return Ok((None, findings));
            }
            Err(error) if error.is_of_one_object() => {
                let hint = error.in_full();
                findings.push(Finding::blocking(FindingKind::Unreadable, hint).at(key));
                return Ok((None, findings));
            }
            Err(error) => return Err(error),
        }
        let digests = lines.hashers.finish();
        let mut checkpoint = lines.checkpoint;
        checkpoint.key = key;
        checkpoint.before = manifest.prev_hash.map(|prev| *prev.as_bytes());
        findings.extend(lines.torn.map(|torn| torn.of(&checkpoint.key)));
        // What is torn differs from its manifest in every way; once is enough.
        if findings.is_empty() {
            findings.extend(checkpoint.against(&manifest, day, &digests));
        }
        Ok((Some(checkpoint), findings))
    }

    /// The newest record that it knows.
    pub(super) fn last(&self) -> Option<Name> {
        self.last
    }

    fn against(&self, manifest: &Manifest, day: &str, digests: &BothDigests) -> Option<Finding> {
        let actual = match manifest.digest.map(|digest| digest.algorithm()) {
            Some(Algorithm::Blake3) => digests.blake3,
            _ => digests.sha256,
        };
        if let Some(expected) = manifest.digest.filter(|expected| *expected != actual) {
            let hint = "the checkpoint was changed after it was written";
            return Some(mismatch(&self.key, hint).differs(expected, actual));
        }
        if let Some(date) = manifest.date.as_deref().filter(|date| *date != day) {
            let hint = "the checkpoint's manifest is that of another day";
            return Some(mismatch(&self.key, hint).differs(day, date));
        }
        let records = self.lines.len() as u64;
        if let Some(expected) = manifest.records.filter(|expected| *expected != records) {
            let hint = "the checkpoint has other records than its manifest says";
            return Some(mismatch(&self.key, hint).differs(expected, records));
        }
        let ends = [
            ("starts", manifest.first_event_hash, self.first),
            ("ends", manifest.last_event_hash, self.last),
        ];
        ends.into_iter().find_map(|(what, expected, actual)| {
            let actual = actual.map(digest_of);
            let expected = expected.filter(|expected| Some(*expected) != actual)?;
            let hint = format!("the checkpoint {what} elsewhere than its manifest says");
            let actual = actual.map_or_else(|| "nothing".to_owned(), |actual| actual.to_string());
            Some(mismatch(&self.key, &hint).differs(expected, actual))
        })
    }
}

async fn read_manifest(
    store: &Store,
    key: &str,
) -> Result<Result<Manifest, Box<Finding>>, StoreError> {
    let hint = "the checkpoint's manifest cannot be read";
    let bytes = match store.read(key, DOCUMENT_LIMIT).await {
        Ok(Some((bytes, _))) => bytes,
        Ok(None) => {
            let finding = mismatch(key, "the checkpoint has no manifest");
            return Ok(Err(Box::new(finding.differs("a manifest", "nothing"))));
        }
        Err(error) if error.is_of_one_object() => {
            return Ok(Err(Box::new(mismatch(key, hint).differs("a manifest", error.in_full()))));
        }
        Err(error) => return Err(error),
    };
    let read = || -> Result<Manifest, String> {
        let value = json::parse_strict(&bytes).map_err(|error| error.to_string())?;
        Manifest::deserialize(value).map_err(|error| error.to_string())
    };
    Ok(read().map_err(|why| Box::new(mismatch(key, hint).differs("a manifest", why))))
}

/// The lines while they are read.
#[derive(Default)]
struct Lines {
    checkpoint: Checkpoint,
    hashers: BothHashers,
    left: BytesMut,
    count: u32,
    torn: Option<Torn>,
}

/// A line that is none.
struct Torn {
    line: u32,
    why: String,
}

impl Torn {
    fn of(&self, key: &str) -> Finding {
        let hint = format!("line {} of the checkpoint names no record of its own", self.line);
        mismatch(key, &hint).differs("a line with one `event_hash`", &self.why)
    }
}

impl Lines {
    /// Says whether the object is there.
    async fn read(&mut self, store: &Store, key: &str) -> Result<bool, StoreError> {
        let Some((_, mut bytes)) = store.stream(key, None).await? else { return Ok(false) };
        while let Some(part) = bytes.try_next().await? {
            self.hashers.update(&part);
            self.left.extend_from_slice(&part);
            while let Some(end) = self.left.iter().position(|byte| *byte == b'\n') {
                let line = self.left.split_to(end + 1);
                self.take(&line[..end]);
            }
            if self.left.len() > LINE_LIMIT {
                self.tear("it does not end");
                self.left.clear();
            }
        }
        let rest = std::mem::take(&mut self.left);
        self.take(&rest);
        Ok(true)
    }

    fn take(&mut self, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        self.count += 1;
        let read = || -> Result<Line, String> {
            let value = json::parse_strict(line).map_err(|error| error.to_string())?;
            Line::deserialize(value).map_err(|error| error.to_string())
        };
        match read() {
            Ok(line) => {
                let name = *line.event_hash.as_bytes();
                let at = u32::try_from(self.checkpoint.lines.len()).unwrap_or(u32::MAX);
                if *self.checkpoint.lines.entry(name).or_insert(at) != at {
                    self.tear("its record stands on a line before");
                }
                self.checkpoint.first = self.checkpoint.first.or(Some(name));
                self.checkpoint.last = Some(name);
            }
            Err(why) => self.tear(&why),
        }
    }

    fn tear(&mut self, why: &str) {
        if self.torn.is_none() {
            self.torn = Some(Torn { line: self.count, why: why.to_owned() });
        }
    }
}
