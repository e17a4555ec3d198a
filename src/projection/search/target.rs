use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use tokio::sync::mpsc;

use super::index::Builder;
use super::records::{COLUMNS, RecordEncoding, check};
use super::{SearchError, index};
use crate::model::{Covers, Failure, Sink};
use crate::projection::files::{
    FileKind, FileProjection, Incoming, read_in_thread, write_in_thread,
};
use crate::projection::{Generation, StageContext};
use crate::proof::{EncodedStream, RowEncoding, Rows, RowsStream};

/// Raised when the same records would be found or stored in another way.
pub(crate) const BUILDER: u32 = 1;

/// Search indexes as published folders of tantivy's files.
pub(crate) type SearchProjection = FileProjection<Search>;

/// One tantivy index.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Search;

#[async_trait]
impl FileKind for Search {
    fn covers(&self, _sink: &Sink) -> Covers {
        let words = "every field of every record, as stored in the published index";
        Covers::of(words, COLUMNS.map(|(name, ..)| name))
    }

    fn encoding(&self, _sink: &Sink, schema: &SchemaRef) -> Result<Arc<dyn RowEncoding>, Failure> {
        check(schema)?;
        Ok(Arc::new(RecordEncoding))
    }

    async fn write(
        &self,
        _generation: &Generation,
        folder: &Path,
        rows: EncodedStream,
        cx: &StageContext,
    ) -> Result<u64, Failure> {
        let folder = folder.to_owned();
        write_in_thread(rows, cx, move |batches| write(&folder, batches)).await
    }

    fn read(&self, folder: PathBuf) -> RowsStream {
        read_in_thread(move |out| read(&folder, out), |error| SearchError::from(error).into())
    }
}

fn write(folder: &Path, mut batches: Incoming) -> Result<u64, Failure> {
    let mut builder = Builder::create(folder)?;
    while let Some(batch) = batches.next()? {
        builder.add(&batch)?;
    }
    Ok(builder.finish()?)
}

fn read(folder: &Path, out: &mpsc::Sender<Rows>) -> Result<(), Failure> {
    let mut failed = None;
    index::each_batch(folder, |batch| match RecordEncoding.encode(&batch) {
        // A reader that is gone wants no more.
        Ok(rows) => out.blocking_send(rows).is_ok(),
        Err(failure) => {
            failed = Some(failure);
            false
        }
    })?;
    failed.map_or(Ok(()), Err)
}
