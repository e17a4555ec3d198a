use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;
use tokio::sync::mpsc;

use super::part::{AHEAD, Part};
use super::stream::pump;

/// Artifacts that are read row by row, as one table.
#[derive(Debug)]
pub(super) struct Rowwise {
    pub(super) parts: Vec<Part>,
    pub(super) schema: SchemaRef,
}

impl Rowwise {
    fn partition(&self, parts: Vec<Part>) -> Arc<dyn PartitionStream> {
        Arc::new(Partition { parts, schema: Arc::clone(&self.schema) })
    }
}

#[async_trait]
impl TableProvider for Rowwise {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        // A query that follows the order of rows gets one part after the other.
        let partitions = if state.config().target_partitions() == 1 {
            vec![self.partition(self.parts.clone())]
        } else {
            self.parts.iter().map(|part| self.partition(vec![part.clone()])).collect()
        };
        let table = StreamingTable::try_new(Arc::clone(&self.schema), partitions)?;
        table.scan(state, projection, filters, limit).await
    }
}

/// Artifacts that are read one after the other.
#[derive(Debug)]
struct Partition {
    parts: Vec<Part>,
    schema: SchemaRef,
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), AHEAD);
        let (mut pumps, mut parts) = (Vec::new(), Vec::new());
        for part in self.parts.iter().cloned() {
            let (sender, chunks) = mpsc::channel(AHEAD);
            pumps.push(pump(Arc::clone(&part.store), part.name.clone(), sender));
            parts.push((part, chunks));
        }
        builder.spawn(async move {
            for pump in pumps {
                pump.await;
            }
            Ok(())
        });
        let (batches, schema) = (builder.tx(), Arc::clone(&self.schema));
        builder.spawn_blocking(move || {
            let mut send = |batch| {
                let gone = |_| DataFusionError::Execution("the query was dropped".to_owned());
                batches.blocking_send(Ok(batch)).map_err(gone)
            };
            for (part, chunks) in parts {
                part.collect(chunks, &schema, &mut send)?;
            }
            Ok(())
        });
        builder.build()
    }
}
