//! What evidence references may lead to, over many versions at once.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::Value;

use super::documents::{Documents, Role};
use super::rdf::term;
use crate::digest::{Algorithm, Digest};
use crate::model::{DatasetVersionId, EvidenceRef};

/// All that the catalogs of some versions offer as evidence.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    records: BTreeSet<(String, DatasetVersionId)>,
    distributions: BTreeSet<String>,
    /// Assets by collection and item.
    items: BTreeMap<(String, String), BTreeSet<String>>,
    runs: BTreeSet<String>,
    digests: HashSet<Digest>,
}

impl Offers {
    /// Takes up what the documents of a version offer.
    pub(crate) fn add(&mut self, documents: &Documents) {
        if documents.record().is_some() {
            self.records.insert((documents.dataset.clone(), documents.version.clone()));
        }
        self.distributions.extend(documents.distributions().into_iter().map(|one| one.iri));
        self.add_items(documents);
        let activities = documents.prov.as_ref().map(|prov| prov.of_type(term::ACTIVITY));
        self.runs.extend(
            activities
                .into_iter()
                .flatten()
                .map(|iri| iri.strip_prefix("kfm://run/").map(str::to_owned).unwrap_or(iri)),
        );
        self.digests.extend(documents.listed().into_iter().flat_map(|listed| listed.digests));
        self.digests.extend(documents.stated());
    }

    fn add_items(&mut self, documents: &Documents) {
        let text = |json: &Value| Some(json.get("id")?.as_str()?.to_owned());
        let collection = documents.one(Role::Collection).and_then(|one| text(&one.json));
        let Some(collection) = collection else { return };
        for item in documents.of(Role::Item) {
            let Some(id) = text(&item.json) else { continue };
            let assets = item.json.get("assets").and_then(Value::as_object);
            let assets = assets.into_iter().flat_map(|assets| assets.keys().cloned());
            self.items.entry((collection.clone(), id)).or_default().extend(assets);
        }
    }

    /// Whether a reference leads to something of these versions. Of the graph nobody can tell.
    pub(crate) fn resolves(&self, reference: &EvidenceRef) -> bool {
        match reference {
            EvidenceRef::Dcat { dataset, version, distribution: None } => {
                self.records.contains(&(dataset.clone(), version.clone()))
            }
            EvidenceRef::Dcat { .. } => self.distributions.contains(&reference.to_string()),
            EvidenceRef::Stac { collection, item, asset } => {
                let found = self.items.get(&(collection.clone(), item.clone()));
                found.is_some_and(|assets| asset.as_ref().is_none_or(|name| assets.contains(name)))
            }
            EvidenceRef::Prov { run } => self.runs.contains(run),
            EvidenceRef::Doc { digest, .. } => self.digests.contains(digest),
            EvidenceRef::Graph { .. } => true,
        }
    }
}

impl Documents {
    /// The SHA-256 that the receipt gives of what went in, what came out, and the report on it.
    fn stated(&self) -> Vec<Digest> {
        let Some(receipt) = self.one(Role::Receipt).map(|one| &one.json) else {
            return Vec::new();
        };
        let entries = ["inputs", "outputs"].into_iter().flat_map(|member| {
            let entries = receipt.get(member).and_then(Value::as_array);
            entries.into_iter().flatten().filter_map(|entry| entry.get("digest")?.as_str())
        });
        let report = receipt.pointer("/validation/report_digest").and_then(Value::as_str);
        let digests = entries.chain(report).filter_map(|text| text.parse::<Digest>().ok());
        digests.filter(|digest| digest.algorithm() == Algorithm::Sha256).collect()
    }
}
