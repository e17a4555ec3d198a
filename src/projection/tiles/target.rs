use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::StreamExt as _;
use sqlx::PgPool;
use tokio::sync::mpsc;

use super::archive::{NAME, Spool};
use super::ids::{LayerIds, check};
use super::source::Sources;
use super::{TilesError, read};
use crate::digest::Digest;
use crate::model::{Covers, Failure, JobId, Proof, Sink, TilesSink};
use crate::projection::files::{Copy, Files};
use crate::projection::{Change, Generation, Held, Projection, StageContext};
use crate::proof::{ColumnEncoding, EncodedStream, RowEncoding, RowsStream};

/// Tile archives in a store.
#[derive(Debug, Clone)]
pub(crate) struct TilesProjection {
    files: Files,
}

fn sink_of(sink: &Sink) -> Result<&TilesSink, TilesError> {
    match sink {
        Sink::Tiles(sink) => Ok(sink),
        _ => Err(TilesError::Sink("the sink is no tile archive".to_owned())),
    }
}

impl TilesProjection {
    /// Publishes through what all file-like projections share.
    pub(crate) fn new(files: Files) -> Self {
        Self { files }
    }

    /// A verified local copy of the published archive.
    pub(crate) async fn archive(
        &self,
        generation: &Generation,
        copy: Copy,
    ) -> Result<PathBuf, Failure> {
        let folder = self.files.fetch(generation, copy).await?;
        Ok(folder.join(NAME))
    }

    /// Says of each layer how many source features the highest zoom of the published archive
    /// lacks.
    pub(crate) async fn check_ids(
        &self,
        generation: &Generation,
        pool: &PgPool,
        sources: &Sources,
    ) -> Result<Vec<LayerIds>, Failure> {
        let archive = self.archive(generation, Copy::Reuse).await?;
        Ok(check(pool, sink_of(&generation.sink)?, sources, &archive).await?)
    }

    async fn build(
        &self,
        generation: &Generation,
        mut rows: EncodedStream,
        cx: &StageContext,
    ) -> Result<u64, TilesError> {
        let sink = sink_of(&generation.sink)?.clone();
        let staging = self.files.staging()?;
        let (folder, name) = (staging.path().to_owned(), generation.job.name().to_owned());
        let (sender, receiver) = mpsc::channel(2);
        let writer = tokio::task::spawn_blocking(move || write(&folder, &name, &sink, receiver));
        loop {
            let next = tokio::select! {
                () = cx.cancel.cancelled() => return Err(TilesError::Cancelled),
                next = rows.next() => next,
            };
            let Some(next) = next else { break };
            let batch = next.map_err(|failure| TilesError::Source(Box::new(failure)))?.batch;
            cx.meter.add_rows(batch.num_rows() as u64);
            if sender.send(Some(batch)).await.is_err() {
                break;
            }
        }
        // A writer that has failed says why below.
        let _ = sender.send(None).await;
        let count = writer.await.map_err(TilesError::Lost)??;
        self.files.publish(generation, staging.path(), count, cx).await?;
        Ok(count)
    }
}

/// Spools what comes; writes the archive only when told that all has come.
fn write(
    folder: &std::path::Path,
    name: &str,
    sink: &TilesSink,
    mut batches: mpsc::Receiver<Option<RecordBatch>>,
) -> Result<u64, TilesError> {
    let mut spool = Spool::new(folder)?;
    loop {
        match batches.blocking_recv() {
            Some(Some(batch)) => spool.add(&batch)?,
            Some(None) => return spool.write(&folder.join(NAME), name, sink),
            None => return Err(TilesError::Cancelled),
        }
    }
}

#[async_trait]
impl Projection for TilesProjection {
    fn covers(&self, _: &Sink) -> Covers {
        let words = "every tile of every zoom with its place and its bytes, unpacked; of the \
                     source tables what PostGIS puts into tiles: cut, rounded and simplified";
        let fields = ["z", "x", "y", "data"].map(str::to_owned).to_vec();
        Covers { words: words.to_owned(), fields }
    }

    fn encoding(&self, sink: &Sink, schema: &SchemaRef) -> Result<Arc<dyn RowEncoding>, Failure> {
        sink_of(sink)?;
        let plain = super::summary::schema();
        if schema.fields() != plain.fields() {
            return Err(TilesError::Row("the rows are no tiles").into());
        }
        Ok(Arc::new(ColumnEncoding))
    }

    async fn holds(&self, generation: &Generation) -> Result<Held, Failure> {
        Ok(self.files.holds(generation).await?)
    }

    async fn stage(
        &self,
        generation: &Generation,
        rows: EncodedStream,
        cx: &StageContext,
    ) -> Result<u64, Failure> {
        Ok(self.build(generation, rows, cx).await?)
    }

    async fn read_back(&self, generation: &Generation) -> Result<RowsStream, Failure> {
        Ok(read::rows(self.archive(generation, Copy::Fresh).await?))
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
