use serde_json::Value;

use super::CatalogError;
use super::documents::{Documents, Role};
use super::formats::Format;
use super::reference::{Target, follow};
use super::schema::Schemas;
use crate::digest::{Algorithm, BothDigests, Digest};
use crate::model::{Finding, FindingKind};

/// What the objects of the stores are: the digests and size of the bytes under a key, or nothing.
pub(crate) type Digests = dyn Fn(&str) -> Option<BothDigests> + Send + Sync;

/// Holds the documents of one version together and against the bytes.
pub(crate) fn check(
    documents: &Documents,
    digests: &Digests,
) -> Result<Vec<Finding>, CatalogError> {
    let schemas = Schemas::get()?;
    let mut check = Check { documents, digests, findings: Vec::new() };
    check.schemas(schemas);
    check.references();
    check.distributions();
    check.provenance();
    check.stac_links();
    check.assets();
    check.claims();
    check.stated_checksums();
    check.versions();
    check.receipt();
    check.findings.extend(documents.label_findings());
    let version = Some(&documents.version);
    Ok(check.findings.into_iter().map(|finding| finding.of_version(version)).collect())
}

/// The documents of one version while they are checked.
pub(super) struct Check<'a> {
    pub(super) documents: &'a Documents,
    pub(super) digests: &'a Digests,
    pub(super) findings: Vec<Finding>,
}

impl Check<'_> {
    /// Adds a finding that blocks.
    pub(super) fn find(&mut self, kind: FindingKind, key: &str, hint: &str) -> &mut Finding {
        self.findings.push(Finding::blocking(kind, hint).at(key));
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    /// Adds a finding that says what should have been and what was.
    pub(super) fn differ(
        &mut self,
        kind: FindingKind,
        key: &str,
        hint: &str,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) {
        let finding = self.find(kind, key, hint);
        finding.expected = Some(expected.into());
        finding.actual = Some(actual.into());
    }

    /// Adds a finding on a reference that should lead to an object of the stores and does not.
    pub(super) fn outside(&mut self, key: &str, hint: &str, reference: &str) {
        let expected = "an object of this store";
        self.differ(FindingKind::DanglingLink, key, hint, expected, reference);
    }

    /// Whether an object is there. Of objects outside the version's own folders nothing is said:
    /// not every check is made over a whole store.
    pub(super) fn is_gone(&self, object: &str) -> bool {
        let own = ["processed", "catalog"].map(|zone| self.documents.prefix(zone));
        let is_there = || self.documents.has(object) || (self.digests)(object).is_some();
        own.iter().any(|prefix| object.starts_with(prefix)) && !is_there()
    }

    /// Holds a digest that the document under `key` gives of an object against its bytes.
    pub(super) fn hold_digest(&mut self, key: &str, object: &str, stated: Digest) {
        let Some(bytes) = (self.digests)(object) else { return };
        let actual = match stated.algorithm() {
            Algorithm::Blake3 => bytes.blake3,
            Algorithm::Sha256 => bytes.sha256,
        };
        if stated != actual {
            let hint = format!("the checksum given of {object} is not that of its bytes");
            let (kind, actual) = (FindingKind::ChecksumMismatch, actual.to_string());
            self.differ(kind, key, &hint, stated.to_string(), actual);
        }
    }

    fn schemas(&mut self, schemas: &Schemas) {
        let documents = self.documents;
        let stac = [Role::Collection, Role::Item, Role::Stac];
        let stac = stac.into_iter().flat_map(|role| documents.of(role));
        for document in stac.filter(|document| !document.json.is_null()) {
            let judgement = schemas.judge(&document.json);
            self.invalid(&document.key, &judgement.errors);
            for url in judgement.unknown {
                let hint = "the extension is not embedded, so its fields are not checked";
                let (kind, expected) = (FindingKind::UnknownExtension, "an embedded extension");
                self.differ(kind, &document.key, hint, expected, url);
            }
        }
        for (role, format) in [
            (Role::Checksums, Format::Checksums),
            (Role::Receipt, Format::RunReceipt),
            (Role::Release, Format::Release),
        ] {
            for document in documents.of(role).filter(|document| !document.json.is_null()) {
                self.invalid(&document.key, &schemas.judge_format(format, &document.json));
            }
        }
    }

    fn invalid(&mut self, key: &str, errors: &[String]) {
        let Some(first) = errors.first() else { return };
        let more = match errors.len() {
            1 => String::new(),
            n => format!("; {} errors more", n - 1),
        };
        let hint = format!("the document breaks its schema at {first}{more}");
        self.find(FindingKind::SchemaInvalid, key, &hint);
    }

    /// JSON-LD resolves a reference that climbs too far to the root, without a word.
    fn references(&mut self) {
        for role in [Role::Dcat, Role::Prov] {
            let Some(document) = self.documents.one(role) else { continue };
            let mut found = Vec::new();
            climbing(&document.key, &document.json, &mut found);
            for reference in found {
                let hint = "a reference climbs above the root of the store: it leads nowhere";
                self.outside(&document.key, hint, &reference);
            }
        }
    }
}

/// The references in a JSON-LD document that climb above the root.
fn climbing(key: &str, json: &Value, found: &mut Vec<String>) {
    match json {
        Value::Array(all) => all.iter().for_each(|one| climbing(key, one, found)),
        Value::Object(members) => {
            for (name, value) in members {
                let is_reference = ["@id", "URL"].iter().any(|end| name.ends_with(end));
                match value.as_str() {
                    Some(text) if is_reference => {
                        let above = Target::Outside(super::reference::Outside::AboveRoot);
                        if follow(key, text) == above {
                            found.push(text.to_owned());
                        }
                    }
                    Some(_) => {}
                    None => climbing(key, value, found),
                }
            }
        }
        _ => {}
    }
}
