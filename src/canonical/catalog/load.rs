use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};

use super::{CatalogError, Documents, describe};
use crate::canonical::CanonicalStores;
use crate::model::{DatasetVersion, DatasetVersionId, Finding, FindingKind, Zone};
use crate::store::Walked;

/// A catalog document larger than this is none.
const DOCUMENT_LIMIT: u64 = 64 << 20;
/// Documents, or versions, read at once.
const READS: usize = 8;

/// A dataset version that the stores know of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Known {
    /// The dataset.
    pub(crate) dataset: String,
    /// The version.
    pub(crate) version: DatasetVersionId,
    /// Whether `releases/` has a document for it.
    pub(crate) released: bool,
}

/// Lists the dataset versions under `catalog/` and `releases/`, sorted.
pub(crate) async fn versions(stores: &CanonicalStores) -> Result<Vec<Known>, CatalogError> {
    let mut found: BTreeMap<(String, DatasetVersionId), bool> = BTreeMap::new();
    for zone in ["catalog", "releases"] {
        let mut walk = stores.of_zone(Zone::Catalog).walk(zone);
        while let Some(walked) = walk.try_next().await? {
            let mut parts = walked.name().splitn(4, '/').skip(1);
            let (Some(dataset), Some(version), Some(_)) =
                (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            if let Ok(version) = version.parse() {
                *found.entry((dataset.to_owned(), version)).or_default() |= zone == "releases";
            }
        }
    }
    let known = |((dataset, version), released)| Known { dataset, version, released };
    Ok(found.into_iter().map(known).collect())
}

/// Reads the documents of a version and what they say of it; `None` where there is neither a DCAT
/// record nor a STAC collection.
pub(crate) async fn read_version(
    stores: &CanonicalStores,
    dataset: &str,
    version: &DatasetVersionId,
) -> Result<(Option<DatasetVersion>, Vec<Finding>, Documents), CatalogError> {
    let (bytes, mut findings) = read_bytes(stores, dataset, version).await?;
    let artifacts = artifacts(stores, dataset, version).await?;
    let (dataset, version) = (dataset.to_owned(), version.clone());
    let parse = move || {
        let (documents, found) = Documents::parse(&dataset, &version, &bytes);
        let documents = documents.with_objects(artifacts);
        findings.extend(found);
        (describe(&documents), findings, documents)
    };
    Ok(tokio::task::spawn_blocking(parse).await?)
}

/// The raw policy label of each version; absent where no document gives one.
pub(crate) async fn labels(
    stores: &CanonicalStores,
    versions: &[(String, DatasetVersionId)],
) -> Result<BTreeMap<(String, DatasetVersionId), String>, CatalogError> {
    let read = futures::stream::iter(versions).map(|(dataset, version)| async move {
        let (_, _, documents) = read_version(stores, dataset, version).await?;
        let label = documents.label();
        Ok::<_, CatalogError>(label.map(|label| ((dataset.clone(), version.clone()), label)))
    });
    let labels: Vec<_> = read.buffered(READS).try_collect().await?;
    Ok(labels.into_iter().flatten().collect())
}

type Read = (Vec<(String, bytes::Bytes)>, Vec<Finding>);

async fn read_bytes(
    stores: &CanonicalStores,
    dataset: &str,
    version: &DatasetVersionId,
) -> Result<Read, CatalogError> {
    let mut findings = Vec::new();
    let mut keys = vec![
        format!("processed/{dataset}/{version}/checksums.json"),
        format!("processed/{dataset}/{version}/qa/validation_report.json"),
        format!("releases/{dataset}/{version}/release.json"),
    ];
    let unreadable = |key: String, why: String| {
        Finding::blocking(FindingKind::Unreadable, why).at(key).of_version(Some(version))
    };
    let mut walk = stores.of_zone(Zone::Catalog).walk(&format!("catalog/{dataset}/{version}"));
    while let Some(walked) = walk.try_next().await? {
        match walked {
            Walked::Object(meta) => keys.push(meta.key),
            Walked::Unreadable { name, why } => findings.push(unreadable(name, why)),
        }
    }
    let mut documents = Vec::with_capacity(keys.len());
    let mut reads = futures::stream::iter(keys)
        .map(|key| async move {
            let read = stores.of_key(&key).read(&key, DOCUMENT_LIMIT).await;
            (key, read)
        })
        .buffered(READS);
    while let Some((key, read)) = reads.next().await {
        match read {
            Ok(Some((bytes, _))) => documents.push((key, bytes)),
            Ok(None) => {}
            Err(error) if error.is_of_one_object() => {
                findings.push(unreadable(key, error.in_full()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((documents, findings))
}

/// The keys of all that lies in the version's processed folder. What cannot be read is named by
/// whoever reads it.
async fn artifacts(
    stores: &CanonicalStores,
    dataset: &str,
    version: &DatasetVersionId,
) -> Result<Vec<String>, CatalogError> {
    let walk = stores.of_zone(Zone::Processed).walk(&format!("processed/{dataset}/{version}"));
    let key = |walked: Walked| walked.name().to_owned();
    Ok(walk.map_ok(key).try_collect().await?)
}
