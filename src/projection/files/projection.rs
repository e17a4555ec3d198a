use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;

use super::{Copy, Files, FilesError};
use crate::digest::Digest;
use crate::model::{Covers, Failure, JobId, Proof, Sink};
use crate::projection::{Change, Generation, Held, LastSwitch, Projection, StageContext, Stored};
use crate::proof::{EncodedStream, RowEncoding, RowsStream};

/// What tells one kind of files from another; all else is the same for them.
#[async_trait]
pub(crate) trait FileKind: Send + Sync {
    /// Says what the proof of a generation covers.
    fn covers(&self, sink: &Sink) -> Covers;

    /// Gives the row encoding for a query's result, or says why the result does not fit the sink.
    fn encoding(&self, sink: &Sink, schema: &SchemaRef) -> Result<Arc<dyn RowEncoding>, Failure>;

    /// Writes the files of a generation into a local folder; gives the number of rows.
    async fn write(
        &self,
        generation: &Generation,
        folder: &Path,
        rows: EncodedStream,
        cx: &StageContext,
    ) -> Result<u64, Failure>;

    /// Reads the rows out of a local folder with the files of a generation.
    fn read(&self, folder: PathBuf) -> RowsStream;
}

/// A kind of files as a target of projections.
#[derive(Debug, Clone)]
pub(crate) struct FileProjection<K> {
    pub(in crate::projection) files: Files,
    kind: K,
}

impl<K: Default> FileProjection<K> {
    /// Publishes to `files`, which other file-like projections may share.
    pub(crate) fn new(files: Files) -> Self {
        Self { files, kind: K::default() }
    }
}

#[async_trait]
impl<K: FileKind> Projection for FileProjection<K> {
    fn covers(&self, sink: &Sink) -> Covers {
        self.kind.covers(sink)
    }

    fn encoding(&self, sink: &Sink, schema: &SchemaRef) -> Result<Arc<dyn RowEncoding>, Failure> {
        self.kind.encoding(sink, schema)
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
        self.files.refuse_live(generation).await?;
        let staging = self.files.staging()?;
        let count = self.kind.write(generation, staging.path(), rows, cx).await?;
        self.files.publish(generation, staging.path(), count, cx).await?;
        Ok(count)
    }

    async fn read_back(&self, generation: &Generation) -> Result<RowsStream, Failure> {
        let fetched = self.files.fetch(generation, Copy::Fresh).await;
        if fetched.as_ref().is_err_and(FilesError::is_damage) {
            self.files.revoke(generation).await?;
        }
        Ok(self.kind.read(fetched?))
    }

    async fn count(&self, generation: &Generation) -> Result<u64, Failure> {
        let (listing, _) = self.files.published(&generation.job, &generation.digest).await?;
        Ok(listing.rows)
    }

    async fn record(&self, generation: &Generation, proof: &Proof) -> Result<(), Failure> {
        Ok(self.files.record(generation, proof).await?)
    }

    async fn revoke(&self, generation: &Generation) -> Result<(), Failure> {
        Ok(self.files.revoke(generation).await?)
    }

    async fn live(&self, job: &JobId) -> Result<Option<Digest>, Failure> {
        Ok(self.files.live(job).await?)
    }

    async fn all_live(&self) -> Result<BTreeMap<JobId, Digest>, Failure> {
        Ok(self.files.pointer().await?.map(|pointer| pointer.generations).unwrap_or_default())
    }

    async fn last_switch(&self, job: &JobId) -> Result<Option<LastSwitch>, Failure> {
        Ok(self.files.last_switch(job).await?)
    }

    async fn prepare(&self, set: &[Change]) -> Result<(), Failure> {
        Ok(self.files.prepare(set).await?)
    }

    async fn switch(&self, set: &[Change], cx: &StageContext) -> Result<(), Failure> {
        Ok(self.files.switch(set, cx).await?)
    }

    async fn stored(&self, job: &JobId) -> Result<Vec<Stored>, Failure> {
        Ok(self.files.stored(job).await?)
    }

    async fn discard(&self, generation: &Generation) -> Result<(), Failure> {
        Ok(self.files.discard(generation).await?)
    }
}
