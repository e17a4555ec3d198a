//! The Kansas fixture as dataset versions, for tests.

use std::collections::BTreeMap;
use std::path::Path;

use futures::TryStreamExt;

use crate::digest::Digest;
use crate::model::{Artifact, DatasetVersion, DatasetVersionId, PolicyLabel};
use crate::store::{Location, Pin, Store, Walked};

/// The processed datasets of a platform in KFM's layout, the newest version of each, with the
/// state that they are in.
pub(crate) struct Platform {
    pub(crate) store: Store,
    pub(crate) pins: BTreeMap<String, Pin>,
    pub(crate) versions: BTreeMap<String, DatasetVersion>,
}

impl Platform {
    pub(crate) async fn kansas() -> Self {
        Self::at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/kansas")).await
    }

    pub(crate) async fn at(root: &Path) -> Self {
        let store = Store::open(&Location::of_path(root).unwrap()).unwrap();
        let (mut pins, mut versions) = (BTreeMap::new(), BTreeMap::new());
        let mut walk = store.walk("processed");
        while let Some(Walked::Object(meta)) = walk.try_next().await.unwrap() {
            let parts: Vec<&str> = meta.key.split('/').collect();
            let ["processed", dataset, version, "artifacts", name] = parts[..] else { continue };
            let version: DatasetVersionId = version.parse().unwrap();
            let entry: &mut DatasetVersion = versions
                .entry(dataset.to_owned())
                .or_insert_with(|| describe(root, dataset, &version));
            if entry.version < version {
                *entry = describe(root, dataset, &version);
            }
            let media_type = match name.split_once('.').unwrap().1 {
                "parquet" => "application/vnd.apache.parquet",
                "geojson" => "application/geo+json",
                "geojsons" => "application/geo+json-seq",
                "fgb" => "application/vnd.flatgeobuf",
                "ndjson.gz" => "application/x-ndjson",
                _ => "text/csv",
            };
            let digest = Digest::blake3(&store.read(&meta.key, 1 << 30).await.unwrap().unwrap().0);
            entry.artifacts.push(Artifact {
                key: meta.key.clone(),
                media_type: media_type.to_owned(),
                size: meta.size,
                digest,
                crs: None,
            });
            pins.insert(meta.key, meta.pin);
        }
        Self { store, pins, versions }
    }

    /// A version with only the artifacts of one media type.
    pub(crate) fn only(&self, dataset: &str, media_type: &str) -> DatasetVersion {
        let mut version = self.versions[dataset].clone();
        version.artifacts.retain(|artifact| artifact.media_type == media_type);
        version
    }
}

pub(super) fn describe(root: &Path, dataset: &str, version: &DatasetVersionId) -> DatasetVersion {
    let record = root.join("catalog").join(dataset).join(version.as_str()).join("dcat.jsonld");
    let record = std::fs::read_to_string(record).ok();
    let record = record.map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap());
    let label = record.map(|it| it["kfm:policy_label"].as_str().unwrap().parse().unwrap());
    DatasetVersion {
        dataset: dataset.to_owned(),
        version: version.clone(),
        title: format!("Title of {dataset}"),
        description: format!("What {dataset} is"),
        policy_label: label.or(Some(PolicyLabel::Public)),
        embargo_until: None,
        license: Some("https://creativecommons.org/publicdomain/zero/1.0/".to_owned()),
        rows: None,
        bbox: None,
        time: (None, None),
        columns: Vec::new(),
        artifacts: Vec::new(),
    }
}
