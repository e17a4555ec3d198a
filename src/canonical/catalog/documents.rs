use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::Value;

use super::rdf::Rdf;
use crate::canonical::json;
use crate::model::{DatasetVersionId, Finding, FindingKind, PARSES};

/// What a document is for, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Dcat,
    Collection,
    Item,
    /// Another document of STAC, such as a catalog.
    Stac,
    Prov,
    Receipt,
    Checksums,
    /// `qa/validation_report.json`.
    Report,
    Release,
    /// Of no concern here.
    Other,
}

/// One document.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) key: String,
    pub(super) role: Role,
    /// `Null` where it does not parse.
    pub(super) json: Value,
    /// The text of a receipt's `spec`, from which its hash is computed.
    pub(super) spec: Option<Box<str>>,
}

/// The catalog documents of one dataset version, parsed.
#[derive(Debug, Clone)]
pub(crate) struct Documents {
    /// The dataset.
    pub(crate) dataset: String,
    /// The version.
    pub(crate) version: DatasetVersionId,
    /// The keys of all that is known to be there, read or not.
    keys: BTreeSet<String>,
    all: Vec<Document>,
    pub(super) dcat: Option<Rdf>,
    pub(super) prov: Option<Rdf>,
}

impl Documents {
    /// Parses the documents of a version, given by key; says which do not parse and which are
    /// not there.
    pub(crate) fn parse(
        dataset: &str,
        version: &DatasetVersionId,
        bytes: &[(String, Bytes)],
    ) -> (Self, Vec<Finding>) {
        let mut documents = Self {
            dataset: dataset.to_owned(),
            version: version.clone(),
            keys: bytes.iter().map(|(key, _)| key.clone()).collect(),
            all: Vec::new(),
            dcat: None,
            prov: None,
        };
        let mut findings = Vec::new();
        for (key, bytes) in bytes {
            let role = documents.role_of(key);
            if role != Role::Other {
                documents.add(key, role, bytes, &mut findings);
            }
        }
        documents.all.sort_by(|a, b| (a.role, &a.key).cmp(&(b.role, &b.key)));
        for (role, key) in documents.required() {
            if documents.of(role).next().is_none() {
                let hint = "every dataset version has this document: restore it from a snapshot";
                findings.push(Finding::blocking(FindingKind::Missing, hint).at(key));
            }
        }
        let version = Some(version);
        let findings = findings.into_iter().map(|finding| finding.of_version(version)).collect();
        (documents, findings)
    }

    fn add(&mut self, key: &str, role: Role, bytes: &Bytes, findings: &mut Vec<Finding>) {
        let invalid = |hint: String| Finding::blocking(FindingKind::SchemaInvalid, hint).at(key);
        let unparsed = |hint: String| invalid(hint).differs(PARSES, "one that does not");
        let json = json::parse(bytes).unwrap_or_else(|error| {
            findings.push(unparsed(format!("the document is no JSON: {error}")));
            Value::Null
        });
        if matches!(role, Role::Dcat | Role::Prov) && !json.is_null() {
            match Rdf::read(key, json.clone()) {
                Ok((rdf, problems)) => {
                    findings.extend(problems.into_iter().map(invalid));
                    *(if role == Role::Dcat { &mut self.dcat } else { &mut self.prov }) = Some(rdf);
                }
                Err(why) => findings
                    .push(unparsed(format!("the document is no JSON-LD that can be read: {why}"))),
            }
        }
        let spec = (role == Role::Receipt).then(|| json::member(bytes, "spec")).flatten();
        self.all.push(Document { key: key.to_owned(), role, json, spec: spec.map(Into::into) });
    }

    fn required(&self) -> [(Role, String); 5] {
        let catalog = self.prefix("catalog");
        [
            (Role::Dcat, format!("{catalog}dcat.jsonld")),
            (Role::Collection, format!("{catalog}stac/collection.json")),
            (Role::Prov, format!("{catalog}prov/bundle.jsonld")),
            (Role::Receipt, format!("{catalog}receipts/run_receipt.json")),
            (Role::Checksums, format!("{}checksums.json", self.prefix("processed"))),
        ]
    }

    fn role_of(&self, key: &str) -> Role {
        if let Some((role, _)) = self.required().iter().find(|(_, required)| required == key) {
            return *role;
        }
        if key == format!("{}release.json", self.prefix("releases")) {
            return Role::Release;
        }
        if key == format!("{}qa/validation_report.json", self.prefix("processed")) {
            return Role::Report;
        }
        let stac = format!("{}stac/", self.prefix("catalog"));
        match key.strip_prefix(&stac).and_then(|name| name.strip_suffix(".json")) {
            Some(name) if name.starts_with("items/") => Role::Item,
            Some(_) => Role::Stac,
            None => Role::Other,
        }
    }

    /// `<zone>/<dataset>/<version>/`.
    pub(super) fn prefix(&self, zone: &str) -> String {
        format!("{zone}/{}/{}/", self.dataset, self.version)
    }

    /// Adds the keys of objects that are there and that nobody read.
    pub(super) fn with_objects(mut self, keys: impl IntoIterator<Item = String>) -> Self {
        self.keys.extend(keys);
        self
    }

    /// The keys that are known to be there below `<zone>/<dataset>/<version>/`, sorted.
    pub(super) fn below(&self, zone: &str) -> impl Iterator<Item = &str> {
        let prefix = self.prefix(zone);
        let from = self.keys.range(prefix.clone()..);
        from.map(String::as_str).take_while(move |key| key.starts_with(&prefix))
    }

    /// Whether an object is known to be there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// The documents of a role, by key.
    pub(super) fn of(&self, role: Role) -> impl Iterator<Item = &Document> {
        self.all.iter().filter(move |document| document.role == role)
    }

    /// The one document of a role, or nothing.
    pub(super) fn one(&self, role: Role) -> Option<&Document> {
        self.of(role).next()
    }

    /// The key that the document of a role has or would have.
    pub(super) fn key_of(&self, role: Role) -> String {
        let required = self.required();
        let key = required.iter().find(|(of, _)| *of == role).map(|(_, key)| key.clone());
        key.unwrap_or_else(|| self.prefix("catalog"))
    }
}
