//! What DCAT and PROV state of the version and its artifacts.

use std::collections::BTreeMap;

use super::check::Check;
use super::documents::{Documents, Role};
use super::parts::Checksum;
use super::provenance::Provenance;
use super::reference::{Target, follow};
use crate::digest::Digest;
use crate::model::{EvidenceRef, FindingKind};

/// What a document states of one artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stated {
    /// The artifact's key in the stores.
    pub(super) object: String,
    /// What the document calls it.
    pub(super) iri: String,
    /// The digests that it gives.
    pub(super) digests: Vec<Digest>,
}

impl Documents {
    /// What DCAT states of each artifact; `None` without a document that can be read.
    fn dcat_states(&self) -> Option<Vec<Stated>> {
        self.dcat.as_ref()?;
        let read = self.distributions().into_iter().filter_map(|one| {
            Some(Stated { object: one.object?, iri: one.iri, digests: known(&one.checksums) })
        });
        Some(read.collect())
    }

    /// What PROV states of each entity that is an object of the stores: by its own IRI, or by that
    /// of its distribution. `None` without a document that can be read.
    pub(super) fn prov_states(&self) -> Option<Vec<Stated>> {
        let prov = self.prov.as_ref()?;
        let key = self.key_of(Role::Prov);
        let dcat = self.dcat_states().unwrap_or_default();
        let named: BTreeMap<&str, &str> =
            dcat.iter().map(|one| (one.iri.as_str(), one.object.as_str())).collect();
        let read = |iri: String| {
            let object = match follow(&key, &iri) {
                Target::Object(object) => object,
                Target::Outside(_) | Target::Elsewhere => (*named.get(iri.as_str())?).to_owned(),
            };
            let digests = known(&prov.checksums(&iri));
            Some(Stated { object, iri, digests })
        };
        Some(Provenance::of(prov).entities.into_iter().filter_map(read).collect())
    }
}

/// The checksums that can be checked.
fn known(checksums: &[Checksum]) -> Vec<Digest> {
    checksums.iter().filter_map(Checksum::digest).collect()
}

impl Check<'_> {
    /// The DCAT record is named by the version, and says that it is of it.
    pub(super) fn identity(&mut self) {
        let documents = self.documents;
        let (Some(rdf), Some(record)) = (&documents.dcat, documents.record()) else { return };
        let key = documents.key_of(Role::Dcat);
        let version = documents.version.as_str();
        let stated = rdf.own_term(&record, &["dataset_version_id", "datasetVersionId"]);
        if let Some(stated) = stated.filter(|stated| stated != version) {
            let hint = "the DCAT record is of another dataset version";
            self.differ(FindingKind::DanglingLink, &key, hint, version, stated);
        }
        if !record.starts_with("dcat://") {
            return;
        }
        let own = matches!(
            record.parse(),
            Ok(EvidenceRef::Dcat { dataset, version, distribution: None })
                if dataset == documents.dataset && version == documents.version
        );
        if !own {
            let hint = "the DCAT record is named as another dataset version";
            let expected = format!("dcat://{}@{version}", documents.dataset);
            self.differ(FindingKind::DanglingLink, &key, hint, expected, record);
        }
    }
}
