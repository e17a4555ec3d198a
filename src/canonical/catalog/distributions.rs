use super::check::Check;
use super::documents::Role;
use super::rdf::term;
use super::reference::{Target, follow};
use crate::model::FindingKind;

impl Check<'_> {
    /// DCAT: a licence, an object and a checksum for every distribution.
    pub(super) fn distributions(&mut self) {
        let key = self.documents.key_of(Role::Dcat);
        if self.documents.dcat.is_none() {
            return;
        }
        if self.documents.record().is_none() {
            self.find(FindingKind::SchemaInvalid, &key, "the document has no dcat:Dataset");
            return;
        }
        for distribution in &self.documents.distributions() {
            let iri = &distribution.iri;
            if !distribution.licensed {
                let hint = format!("{iri} has no dct:license, nor has its dataset");
                self.find(FindingKind::LicenseMissing, &key, &hint);
            }
            if distribution.object.is_none() {
                let url = distribution.url.as_deref().unwrap_or("nothing");
                let why = match follow(&key, url) {
                    Target::Outside(outside) if distribution.url.is_some() => outside.why(),
                    _ => "leads to no object",
                };
                let hint = format!("the dcat:downloadURL of {iri} {why}");
                self.outside(&key, &hint, url);
            }
            if distribution.checksums.is_empty() {
                let hint = format!("{iri} has no spdx:checksum");
                self.find(FindingKind::SchemaInvalid, &key, &hint);
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
}
