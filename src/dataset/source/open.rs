use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::prelude::SessionContext;
use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

use super::{csv, geojson, parquet};
use crate::dataset::DatasetError;
use crate::dataset::pinned::{Pinned, PinnedStore};
use crate::model::{Artifact, DatasetVersion};
use crate::store::{Pin, Store};

/// A dataset version that is ready to be queried.
pub(crate) struct Opened {
    pub(crate) provider: Arc<dyn TableProvider>,
    /// The column with the geometry, as WKB.
    pub(crate) geometry: Option<String>,
}

/// The files of one table: all of one form, in the order of their keys.
pub(super) struct Files {
    pub(super) store: Arc<dyn ObjectStore>,
    /// Their plain names in `store`, and their keys for people.
    pub(super) names: Vec<(Path, String)>,
    base: Url,
}

impl Files {
    /// The names as the engine's URLs.
    pub(super) fn urls(&self) -> Result<Vec<ListingTableUrl>, DatasetError> {
        let url = |(name, _): &(Path, String)| {
            ListingTableUrl::parse(format!("{}{name}", self.base)).map_err(DatasetError::Engine)
        };
        self.names.iter().map(url).collect()
    }
}

/// The forms that can be read, the preferred one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Parquet,
    GeoJson,
    Csv,
}

impl Form {
    const ALL: [Self; 3] = [Self::Parquet, Self::GeoJson, Self::Csv];

    fn of(artifact: &Artifact) -> Option<Self> {
        match artifact.media_type.split(';').next().unwrap_or_default().trim() {
            "application/vnd.apache.parquet" | "application/x-parquet" => Some(Self::Parquet),
            "application/geo+json" => Some(Self::GeoJson),
            "text/csv" => Some(Self::Csv),
            _ => None,
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::GeoJson => "geojson",
            Self::Csv => "csv",
        }
    }
}

/// Opens a version in the preferred form among those that it comes in. `host` tells it from
/// other tables of the session.
pub(crate) async fn open(
    context: &SessionContext,
    host: &str,
    version: &DatasetVersion,
    store: &Store,
    pins: &BTreeMap<String, Pin>,
) -> Result<Opened, DatasetError> {
    let has = |form: &Form| version.artifacts.iter().any(|it| Form::of(it) == Some(*form));
    let form = Form::ALL.into_iter().find(has);
    let form = form.ok_or_else(|| DatasetError::NoForm { dataset: version.dataset.clone() })?;
    let mut keys: Vec<&str> = version
        .artifacts
        .iter()
        .filter(|artifact| Form::of(artifact) == Some(form))
        .map(|artifact| artifact.key.as_str())
        .collect();
    keys.sort_unstable();
    let mut pinned = BTreeMap::new();
    let mut names = Vec::new();
    for (number, key) in keys.into_iter().enumerate() {
        let pin = pins.get(key).ok_or_else(|| DatasetError::Unpinned { key: key.to_owned() })?;
        let path = Path::parse(key).map_err(|error| DatasetError::Malformed {
            key: key.to_owned(),
            why: error.to_string(),
        })?;
        let name = Path::from(format!("{number:06}.{}", form.extension()));
        pinned.insert(name.clone(), Pinned { key: path, pin: pin.clone() });
        names.push((name, key.to_owned()));
    }
    let base = Url::parse(&format!("canonical://{host}/")).map_err(|e| {
        DatasetError::Engine(datafusion::error::DataFusionError::External(e.into()))
    })?;
    let store: Arc<dyn ObjectStore> = Arc::new(PinnedStore::new(store.objects(), pinned));
    context.register_object_store(&base, Arc::clone(&store));
    let files = Files { store, names, base };
    match form {
        Form::Parquet => parquet::open(context, &files).await,
        Form::GeoJson => geojson::open(files).await,
        Form::Csv => csv::open(context, &files).await,
    }
}
