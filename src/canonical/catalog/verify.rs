use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use oxigraph::model::{NamedNode, Quad};

use super::lineage::{Lineage, VersionName};
use super::reference::iri_of;
use super::{CatalogError, Digests, Documents, check, read_version};
use crate::canonical::CanonicalStores;
use crate::digest::BothDigests;
use crate::model::{DatasetVersionId, Failure, Finding, FindingKind};

/// Versions checked at once.
const VERSIONS: usize = 4;

/// What is known of the objects that a version was made of.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// What they hash to.
    pub(crate) digests: HashMap<String, BothDigests>,
    /// Those that are not there.
    pub(crate) lost: Vec<String>,
}

/// That an object is not there of which a version was made.
pub(crate) fn lost_source(key: String, version: &DatasetVersionId) -> Finding {
    let hint = "the version was made of it, and it is not there: restore it";
    Finding::blocking(FindingKind::Missing, hint).at(key).of_version(Some(version))
}

/// Proves the catalogs of these versions: every document parses and keeps its schema, every link
/// between DCAT, STAC, PROV, receipt and artifacts closes, every checksum is that of the bytes,
/// and nothing derives from itself, also through other versions.
///
/// The bytes were hashed before; `digests` says what those of the versions are, and `sources` what
/// those of other objects are that documents speak of. Versions are read and checked a few at
/// once, so memory holds the documents of those only, and of all of them the steps of their
/// provenance.
pub(crate) async fn verify<F>(
    stores: &CanonicalStores,
    versions: &[(String, DatasetVersionId)],
    digests: Arc<Digests>,
    sources: impl Fn(BTreeSet<String>) -> F,
) -> Result<Vec<Finding>, Failure>
where
    F: Future<Output = Result<Sources, Failure>>,
{
    let sources = &sources;
    let checks = futures::stream::iter(versions.to_vec()).map(|(dataset, version)| {
        let digests = Arc::clone(&digests);
        async move {
            let (_, mut findings, documents) = read_version(stores, &dataset, &version).await?;
            let Sources { digests: others, lost } = sources(documents.sources()).await?;
            findings.extend(lost.into_iter().map(|key| lost_source(key, &version)));
            let checked = tokio::task::spawn_blocking(move || {
                let steps = documents.lineage();
                let of_key = move |key: &str| digests(key).or_else(|| others.get(key).copied());
                check(&documents, &of_key).map(|found| (found, steps))
            });
            let (found, steps) = checked.await.map_err(CatalogError::from)??;
            findings.extend(found);
            Ok::<_, Failure>((findings, (dataset, version), steps))
        }
    });
    let mut checks = checks.buffered(VERSIONS);
    let (mut findings, mut lineage) = (Vec::new(), Lineage::default());
    while let Some((found, version, steps)) = checks.try_next().await? {
        findings.extend(found);
        lineage.add(version, steps);
    }
    findings.extend(circles(stores, versions, lineage).await?);
    Ok(findings)
}

/// Follows the provenance through versions that were not asked for, as far as the catalog has
/// them, and looks for circles.
async fn circles(
    stores: &CanonicalStores,
    asked: &[VersionName],
    mut lineage: Lineage,
) -> Result<Vec<Finding>, CatalogError> {
    loop {
        let missing = lineage.missing();
        if missing.is_empty() {
            break;
        }
        let mut reads = futures::stream::iter(missing)
            .map(|(dataset, version)| async move {
                let (_, _, documents) = read_version(stores, &dataset, &version).await?;
                Ok::<_, CatalogError>(((dataset, version), documents.lineage()))
            })
            .buffered(VERSIONS);
        while let Some((version, steps)) = reads.try_next().await? {
            lineage.add(version, steps);
        }
    }
    let asked = asked.iter().cloned().collect();
    Ok(tokio::task::spawn_blocking(move || lineage.findings(&asked)).await?)
}

/// Proves the catalog of one version. `digests` is asked for the bytes of the version's own objects
/// and of what else the documents speak of, so that memory holds the digests of one version.
pub(crate) async fn verify_version<F>(
    stores: &CanonicalStores,
    dataset: &str,
    version: &DatasetVersionId,
    digests: impl FnOnce(BTreeSet<String>) -> F,
) -> Result<Vec<Finding>, Failure>
where
    F: Future<Output = Result<HashMap<String, BothDigests>, Failure>>,
{
    let (_, mut findings, documents) = read_version(stores, dataset, version).await?;
    let known = digests(documents.sources()).await?;
    let digests: Box<Digests> = Box::new(move |key: &str| known.get(key).copied());
    let checked = move || check(&documents, &*digests).map(|found| (found, documents.lineage()));
    let checked = tokio::task::spawn_blocking(checked).await.map_err(CatalogError::from)?;
    let (found, steps) = checked?;
    findings.extend(found);
    let (asked, mut lineage) = ([(dataset.to_owned(), version.clone())], Lineage::default());
    lineage.add(asked[0].clone(), steps);
    findings.extend(circles(stores, &asked, lineage).await?);
    Ok(findings)
}

impl Documents {
    /// The triples of DCAT and PROV in one graph named by the version. There are no blank nodes;
    /// the same documents give the same quads, in no particular order.
    pub(crate) fn quads(&self) -> Vec<Quad> {
        let graph = NamedNode::new_unchecked(iri_of(self.prefix("catalog").trim_end_matches('/')));
        [&self.dcat, &self.prov].into_iter().flatten().flat_map(|rdf| rdf.quads(&graph)).collect()
    }
}
