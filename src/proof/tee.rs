use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use super::{EncodedBatch, EncodedStream, RowEncoding};
use crate::digest::{Multiset, MultisetDigest};
use crate::model::{Code, Failure};

/// Batches that are being encoded, or wait for the projection, at one time.
const IN_FLIGHT: usize = 3;

/// Where the digest of a stream comes out, once the stream has ended.
pub(crate) struct TeeHandle {
    encoding: &'static str,
    state: Arc<Mutex<State>>,
}

enum State {
    Running(Multiset),
    Ended(Multiset),
    Failed,
}

type Encoded = Result<(EncodedBatch, Multiset), Failure>;

/// Encodes and digests the rows of a query on their way to a projection.
///
/// The query, the encoding and the reader of the stream run side by side; at most a few batches
/// are held. Dropping the stream stops the query.
pub(crate) fn tee(
    rows: SendableRecordBatchStream,
    encoding: Arc<dyn RowEncoding>,
) -> (EncodedStream, TeeHandle) {
    let state = Arc::new(Mutex::new(State::Running(Multiset::default())));
    let handle = TeeHandle { encoding: encoding.name(), state: Arc::clone(&state) };
    let (sender, mut receiver) = mpsc::channel(IN_FLIGHT);
    let feeder = AbortOnDropHandle::new(tokio::spawn(feed(rows, encoding, sender)));
    let batches = stream::poll_fn(move |cx| {
        // The feeder lives as long as the stream does.
        let _ = &feeder;
        receiver.poll_recv(cx)
    });
    let stream = batches
        .then(|task| async move { task.await.unwrap_or_else(|error| Err(lost(&error))) })
        .map(Some)
        .chain(stream::iter([None]))
        .filter_map(move |item| {
            let out = lock(&state).take(item);
            async move { out }
        });
    (stream.boxed(), handle)
}

/// Runs the query and starts the encoding of each batch; the channel bounds how many.
async fn feed(
    mut rows: SendableRecordBatchStream,
    encoding: Arc<dyn RowEncoding>,
    sender: mpsc::Sender<JoinHandle<Encoded>>,
) {
    while let Some(batch) = rows.next().await {
        let encoding = Arc::clone(&encoding);
        let task = tokio::task::spawn_blocking(move || encode(batch, &*encoding));
        if sender.send(task).await.is_err() {
            return;
        }
    }
}

fn encode(batch: Result<RecordBatch, DataFusionError>, encoding: &dyn RowEncoding) -> Encoded {
    let batch = batch.map_err(|error| query_failed(&error))?;
    let rows = encoding.encode(&batch)?;
    let sum = rows.multiset();
    Ok((EncodedBatch { batch, rows: Arc::new(rows) }, sum))
}

/// Gives back the `Failure` that a reader below the query raised, else says that the query failed.
fn query_failed(error: &DataFusionError) -> Failure {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return failure.clone();
        }
        next = error.source();
    }
    Failure::permanent(Code::StepFailed, "failed to run the query").because(error)
}

fn lost(error: &tokio::task::JoinError) -> Failure {
    Failure::permanent(Code::Internal, "failed to encode rows: the task was lost").because(error)
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    // A panic while merging leaves `Running`, which has no digest.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Takes the next batch, or the end, into account.
    fn take(&mut self, item: Option<Encoded>) -> Option<Result<EncodedBatch, Failure>> {
        match item {
            Some(Ok((batch, more))) => {
                if let Self::Running(sum) = self {
                    sum.merge(&more);
                }
                Some(Ok(batch))
            }
            Some(Err(failure)) => {
                *self = Self::Failed;
                Some(Err(failure))
            }
            None => {
                if let Self::Running(sum) = self {
                    *self = Self::Ended(std::mem::take(sum));
                }
                None
            }
        }
    }
}

impl TeeHandle {
    /// The digest of all rows. A stream that was not read to its end, or failed, has none.
    pub(crate) fn finish(self) -> Result<MultisetDigest, Failure> {
        match &*lock(&self.state) {
            State::Ended(sum) => Ok(sum.finish(self.encoding)),
            State::Running(_) => Err(Failure::permanent(
                Code::Internal,
                "the rows were not read to their end, so they have no digest",
            )),
            State::Failed => Err(Failure::permanent(
                Code::StepFailed,
                "the rows ended with a failure, so they have no digest",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::Int64Array;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::TryStreamExt;

    use super::*;
    use crate::proof::ColumnEncoding;

    fn batch(values: std::ops::Range<i64>) -> RecordBatch {
        let column = Int64Array::from_iter_values(values);
        RecordBatch::try_from_iter([("n", Arc::new(column) as _)]).unwrap()
    }

    fn stream_of(batches: Vec<Result<RecordBatch, DataFusionError>>) -> SendableRecordBatchStream {
        let schema = batch(0..1).schema();
        Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(batches)))
    }

    #[tokio::test]
    async fn keeps_the_order_and_digests_every_row() {
        let batches = (0..20).map(|i| Ok(batch(i * 100..i * 100 + 100))).collect();
        let (encoded, handle) = tee(stream_of(batches), Arc::new(ColumnEncoding));
        let out: Vec<_> = encoded.try_collect().await.unwrap();
        assert_eq!(out[7].batch, batch(700..800));
        assert_eq!(out[7].rows.len(), 100);
        let whole = ColumnEncoding.encode(&batch(0..2000)).unwrap().multiset();
        assert_eq!(handle.finish().unwrap(), whole.finish("columns"));
    }

    #[tokio::test]
    async fn an_unfinished_stream_has_no_digest() {
        let batches = (0..20).map(|i| Ok(batch(i..i + 1))).collect();
        let (mut encoded, handle) = tee(stream_of(batches), Arc::new(ColumnEncoding));
        for _ in 0..20 {
            encoded.next().await.unwrap().unwrap();
        }
        // All rows were seen, but nobody knows yet that there are no more.
        assert!(handle.finish().is_err());
    }

    #[tokio::test]
    async fn a_failure_below_the_query_comes_out_as_it_went_in() {
        let failure = Failure::permanent(Code::StepFailed, "an object changed").hint("verify");
        let error =
            DataFusionError::External(Box::new(failure.clone())).context("reading the second file");
        let batches = vec![Ok(batch(0..1)), Err(error), Ok(batch(1..2))];
        let (encoded, handle) = tee(stream_of(batches), Arc::new(ColumnEncoding));
        let out: Vec<_> = encoded.collect().await;
        assert_eq!(out[1].as_ref().unwrap_err(), &failure);
        assert!(handle.finish().is_err());
    }
}
