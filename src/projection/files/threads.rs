//! Work that blocks goes on in a thread of its own, a few batches ahead or behind.

use datafusion::arrow::array::RecordBatch;
use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::task::{JoinError, spawn_blocking};

use super::FilesError;
use crate::model::Failure;
use crate::projection::StageContext;
use crate::proof::EncodedStream;

/// Batches that wait between two threads.
const AHEAD: usize = 2;

/// The batches of a stream, on their way to a writer.
pub(crate) struct Incoming(mpsc::Receiver<Option<RecordBatch>>);

impl Incoming {
    /// The next batch, or `None` when all have come. A stream that broke off is an error, so that
    /// a writer never ends what is a part.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>, Failure> {
        self.0.blocking_recv().ok_or_else(Failure::cancelled)
    }
}

/// Hands every batch to `write`, and gives what it gives. Returns only when `write` did, so that
/// it never works in a folder that is gone.
pub(crate) async fn write_in_thread(
    rows: EncodedStream,
    cx: &StageContext,
    write: impl FnOnce(Incoming) -> Result<u64, Failure> + Send + 'static,
) -> Result<u64, Failure> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let writer = spawn_blocking(move || write(Incoming(receiver)));
    let sent = send_all(rows, cx, sender).await;
    let written = writer.await.map_err(FilesError::Lost)?;
    sent?;
    written
}

async fn send_all(
    mut rows: EncodedStream,
    cx: &StageContext,
    sender: mpsc::Sender<Option<RecordBatch>>,
) -> Result<(), Failure> {
    loop {
        let next = tokio::select! {
            () = cx.cancel.cancelled() => return Err(Failure::cancelled()),
            next = rows.next() => next,
        };
        let batch = next.transpose()?.map(|encoded| encoded.batch);
        let last = batch.is_none();
        cx.meter.add_rows(batch.as_ref().map_or(0, |batch| batch.num_rows() as u64));
        // A writer that is gone has failed, and says why itself.
        if sender.send(batch).await.is_err() || last {
            return Ok(());
        }
    }
}

/// What `read` sends, and at the end its error, if it has one. A thread that dies is an error
/// too: what came before is not all.
pub(crate) fn read_in_thread<T, E>(
    read: impl FnOnce(&mpsc::Sender<T>) -> Result<(), E> + Send + 'static,
    lost: impl FnOnce(JoinError) -> E + Send + 'static,
) -> BoxStream<'static, Result<T, E>>
where
    T: Send + 'static,
    E: Send + 'static,
{
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    let task = spawn_blocking(move || read(&sender));
    let ended = stream::once(async move {
        match task.await {
            Ok(ended) => ended.err().map(Err),
            Err(error) => Some(Err(lost(error))),
        }
    });
    let given = stream::poll_fn(move |cx| receiver.poll_recv(cx)).map(Ok);
    given.chain(ended.filter_map(|end| async move { end })).boxed()
}
