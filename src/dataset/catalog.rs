//! The catalog as tables, for jobs that project it.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use oxigraph::model::{GraphName, Quad};

use super::{DatasetError, Session};
use crate::model::{DatasetVersion, PolicyLabel};

/// Rows in one batch.
const BATCH: usize = 8192;

impl Session {
    /// Makes `catalog_datasets` and `catalog_quads` tables: what the catalogs of these versions
    /// say. Both are held in memory; catalogs are small beside what they describe.
    pub(crate) fn register_catalog(
        &mut self,
        versions: &[DatasetVersion],
        quads: &[Quad],
    ) -> Result<(), DatasetError> {
        let table = |batches: Result<Vec<RecordBatch>, DataFusionError>, schema| {
            batches.and_then(|batches| MemTable::try_new(schema, vec![batches]))
        };
        let batch = datasets(versions).map_err(DatasetError::Engine)?;
        let schema = batch.schema();
        let datasets = table(Ok(vec![batch]), schema).map_err(DatasetError::Engine)?;
        self.put("catalog_datasets", Arc::new(datasets))?;
        let batches = quads.chunks(BATCH).map(quad_batch).collect();
        let quads = table(batches, quad_schema()).map_err(DatasetError::Engine)?;
        self.put("catalog_quads", Arc::new(quads))
    }
}

fn datasets(versions: &[DatasetVersion]) -> Result<RecordBatch, DataFusionError> {
    let text = |of: fn(&DatasetVersion) -> Option<String>| -> ArrayRef {
        Arc::new(versions.iter().map(of).collect::<StringArray>())
    };
    let side = |index: usize| -> ArrayRef {
        let of = |version: &DatasetVersion| version.bbox.map(|bbox| bbox[index]);
        Arc::new(versions.iter().map(of).collect::<Float64Array>())
    };
    let columns: [(&str, ArrayRef); 13] = [
        ("dataset", text(|it| Some(it.dataset.clone()))),
        ("dataset_version_id", text(|it| Some(it.version.to_string()))),
        ("title", text(|it| Some(it.title.clone()))),
        ("description", text(|it| Some(it.description.clone()))),
        ("license", text(|it| it.license.clone())),
        ("time_start", text(|it| it.time.0.clone())),
        ("time_end", text(|it| it.time.1.clone())),
        ("west", side(0)),
        ("south", side(1)),
        ("east", side(2)),
        ("north", side(3)),
        ("policy_label", text(|it| it.policy_label.and_then(label))),
        ("evidence_ref", text(|it| Some(format!("dcat://{}@{}", it.dataset, it.version)))),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    )?)
}

/// The label as the platform writes it.
fn label(label: PolicyLabel) -> Option<String> {
    serde_json::to_value(label).ok()?.as_str().map(str::to_owned)
}

fn quad_schema() -> Arc<Schema> {
    let field = |name, nullable| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        field("subject", false),
        field("predicate", false),
        field("object", false),
        field("graph", true),
    ]))
}

fn quad_batch(quads: &[Quad]) -> Result<RecordBatch, DataFusionError> {
    let mut columns: [StringBuilder; 4] = Default::default();
    for quad in quads {
        columns[0].append_value(quad.subject.to_string());
        columns[1].append_value(quad.predicate.to_string());
        columns[2].append_value(quad.object.to_string());
        match &quad.graph_name {
            GraphName::DefaultGraph => columns[3].append_null(),
            graph => columns[3].append_value(graph.to_string()),
        }
    }
    let arrays = columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
    Ok(RecordBatch::try_new(quad_schema(), arrays.collect())?)
}
