use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::sync::mpsc;

use super::columns::{Batches, GEOMETRY, Kinds};
use super::reader::{pump, read};
use crate::dataset::DatasetError;
use crate::dataset::source::open::{Files, Opened};

/// Chunks that are read ahead, and batches that wait for the query.
const AHEAD: usize = 2;

/// Opens GeoJSON files as one table. They are read twice: once for the types of their
/// properties, once for each query; never held as a whole.
pub(in super::super) async fn open(files: Files) -> Result<Opened, DatasetError> {
    let mut kinds = Kinds::default();
    for (name, key) in &files.names {
        let (sender, chunks) = mpsc::channel(AHEAD);
        let key = key.clone();
        let infer = move || {
            let each = |mut feature| kinds.add(&mut feature, &key);
            read(chunks, &key, each).map(|()| kinds)
        };
        let infer = tokio::task::spawn_blocking(infer);
        pump(Arc::clone(&files.store), name.clone(), sender).await;
        let lost = |error| DatasetError::Engine(DataFusionError::External(Box::new(error)));
        kinds = infer.await.map_err(lost)?.map_err(DatasetError::Run)?;
    }
    let schema = kinds.schema();
    let parts = files.names.into_iter().map(|(name, key)| {
        let (store, schema) = (Arc::clone(&files.store), Arc::clone(&schema));
        Arc::new(Part { store, name, key, schema }) as Arc<dyn PartitionStream>
    });
    let table = StreamingTable::try_new(Arc::clone(&schema), parts.collect());
    let table = table.map_err(DatasetError::Engine)?;
    Ok(Opened { provider: Arc::new(table), geometry: Some(GEOMETRY.to_owned()) })
}

/// One file of the table.
#[derive(Debug)]
struct Part {
    store: Arc<dyn ObjectStore>,
    name: Path,
    key: String,
    schema: SchemaRef,
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), AHEAD);
        let (sender, chunks) = mpsc::channel(AHEAD);
        let pump = pump(Arc::clone(&self.store), self.name.clone(), sender);
        builder.spawn(async move {
            pump.await;
            Ok(())
        });
        let (batches, mut collected) = (builder.tx(), Batches::new(Arc::clone(&self.schema)));
        let key = self.key.clone();
        builder.spawn_blocking(move || {
            let send = |batch| {
                let gone = |_| DataFusionError::Execution("the query was dropped".to_owned());
                batches.blocking_send(Ok(batch)).map_err(gone)
            };
            read(chunks, &key, |feature| {
                collected.add(feature, &key)?;
                if collected.is_full() {
                    collected.take()?.map_or(Ok(()), send)?;
                }
                Ok(())
            })?;
            collected.take()?.map_or(Ok(()), send)
        });
        builder.build()
    }
}
