use std::collections::BTreeSet;

use serde_json::Value;

use super::check::Check;
use super::documents::{Document, Role};
use super::rdf::term;
use super::reference::{Target, follow};
use crate::model::FindingKind;

impl Check<'_> {
    /// DCAT: a licence, an object and a checksum for every distribution, and a distribution for
    /// every artifact.
    pub(super) fn distributions(&mut self) {
        let key = self.documents.key_of(Role::Dcat);
        if self.documents.dcat.is_none() {
            return;
        }
        if self.documents.record().is_none() {
            self.find(FindingKind::SchemaInvalid, &key, "the document has no dcat:Dataset");
            return;
        }
        let distributions = self.documents.distributions();
        let named: BTreeSet<&str> =
            distributions.iter().filter_map(|one| one.object.as_deref()).collect();
        for listed in self.documents.listed() {
            if !named.contains(listed.key.as_str()) {
                let hint = "the artifact has no dcat:distribution: the catalog does not know it";
                self.differ(FindingKind::DanglingLink, &key, hint, &listed.key, "nothing");
            }
        }
        for distribution in &distributions {
            let iri = &distribution.iri;
            if !distribution.licensed {
                let hint = format!("{iri} has no dct:license, nor has its dataset");
                self.find(FindingKind::LicenseMissing, &key, &hint);
            }
            let Some(object) = &distribution.object else {
                let hint = format!("{iri} has no dcat:downloadURL that leads to an object");
                self.find(FindingKind::DanglingLink, &key, &hint);
                continue;
            };
            if self.is_gone(object) {
                let hint = format!("{iri} leads to an object that is not there: restore it");
                self.differ(FindingKind::DanglingLink, &key, &hint, object, "nothing");
            }
            if distribution.digests.is_empty() {
                let hint = format!("{iri} has no spdx:checksum that is BLAKE3 or SHA-256");
                self.find(FindingKind::SchemaInvalid, &key, &hint);
            }
            self.hold_size(&key, object, distribution.size);
            for digest in &distribution.digests {
                self.hold_digest(&key, object, *digest);
            }
        }
    }

    /// DCAT `prov:wasGeneratedBy` leads to an activity of the PROV bundle.
    pub(super) fn provenance(&mut self) {
        let documents = self.documents;
        let (Some(dcat), Some(record)) = (&documents.dcat, documents.record()) else { return };
        let key = documents.key_of(Role::Dcat);
        let runs = dcat.objects(&record, term::GENERATED_BY);
        if runs.is_empty() {
            let hint = "the dataset does not say which activity generated it";
            self.find(FindingKind::ProvenanceIncomplete, &key, hint);
        }
        let Some(prov) = &documents.prov else { return };
        let activities = prov.of_type(term::ACTIVITY);
        for run in runs.iter().filter(|run| !activities.contains(run)) {
            let hint = "prov:wasGeneratedBy leads to no activity of the provenance bundle";
            let actual = activities.first().map_or("no activity", String::as_str);
            self.differ(FindingKind::DanglingLink, &key, hint, run, actual);
        }
    }

    /// STAC: the collection is described by DCAT and knows its items; an item knows its
    /// collection and its run receipt.
    pub(super) fn stac_links(&mut self) {
        let documents = self.documents;
        let (dcat, receipt) = (documents.key_of(Role::Dcat), documents.key_of(Role::Receipt));
        let collection_key = documents.key_of(Role::Collection);
        if let Some(collection) = documents.one(Role::Collection).filter(|one| one.json.is_object())
        {
            self.link(collection, "`describedby`", &dcat, |rel| rel == "describedby");
            self.followed(collection);
            let named: Vec<_> = linked(collection, |rel| rel == "item").collect();
            for item in documents.of(Role::Item).filter(|item| !named.contains(&item.key)) {
                let hint = "the collection has no link to this item: readers do not find it";
                self.differ(FindingKind::DanglingLink, &collection_key, hint, &item.key, "nothing");
            }
        }
        for item in documents.of(Role::Item).filter(|item| item.json.is_object()) {
            self.link(item, "to its run receipt", &receipt, |_| true);
            self.link(item, "`collection`", &collection_key, |rel| rel == "collection");
            self.followed(item);
        }
    }

    /// Says so when a document has no link of the kind to `target`.
    fn link(&mut self, from: &Document, kind: &str, target: &str, is: fn(&str) -> bool) {
        let mut links = linked(from, is);
        if !links.any(|link| link == target) {
            let actual = linked(from, is).next().unwrap_or_else(|| "nothing".to_owned());
            let hint = format!("the link {kind} is missing or leads elsewhere");
            self.differ(FindingKind::DanglingLink, &from.key, &hint, target, actual);
        }
    }

    /// Follows every link of a document into the version's own folders.
    fn followed(&mut self, from: &Document) {
        for target in
            linked(from, |_| true).filter(|target| self.is_gone(target)).collect::<Vec<_>>()
        {
            let hint = "a link leads to an object that is not there: restore it";
            self.differ(FindingKind::DanglingLink, &from.key, hint, target, "nothing");
        }
    }
}

/// The objects that a document's links of some kind lead to.
fn linked(from: &Document, is: fn(&str) -> bool) -> impl Iterator<Item = String> {
    let links = from.json.get("links").and_then(Value::as_array);
    links.into_iter().flatten().filter_map(move |link| {
        let text = |member: &str| link.get(member).and_then(Value::as_str);
        if !is(text("rel")?) {
            return None;
        }
        match follow(&from.key, text("href")?) {
            Target::Object(key) => Some(key),
            Target::Elsewhere => None,
        }
    })
}
