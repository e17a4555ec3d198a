use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use futures::{StreamExt, stream};
use tokio::sync::mpsc;

use super::records::{COLUMNS, RecordEncoding, check};
use super::{SearchError, index};
use crate::digest::Digest;
use crate::model::{Covers, Failure, JobId, Proof, Sink};
use crate::projection::files::{Copy, Files};
use crate::projection::{Change, Generation, Held, Projection, StageContext};
use crate::proof::{EncodedStream, RowEncoding, Rows, RowsStream};

/// Raised when the same records would be found or stored in another way.
pub(crate) const BUILDER: u32 = 1;

/// Batches that wait between two threads.
const AHEAD: usize = 2;

/// Search indexes as published folders of tantivy's files.
#[derive(Debug, Clone)]
pub(crate) struct SearchProjection {
    pub(super) files: Files,
}

impl SearchProjection {
    /// Publishes to `files`, which other file-like projections may share.
    pub(crate) fn new(files: Files) -> Self {
        Self { files }
    }
}

#[async_trait]
impl Projection for SearchProjection {
    fn covers(&self, _sink: &Sink) -> Covers {
        Covers {
            words: "every field of every record, as stored in the published index".to_owned(),
            fields: COLUMNS.map(|(name, ..)| name.to_owned()).to_vec(),
        }
    }

    fn encoding(&self, _sink: &Sink, schema: &SchemaRef) -> Result<Arc<dyn RowEncoding>, Failure> {
        check(schema)?;
        Ok(Arc::new(RecordEncoding))
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
        let folder = staging.path().to_owned();
        let (sender, receiver) = mpsc::channel(AHEAD);
        let writer = tokio::task::spawn_blocking(move || index::build(&folder, receiver));
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
        let records = writer.await.map_err(SearchError::from)??;
        self.files.publish(generation, staging.path(), records, cx).await?;
        Ok(records)
    }

    async fn read_back(&self, generation: &Generation) -> Result<RowsStream, Failure> {
        let folder = self.files.fetch(generation, Copy::Fresh).await?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = read(&folder, &sender) {
                // A reader that is gone wants to know nothing.
                drop(sender.blocking_send(Err(error.into())));
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

fn read(folder: &Path, out: &mpsc::Sender<Result<Rows, Failure>>) -> Result<(), SearchError> {
    index::each_batch(folder, |batch| out.blocking_send(RecordEncoding.encode(&batch)).is_ok())
}
