use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use object_store::ObjectStoreExt;
use serde::Deserialize;
use serde_json::Value;

use super::open::{Files, Opened};
use crate::dataset::DatasetError;
use crate::dataset::error::failure_below;

/// What GeoParquet writes under `geo` into the metadata of a file.
#[derive(Debug, Deserialize)]
struct Geo {
    primary_column: String,
    columns: BTreeMap<String, GeoColumn>,
}

#[derive(Debug, Deserialize)]
struct GeoColumn {
    encoding: String,
    /// PROJJSON; absent is OGC:CRS84, null is unknown.
    #[serde(default = "crs84")]
    crs: Value,
}

fn crs84() -> Value {
    serde_json::json!({"id": {"authority": "OGC", "code": "CRS84"}})
}

/// Opens Parquet files as one table. What has no `geo` metadata has no geometry.
pub(super) async fn open(context: &SessionContext, files: &Files) -> Result<Opened, DatasetError> {
    let format = Arc::new(ParquetFormat::default().with_skip_metadata(false));
    let state = context.state();
    let (mut geometry, mut schemas) = (None, Vec::new());
    for (name, key) in &files.names {
        let meta = files.store.head(name).await.map_err(|e| DatasetError::Run(e.into()))?;
        let schema = format.infer_schema(&state, &files.store, &[meta]).await;
        let schema = schema.map_err(|error| read_failed(error, key))?;
        let found = match schema.metadata().get("geo") {
            None => None,
            Some(text) => Some(geometry_of(text, key)?),
        };
        if geometry.as_ref().is_some_and(|first| *first != found) {
            let why = "its geometry is not that of the other parts".to_owned();
            return Err(DatasetError::Malformed { key: key.clone(), why });
        }
        geometry = Some(found);
        // Parts differ in their metadata, such as the extent; their fields must not.
        schemas.push(Schema::new(schema.fields().clone()));
    }
    let schema = Schema::try_merge(schemas).map_err(|e| DatasetError::Run(e.into()))?;
    let options = ListingOptions::new(format).with_file_extension(".parquet");
    let config = ListingTableConfig::new_with_multi_paths(files.urls()?)
        .with_listing_options(options)
        .with_schema(Arc::new(schema));
    let table = ListingTable::try_new(config).map_err(DatasetError::Engine)?;
    Ok(Opened { provider: Arc::new(table), geometry: geometry.flatten() })
}

fn read_failed(error: DataFusionError, key: &str) -> DatasetError {
    match error.find_root() {
        DataFusionError::ParquetError(_) if failure_below(&error).is_none() => {
            let why = "it is no Parquet file".to_owned();
            DatasetError::Malformed { key: key.to_owned(), why }
        }
        _ => DatasetError::Run(error),
    }
}

/// The geometry column that a file's `geo` metadata name, if it is one that can be read.
fn geometry_of(text: &str, key: &str) -> Result<String, DatasetError> {
    let bad = |why| DatasetError::Malformed { key: key.to_owned(), why };
    let geo: Geo = serde_json::from_str(text)
        .map_err(|error| bad(format!("its `geo` metadata make no sense: {error}")))?;
    let Some(column) = geo.columns.get(&geo.primary_column) else {
        return Err(bad(format!("it has no geometry column `{}`", geo.primary_column)));
    };
    if column.encoding != "WKB" {
        return Err(bad(format!("its geometries are {}, not WKB", column.encoding)));
    }
    let id = |member| match &column.crs["id"][member] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let crs = format!("{}:{}", id("authority"), id("code"));
    match crs.as_str() {
        "OGC:CRS84" | "EPSG:4326" => Ok(geo.primary_column),
        _ => Err(DatasetError::Crs { key: key.to_owned(), crs }),
    }
}
