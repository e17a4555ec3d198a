use super::CatalogError;
use super::documents::{Documents, Role};
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
    check.distributions();
    check.provenance();
    check.stac_links();
    check.assets();
    check.listed();
    check.stated_checksums();
    check.receipt();
    check.spec();
    check.identity();
    check.provenance_constraints();
    check.evidence();
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
            self.differ(
                FindingKind::ChecksumMismatch,
                key,
                &hint,
                stated.to_string(),
                actual.to_string(),
            );
        }
    }

    /// Holds a size that the document under `key` gives of an object against its bytes.
    pub(super) fn hold_size(&mut self, key: &str, object: &str, stated: Option<u64>) {
        let (Some(stated), Some(bytes)) = (stated, (self.digests)(object)) else { return };
        if stated != bytes.size {
            let hint = format!("the size given of {object} is not that of its bytes");
            self.differ(
                FindingKind::ChecksumMismatch,
                key,
                &hint,
                stated.to_string(),
                bytes.size.to_string(),
            );
        }
    }

    fn schemas(&mut self, schemas: &Schemas) {
        let documents = self.documents;
        let stac = documents.of(Role::Collection).chain(documents.of(Role::Item));
        for document in stac.filter(|document| !document.json.is_null()) {
            let judgement = schemas.judge(&document.json);
            if let Some(first) = judgement.errors.first() {
                let more = judgement.errors.len() - 1;
                let hint = format!("the document breaks its schema at {first}; {more} errors more");
                self.find(FindingKind::SchemaInvalid, &document.key, &hint);
            }
            for url in judgement.unknown {
                let hint = "the extension is not embedded, so its fields are not checked";
                self.differ(
                    FindingKind::UnknownExtension,
                    &document.key,
                    hint,
                    "an embedded extension",
                    url,
                );
            }
        }
    }
}
