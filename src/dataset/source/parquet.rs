use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use futures::FutureExt;
use object_store::ObjectStoreExt;

use super::boxes::Boxes;
use super::cell::Kind;
use super::geo::{self, Located};
use super::merge::merged;
use super::open::{Files, Opened, Wanted};
use super::settled::{Geometry, survey, view};
use crate::dataset::DatasetError;
use crate::dataset::error::failure_below;
use crate::dataset::settle::Rules;

/// Opens Parquet files as one table. What has no `geo` metadata has no geometry.
pub(super) async fn open(
    context: &SessionContext,
    files: &Files,
    wanted: &Wanted<'_>,
) -> Result<Opened, DatasetError> {
    let first = files.names[0].1.as_str();
    if wanted.reading.geometry.is_some() {
        let why = "`geometry` is for CSV and NDJSON; of Parquet make it in the query".to_owned();
        return Err(DatasetError::Malformed { key: first.to_owned(), why });
    }
    let (schema, located) = schemas(context, files).await?;
    declared(&schema, wanted, first)?;
    let (mut geometries, mut systems) = (Vec::new(), Vec::new());
    for column in &located {
        let crs = geo::agreed(&column.said, wanted.crs()?, None, first)?;
        systems.push(crs);
        let rules = Rules::new(crs, wanted.into(), wanted.repair)?;
        let field = schema.field_with_name(&column.name);
        let field = field.or(Err(DatasetError::Malformed {
            key: first.to_owned(),
            why: format!("it has no geometry column `{}`", column.name),
        }))?;
        let boxes = column.covering.as_ref().map(|covering| Boxes::of(covering, &schema, first));
        geometries.push(Geometry::new(field, column.native, boxes.transpose()?, rules));
    }
    let urls = files.urls()?;
    let mut parts = Vec::new();
    for (url, (_, key)) in urls.iter().zip(&files.names) {
        let part = table(vec![url.clone()], &schema)?;
        parts.push((key.clone(), survey(context, part, &geometries, key).await?));
    }
    let whole = table(urls, &schema)?;
    let clean = parts.iter().all(|(_, read)| read.refused.rows() + read.repaired.rows() == 0);
    let plain = clean && geometries.iter().all(Geometry::stands);
    let provider = if plain { whole } else { view(context, whole, &geometries)? };
    let geometry = located.into_iter().next().map(|column| column.name);
    // The primary geometry stands first.
    Ok(Opened { provider, geometry, crs: systems.first().copied(), typed: true, parts })
}

fn table(
    urls: Vec<ListingTableUrl>,
    schema: &SchemaRef,
) -> Result<Arc<dyn TableProvider>, DatasetError> {
    let format = Arc::new(ParquetFormat::default().with_skip_metadata(false));
    let options = ListingOptions::new(format).with_file_extension(".parquet");
    let config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(options)
        .with_schema(Arc::clone(schema));
    Ok(Arc::new(ListingTable::try_new(config).map_err(DatasetError::Engine)?))
}

/// The schema of all parts, and their geometry columns, which must be the same in each.
async fn schemas(
    context: &SessionContext,
    files: &Files,
) -> Result<(SchemaRef, Vec<Located>), DatasetError> {
    let format = ParquetFormat::default().with_skip_metadata(false);
    let state = context.state();
    let (mut located, mut schemas) = (None, Vec::new());
    for (name, key) in &files.names {
        let meta = files.store.head(name).await.map_err(|e| DatasetError::Run(e.into()))?;
        // The reader of the schema that Arrow writers embed panics on a damaged one.
        let metas = [meta];
        let schema = format.infer_schema(&state, &files.store, &metas);
        let schema = AssertUnwindSafe(schema).catch_unwind().await.map_err(|_panic| {
            let why = "the schema that it holds cannot be read".to_owned();
            DatasetError::Malformed { key: key.clone(), why }
        })?;
        let schema = schema.map_err(|error| read_failed(error, key))?;
        let geo = schema.metadata().get("geo");
        let found = geo.map(|text| geo::columns(text, key)).transpose()?.unwrap_or_default();
        if located.as_ref().is_some_and(|first| *first != found) {
            let why = "its geometry is not that of the other parts".to_owned();
            return Err(DatasetError::Malformed { key: key.clone(), why });
        }
        // What a file says of the field is said by its `geo` metadata here; parts differ in both.
        let field = |field: &Arc<datafusion::arrow::datatypes::Field>| {
            let field = field.as_ref().clone();
            if found.iter().any(|column| column.name == *field.name()) {
                return field.with_metadata(std::collections::HashMap::new());
            }
            field
        };
        let fields: Vec<_> = schema.fields().iter().map(field).collect();
        schemas.push((key.clone(), Schema::new(fields)));
        located = Some(found);
    }
    Ok((Arc::new(merged(&schemas)?), located.unwrap_or_default()))
}

/// Holds the declared types against those of the file.
fn declared(schema: &Schema, wanted: &Wanted<'_>, key: &str) -> Result<(), DatasetError> {
    for (name, kind) in wanted.kinds()? {
        let why = match schema.field_with_name(&name) {
            Err(_) => format!("it has no column `{name}`"),
            Ok(field) if is(field.data_type(), kind) => continue,
            Ok(field) => {
                format!("its column `{name}` is {}, not {}", field.data_type(), kind.name())
            }
        };
        return Err(DatasetError::Malformed { key: key.to_owned(), why });
    }
    Ok(())
}

fn is(found: &DataType, kind: Kind) -> bool {
    match kind {
        Kind::Boolean => *found == DataType::Boolean,
        Kind::Integer | Kind::Narrow(_) => found.is_integer(),
        Kind::Double => found.is_floating(),
        Kind::Text => found.is_string(),
        Kind::Date => matches!(found, DataType::Date32 | DataType::Date64),
        Kind::Time => matches!(found, DataType::Timestamp(..)),
    }
}

fn read_failed(error: DataFusionError, key: &str) -> DatasetError {
    match error.find_root() {
        DataFusionError::ParquetError(_) | DataFusionError::ArrowError(..)
            if failure_below(&error).is_none() =>
        {
            let why = "it is no Parquet file, or damaged".to_owned();
            DatasetError::Malformed { key: key.to_owned(), why }
        }
        _ => DatasetError::Run(error),
    }
}
