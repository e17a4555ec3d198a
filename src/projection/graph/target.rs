use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use futures::{StreamExt, stream};
use tokio::sync::mpsc;

use super::archive::{NAME, Writer, quads, terms};
use super::terms::{Batches, COLUMNS, check};
use super::{GraphError, source};
use crate::digest::Digest;
use crate::model::{Covers, Failure, JobId, Proof, Sink};
use crate::projection::files::{Copy, Files};
use crate::projection::{Change, Generation, Held, Projection, StageContext};
use crate::proof::{ColumnEncoding, EncodedStream, RowEncoding, Rows, RowsStream};

/// Raised when the same quads would be published as other bytes.
pub(crate) const BUILDER: u32 = 1;

/// Batches that wait between two threads.
const AHEAD: usize = 2;

/// Graphs as published archives of N-Quads.
#[derive(Debug, Clone)]
pub(crate) struct GraphProjection {
    pub(super) files: Files,
}

impl GraphProjection {
    /// Publishes to `files`, which other file-like projections may share.
    pub(crate) fn new(files: Files) -> Self {
        Self { files }
    }

    /// Makes of a query's rows what is staged: see `source`.
    pub(crate) fn source(&self, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        source(rows, self.files.folder().to_owned())
    }
}

#[async_trait]
impl Projection for GraphProjection {
    fn covers(&self, _sink: &Sink) -> Covers {
        Covers {
            words: "every distinct quad, parsed back out of the published archive".to_owned(),
            fields: COLUMNS.map(str::to_owned).to_vec(),
        }
    }

    fn encoding(&self, _sink: &Sink, schema: &SchemaRef) -> Result<Arc<dyn RowEncoding>, Failure> {
        check(schema)?;
        Ok(Arc::new(ColumnEncoding))
    }

    async fn holds(&self, generation: &Generation) -> Result<Held, Failure> {
        Ok(self.files.holds(generation).await?)
    }

    async fn stage(
        &self,
        generation: &Generation,
        mut rows: EncodedStream,
        cx: &StageContext,
    ) -> Result<u64, Failure> {
        let staging = self.files.staging()?;
        let path = staging.path().join(NAME);
        let (sender, receiver) = mpsc::channel(AHEAD);
        let writer = tokio::task::spawn_blocking(move || write(&path, receiver));
        while let Some(batch) = rows.next().await {
            if cx.cancel.is_cancelled() {
                return Err(Failure::cancelled());
            }
            let batch = batch?;
            cx.meter.add_rows(batch.batch.num_rows() as u64);
            if sender.send(batch.batch).await.is_err() {
                // The writer failed, and says why below.
                break;
            }
        }
        drop(sender);
        let quads = writer.await.map_err(GraphError::from)??;
        self.files.publish(generation, staging.path(), quads, cx).await?;
        Ok(quads)
    }

    async fn read_back(&self, generation: &Generation) -> Result<RowsStream, Failure> {
        let folder = self.files.fetch(generation, Copy::Fresh).await?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            if let Err(failure) = read(&folder, &sender) {
                // A reader that is gone wants to know nothing.
                drop(sender.blocking_send(Err(failure)));
            }
        });
        Ok(stream::unfold(receiver, |mut it| async { Some((it.recv().await?, it)) }).boxed())
    }

    async fn record(&self, generation: &Generation, proof: &Proof) -> Result<(), Failure> {
        Ok(self.files.record(generation, proof).await?)
    }

    async fn live(&self, job: &JobId) -> Result<Option<Digest>, Failure> {
        Ok(self.files.live(job).await?)
    }

    async fn former(&self, job: &JobId) -> Result<Option<Digest>, Failure> {
        Ok(self.files.former(job).await?)
    }

    async fn prepare(&self, set: &[Change]) -> Result<(), Failure> {
        Ok(self.files.prepare(set).await?)
    }

    async fn switch(&self, set: &[Change], cx: &StageContext) -> Result<(), Failure> {
        Ok(self.files.switch(set, cx).await?)
    }

    async fn discard(&self, generation: &Generation) -> Result<(), Failure> {
        Ok(self.files.discard(generation).await?)
    }
}

fn write(path: &Path, mut batches: mpsc::Receiver<RecordBatch>) -> Result<u64, GraphError> {
    let mut writer = Writer::create(path)?;
    while let Some(batch) = batches.blocking_recv() {
        writer.write(&batch)?;
    }
    writer.finish()
}

fn read(folder: &Path, out: &mpsc::Sender<Result<Rows, Failure>>) -> Result<(), Failure> {
    let mut collected = Batches::new();
    let send = |batch: Option<RecordBatch>| -> Result<bool, Failure> {
        let Some(batch) = batch else { return Ok(true) };
        Ok(out.blocking_send(Ok(ColumnEncoding.encode(&batch)?)).is_ok())
    };
    for quad in quads(folder)? {
        let [s, p, o, g] = terms(&quad?);
        collected.add([&s, &p, &o, &g]);
        if collected.is_full() && !send(collected.take()?)? {
            return Ok(());
        }
    }
    send(collected.take()?)?;
    Ok(())
}
