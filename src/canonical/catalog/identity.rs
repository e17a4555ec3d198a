//! What DCAT and PROV state of the version and its artifacts, and whether they agree.

use std::collections::BTreeMap;

use super::check::Check;
use super::documents::{Documents, Role};
use super::provenance::Provenance;
use super::reference::{Target, follow};
use crate::digest::{Algorithm, Digest};
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
    pub(super) fn dcat_states(&self) -> Option<Vec<Stated>> {
        self.dcat.as_ref()?;
        let read = self.distributions().into_iter().filter_map(|one| {
            Some(Stated { object: one.object?, iri: one.iri, digests: one.digests })
        });
        Some(read.collect())
    }

    /// What PROV states of each entity that is an object of the stores: by its own IRI, or by that
    /// of its distribution. `None` without a document that can be read.
    pub(super) fn prov_states(&self) -> Option<Vec<Stated>> {
        let prov = self.prov.as_ref()?;
        let key = self.key_of(Role::Prov);
        let dcat = self.dcat_states().unwrap_or_default();
        let known: BTreeMap<&str, &str> =
            dcat.iter().map(|one| (one.iri.as_str(), one.object.as_str())).collect();
        let read = |iri: String| {
            let object = match follow(&key, &iri) {
                Target::Object(object) => object,
                Target::Elsewhere => (*known.get(iri.as_str())?).to_owned(),
            };
            let digests = prov.checksums(&iri);
            Some(Stated { object, iri, digests })
        };
        Some(Provenance::of(prov).entities.into_iter().filter_map(read).collect())
    }
}

impl Check<'_> {
    /// DCAT and PROV are of this version, and give artifacts the same digests.
    pub(super) fn identity(&mut self) {
        self.dcat_is_of_version();
        let (dcat, prov) = (self.documents.dcat_states(), self.documents.prov_states());
        let (dcat, prov) = (dcat.unwrap_or_default(), prov.unwrap_or_default());
        let key = self.documents.key_of(Role::Prov);
        for entity in &prov {
            if self.is_gone(&entity.object) {
                let hint = "an entity of the bundle is an object that is not there: restore it";
                let gone = entity.object.as_str();
                self.differ(FindingKind::DanglingLink, &key, hint, gone, "nothing");
            }
            // Where the bytes are known, each document is held against them instead.
            if (self.digests)(&entity.object).is_some() {
                continue;
            }
            let named = dcat.iter().filter(|one| one.object == entity.object);
            let others: Vec<Digest> = named.flat_map(|one| one.digests.clone()).collect();
            for algorithm in [Algorithm::Blake3, Algorithm::Sha256] {
                let of = |digests: &[Digest]| {
                    digests.iter().copied().find(|digest| digest.algorithm() == algorithm)
                };
                if let (Some(dcat), Some(prov)) = (of(&others), of(&entity.digests))
                    && dcat != prov
                {
                    let hint = format!("DCAT and PROV give two digests of {}", entity.object);
                    let (dcat, prov) = (dcat.to_string(), prov.to_string());
                    self.differ(FindingKind::ChecksumMismatch, &key, &hint, dcat, prov);
                }
            }
        }
    }

    /// The DCAT record is named by the version, and says that it is of it.
    fn dcat_is_of_version(&mut self) {
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
