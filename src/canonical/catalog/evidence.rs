//! Do the evidence references of a release lead to what the catalog holds?

use serde_json::Value;

use super::check::Check;
use super::documents::{Documents, Role};
use super::rdf::term;
use crate::digest::{Algorithm, Digest};
use crate::model::{EvidenceRef, Finding, FindingKind};

impl Documents {
    /// Whether a reference leads to something of this version; `None` where it is of none or of
    /// another one.
    pub(super) fn resolves(&self, reference: &EvidenceRef) -> Option<bool> {
        match reference {
            EvidenceRef::Dcat { dataset, version, distribution } => {
                (*dataset == self.dataset && *version == self.version).then_some(())?;
                let record = self.record()?;
                let Some(name) = distribution else { return Some(true) };
                let iri = format!("{record}#dist={name}");
                let is_it = |one: &super::parts::Distribution| {
                    one.iri == iri || reference.to_string() == one.iri
                };
                Some(self.distributions().iter().any(is_it))
            }
            EvidenceRef::Stac { collection, item, asset } => {
                let id = |json: &Value| Some(json.get("id")?.as_str()?.to_owned());
                let own = self.one(Role::Collection).and_then(|one| id(&one.json));
                (own.as_ref() == Some(collection)).then_some(())?;
                let of_id = |json: &&Value| id(json).as_ref() == Some(item);
                let Some(found) = self.of(Role::Item).map(|one| &one.json).find(of_id) else {
                    return Some(false);
                };
                let Some(name) = asset else { return Some(true) };
                Some(found.pointer("/assets").is_some_and(|assets| assets.get(name).is_some()))
            }
            EvidenceRef::Prov { run } => {
                let activities = self.prov.as_ref()?.of_type(term::ACTIVITY);
                let is_it = |iri: &String| {
                    iri == run || iri.strip_prefix("kfm://run/").is_some_and(|id| id == run)
                };
                activities.iter().any(is_it).then_some(true)
            }
            EvidenceRef::Doc { digest, .. } => self.gives(*digest).then_some(true),
            EvidenceRef::Graph { .. } => None,
        }
    }

    /// Whether `checksums.json` or the receipt gives the digest.
    fn gives(&self, digest: Digest) -> bool {
        let text = digest.to_string();
        let receipt = self.one(Role::Receipt).map(|one| &one.json);
        let said = |place: &str| receipt.and_then(|json| json.pointer(place)?.as_str());
        let entries = ["inputs", "outputs"].into_iter().flat_map(|member| {
            let entries = receipt.and_then(|json| json.get(member)?.as_array());
            entries.into_iter().flatten().filter_map(|entry| entry.get("digest")?.as_str())
        });
        self.listed().iter().any(|listed| listed.digests.contains(&digest))
            || digest.algorithm() == Algorithm::Sha256
                && (said("/validation/report_digest") == Some(&text)
                    || entries.into_iter().any(|entry| entry == text))
    }
}

impl Check<'_> {
    /// The evidence references of the release can be read, and those of this version lead
    /// somewhere. They hold nothing back: a release is a view.
    pub(super) fn evidence(&mut self) {
        let documents = self.documents;
        let Some(release) = documents.one(Role::Release) else { return };
        let listed = release.json.get("evidence_refs").and_then(Value::as_array);
        for reference in listed.into_iter().flatten() {
            let text = reference.as_str().map_or_else(|| reference.to_string(), str::to_owned);
            let (hint, expected) = match text.parse::<EvidenceRef>() {
                Err(error) => (error.to_string(), "an evidence reference"),
                Ok(read) if documents.resolves(&read) == Some(false) => {
                    let hint = "the evidence reference leads to nothing that the catalog has";
                    (hint.to_owned(), "something of the catalog")
                }
                Ok(_) => continue,
            };
            let finding = Finding::warning(FindingKind::DanglingLink, hint);
            self.findings.push(finding.at(&release.key).differs(expected, text));
        }
    }
}
