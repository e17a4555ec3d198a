use std::path::PathBuf;

use datafusion::arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use futures::StreamExt;
use tokio::sync::mpsc;

use super::GraphError;
use super::sort::Sorter;
use super::terms::{Batches, each_record, schema};
use crate::model::Failure;

/// Batches that wait on either side of the sort.
const AHEAD: usize = 2;

/// Makes of a query's rows what the graph stores: each quad once, its terms in their canonical
/// form, sorted by bytes. It goes before the tee, so that both sides of the proof hold a set.
///
/// Memory is bounded; what does not fit is sorted in the folder `spill`.
pub(crate) fn source(
    mut rows: SendableRecordBatchStream,
    spill: PathBuf,
) -> SendableRecordBatchStream {
    let mut builder = RecordBatchReceiverStream::builder(schema(), AHEAD);
    let (sender, receiver) = mpsc::channel(AHEAD);
    builder.spawn(async move {
        while let Some(batch) = rows.next().await {
            if sender.send(batch).await.is_err() {
                break;
            }
        }
        Ok(())
    });
    let out = builder.tx();
    builder.spawn_blocking(move || sort(receiver, spill, &out));
    builder.build()
}

type Batch = Result<RecordBatch, DataFusionError>;

fn sort(
    mut batches: mpsc::Receiver<Batch>,
    spill: PathBuf,
    out: &mpsc::Sender<Batch>,
) -> Result<(), DataFusionError> {
    let failed = |error| DataFusionError::External(Box::new(Failure::from(error)));
    std::fs::create_dir_all(&spill).map_err(|error| failed(GraphError::Spill(error)))?;
    let mut sorter = Sorter::new(spill);
    while let Some(batch) = batches.blocking_recv() {
        each_record(&batch?, |record| sorter.push(record)).map_err(failed)?;
    }
    let mut collected = Batches::new();
    let send = |batch: Option<RecordBatch>| match batch.map(|batch| out.blocking_send(Ok(batch))) {
        Some(Err(_)) => Err(GraphError::Gone),
        Some(Ok(())) | None => Ok(()),
    };
    let drained = sorter.finish(|record| {
        collected.add_record(record)?;
        if collected.is_full() { send(collected.take()?) } else { Ok(()) }
    });
    let ended = drained.and_then(|()| send(collected.take()?));
    match ended {
        // Nobody is there to hear of it.
        Ok(()) | Err(GraphError::Gone) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}
