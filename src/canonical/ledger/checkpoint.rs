use std::collections::HashSet;

use serde::Deserialize;

use super::record::{Name, digest_of};
use crate::digest::Digest;
use crate::model::{Finding, FindingKind};

/// Where the checkpoints are: `YYYY/YYYY-MM/audit_checkpoint_YYYY-MM-DD.ndjson` and
/// `.manifest.json`.
pub(super) const CHECKPOINTS: &str = "audit/checkpoints/";

/// The records of one day as they were when the day was closed.
#[derive(Debug, Default)]
pub(super) struct Checkpoint {
    names: HashSet<Name>,
    pub(super) last: Option<Digest>,
}

#[derive(Deserialize)]
struct Line {
    event_hash: Digest,
}

#[derive(Deserialize)]
struct Manifest {
    records: Option<u64>,
    last_event_hash: Option<Digest>,
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
    /// Reads the lines and holds them against their manifest.
    pub(super) fn read(key: &str, lines: &[u8], manifest: Option<&[u8]>) -> (Self, Vec<Finding>) {
        let altered = |hint: &str| Finding::blocking(FindingKind::LedgerAltered, hint).at(key);
        let mut checkpoint = Self::default();
        let mut findings = Vec::new();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if let Ok(line) = serde_json::from_slice::<Line>(line) {
                checkpoint.names.insert(*line.event_hash.as_bytes());
                checkpoint.last = Some(line.event_hash);
            } else {
                findings.push(altered("a line of the checkpoint names no record"));
                break;
            }
        }
        match manifest.map(serde_json::from_slice::<Manifest>) {
            None => findings.push(altered("the checkpoint has no manifest: restore it")),
            Some(Err(_)) => findings.push(altered("the checkpoint's manifest cannot be read")),
            Some(Ok(manifest)) => findings.extend(checkpoint.held_against(&manifest, key, lines)),
        }
        (checkpoint, findings)
    }

    fn held_against(&self, manifest: &Manifest, key: &str, lines: &[u8]) -> Option<Finding> {
        let altered = |hint: &str| Finding::blocking(FindingKind::LedgerAltered, hint).at(key);
        let actual = match manifest.digest.map(|digest| digest.algorithm()) {
            Some(crate::digest::Algorithm::Blake3) => Digest::blake3(lines),
            _ => Digest::sha256(lines),
        };
        if let Some(expected) = manifest.digest.filter(|expected| *expected != actual) {
            let hint = "the checkpoint was changed after it was written: restore it";
            return Some(altered(hint).differs(expected, actual));
        }
        let records = self.names.len() as u64;
        if let Some(expected) = manifest.records.filter(|expected| *expected != records) {
            return Some(
                altered("the checkpoint has other records than its manifest says")
                    .differs(expected, records),
            );
        }
        let last = manifest.last_event_hash.filter(|last| Some(*last) != self.last)?;
        let actual = self.last.map_or_else(|| "nothing".to_owned(), |last| last.to_string());
        Some(altered("the checkpoint ends elsewhere than its manifest says").differs(last, actual))
    }

    /// Says which of its records are not among those of the day.
    pub(super) fn missing(&self, key: &str, present: &HashSet<Name>) -> Option<Finding> {
        let gone: Vec<Name> = self.names.difference(present).copied().collect();
        let example = gone.iter().min()?;
        let hint = format!(
            "{} records that the day's checkpoint knows are gone: restore them from a snapshot",
            gone.len()
        );
        let finding = Finding::blocking(FindingKind::LedgerCut, hint).at(key);
        Some(finding.differs(digest_of(*example), "no such record"))
    }
}
