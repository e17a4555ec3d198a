//! Is an acquisition what its `manifest.json` says?

use std::collections::BTreeMap;

use serde_json::Value;

use super::CatalogError;
use super::formats::Format;
use super::parts::Listed;
use super::schema::Schemas;
use crate::digest::{Algorithm, BothDigests};
use crate::model::{Finding, FindingKind, PARSES};

/// Holds the objects of `raw/<dataset>/<acquisition>/` against their manifest. `objects` are all
/// that lie there, the manifest among them; of what cannot be read nothing more is said.
pub(crate) fn check_raw(
    folder: &str,
    manifest: Option<&[u8]>,
    objects: &BTreeMap<String, Option<BothDigests>>,
) -> Result<Vec<Finding>, CatalogError> {
    let mut check = Raw { folder, key: manifest_key(folder), objects, findings: Vec::new() };
    let Some(bytes) = manifest else {
        if objects.contains_key(&check.key) {
            return Ok(check.findings);
        }
        let hint = "every acquisition has a manifest: restore it from a snapshot";
        check.findings.push(Finding::blocking(FindingKind::Missing, hint).at(&check.key));
        return Ok(check.findings);
    };
    match serde_json::from_slice::<Value>(bytes) {
        Ok(json) => {
            check.schema(Schemas::get()?, &json);
            check.names(&json);
            check.listed(&json);
        }
        Err(error) => {
            let hint = format!("the document is no JSON: {error}");
            let finding = Finding::blocking(FindingKind::SchemaInvalid, hint).at(&check.key);
            check.findings.push(finding.differs(PARSES, "one that does not"));
        }
    }
    Ok(check.findings)
}

/// The key of an acquisition's manifest.
pub(crate) fn manifest_key(folder: &str) -> String {
    format!("{}/manifest.json", folder.trim_end_matches('/'))
}

struct Raw<'a> {
    folder: &'a str,
    key: String,
    objects: &'a BTreeMap<String, Option<BothDigests>>,
    findings: Vec<Finding>,
}

impl Raw<'_> {
    fn schema(&mut self, schemas: &Schemas, json: &Value) {
        if let Some(first) = schemas.judge_format(Format::RawManifest, json).first() {
            let hint = format!("the document breaks its schema at {first}");
            self.findings.push(Finding::blocking(FindingKind::SchemaInvalid, hint).at(&self.key));
        }
    }

    /// Dataset and acquisition are those of the folder.
    fn names(&mut self, json: &Value) {
        let mut segments = self.folder.split('/').skip(1);
        for member in ["dataset", "acquisition_id"] {
            let (Some(own), Some(said)) = (segments.next(), json.get(member)) else { continue };
            if said.as_str().is_some_and(|said| said != own) {
                let hint = format!("the manifest gives another {member}: find out which is right");
                let finding = Finding::blocking(FindingKind::DocumentsDisagree, hint).at(&self.key);
                let actual = said.as_str().unwrap_or_default();
                self.findings.push(finding.differs(format!("{own} (its key)"), actual));
            }
        }
    }

    fn listed(&mut self, json: &Value) {
        let folder = format!("{}/", self.folder.trim_end_matches('/'));
        let entries = json.get("artifacts").and_then(Value::as_array).into_iter().flatten();
        let listed: Vec<Listed> =
            entries.filter_map(|entry| Listed::read(&folder, entry)).collect();
        for entry in &listed {
            match self.objects.get(&entry.key) {
                Some(Some(bytes)) => self.hold(entry, bytes),
                Some(None) => {}
                None => {
                    let hint = "the manifest lists it and it is not there: restore it";
                    let finding = Finding::blocking(FindingKind::Missing, hint).at(&entry.key);
                    self.findings.push(finding);
                }
            }
        }
        for key in self.objects.keys().filter(|key| **key != self.key) {
            if !listed.iter().any(|entry| entry.key == *key) {
                let hint = "the manifest does not list it; find out who wrote it";
                self.findings.push(Finding::blocking(FindingKind::Extra, hint).at(key));
            }
        }
    }

    fn hold(&mut self, entry: &Listed, bytes: &BothDigests) {
        let mut differ = |expected: String, actual: String| {
            let hint = format!("what the manifest says of {} is not so of its bytes", entry.key);
            let finding = Finding::blocking(FindingKind::ChecksumMismatch, hint).at(&self.key);
            self.findings.push(finding.differs(expected, actual));
        };
        if let Some(size) = entry.size.filter(|size| *size != bytes.size) {
            differ(size.to_string(), bytes.size.to_string());
        }
        for digest in &entry.digests {
            let actual = match digest.algorithm() {
                Algorithm::Blake3 => bytes.blake3,
                Algorithm::Sha256 => bytes.sha256,
            };
            if *digest != actual {
                differ(digest.to_string(), actual.to_string());
            }
        }
    }
}
