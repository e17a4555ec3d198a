use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::prelude::SessionContext;
use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

use super::cell::Kind;
use super::form::{Form, Packing, choose};
use super::{parquet, rowwise};
use crate::dataset::DatasetError;
use crate::dataset::crs::{Crs, LONLAT};
use crate::dataset::pinned::{Pinned, PinnedStore};
use crate::dataset::settle::Read;
use crate::model::{DatasetVersion, ReadAs};
use crate::store::{Pin, Store};

/// How a version is to be read.
pub(crate) struct Wanted<'a> {
    pub(crate) reading: &'a ReadAs,
    pub(crate) repair: bool,
}

impl Wanted<'_> {
    /// The declared reference system.
    pub(super) fn crs(&self) -> Result<Option<Crs>, DatasetError> {
        let parse = |text: &String| {
            Crs::parse(text).ok_or_else(|| DatasetError::CrsUnknown {
                crs: text.clone(),
                why: "it is not written as `EPSG:<code>`",
            })
        };
        self.reading.crs.as_ref().map(parse).transpose()
    }

    /// The reference system in which a query sees the geometries.
    pub(in crate::dataset) fn into(&self) -> Crs {
        let srid = self.reading.srid.and_then(|srid| u32::try_from(srid).ok());
        Crs(srid.unwrap_or(LONLAT))
    }

    /// The declared types.
    pub(super) fn kinds(&self) -> Result<BTreeMap<String, Kind>, DatasetError> {
        let kind = |(name, kind): (&String, &crate::model::ColumnType)| {
            let column = || DatasetError::NoSuchType { column: name.clone() };
            Kind::declared(*kind).map(|kind| (name.clone(), kind)).ok_or_else(column)
        };
        self.reading.columns.iter().map(kind).collect()
    }
}

/// A dataset version that is ready to be queried.
pub(crate) struct Opened {
    pub(crate) provider: Arc<dyn TableProvider>,
    /// The column with the geometry, as WKB.
    pub(crate) geometry: Option<String>,
    /// What the coordinates in the artifacts are in.
    pub(in crate::dataset) crs: Option<Crs>,
    /// Whether the artifacts give the types of their columns themselves.
    pub(in crate::dataset) typed: bool,
    /// What was read of each artifact.
    pub(crate) parts: Vec<(String, Read)>,
}

/// The files of one table: all of one form, in the order of their keys.
pub(super) struct Files {
    pub(super) store: Arc<dyn ObjectStore>,
    /// Their plain names in `store`, and their keys for people.
    pub(super) names: Vec<(Path, String)>,
    pub(super) packings: Vec<Packing>,
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

/// Opens a version in the preferred form among those that it comes in, and reads it through once.
/// `host` tells it from other tables of the session.
pub(crate) async fn open(
    context: &SessionContext,
    host: &str,
    version: &DatasetVersion,
    store: &Store,
    pins: &BTreeMap<String, Pin>,
    wanted: &Wanted<'_>,
) -> Result<Opened, DatasetError> {
    let (form, artifacts) = choose(version)?;
    let (mut pinned, mut names, mut packings) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (number, (artifact, packing)) in artifacts.into_iter().enumerate() {
        let key = &artifact.key;
        let known = pins.get(key).filter(|pin| pin.etag.is_some() || pin.version.is_some());
        let pin = known.ok_or_else(|| DatasetError::Unpinned { key: key.clone() })?;
        let path = Path::parse(key).map_err(|error| DatasetError::Malformed {
            key: key.clone(),
            why: error.to_string(),
        })?;
        // The engine lists files by their extension, and only those of Parquet.
        let name = Path::from(format!("{number:06}.parquet"));
        pinned.insert(name.clone(), Pinned { key: path, pin: pin.clone() });
        names.push((name, key.clone()));
        packings.push(packing);
    }
    let base = Url::parse(&format!("canonical://{host}/")).map_err(|e| {
        DatasetError::Engine(datafusion::error::DataFusionError::External(e.into()))
    })?;
    let store: Arc<dyn ObjectStore> = Arc::new(PinnedStore::new(store.objects(), pinned));
    context.register_object_store(&base, Arc::clone(&store));
    let files = Files { store, names, packings, base };
    match form {
        Form::Parquet => parquet::open(context, &files, wanted).await,
        other => rowwise::open(other, files, wanted).await,
    }
}
