use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use tokio::sync::mpsc;

use super::GraphError;
use super::archive::{NAME, Writer, quads, terms};
use super::terms::{Batches, COLUMNS, check};
use crate::model::{Covers, Failure, Sink};
use crate::projection::files::{
    FileKind, FileProjection, Incoming, read_in_thread, write_in_thread,
};
use crate::projection::{Generation, StageContext};
use crate::proof::{ColumnEncoding, EncodedStream, RowEncoding, Rows, RowsStream};

/// Raised when the same quads would be published as other bytes.
pub(crate) const BUILDER: u32 = 1;

/// Graphs as published archives of N-Quads.
pub(crate) type GraphProjection = FileProjection<Graph>;

/// One archive of sorted N-Quads.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Graph;

#[async_trait]
impl FileKind for Graph {
    fn covers(&self, _sink: &Sink) -> Covers {
        Covers::of("every distinct quad, parsed back out of the published archive", COLUMNS)
    }

    fn encoding(&self, _sink: &Sink, schema: &SchemaRef) -> Result<Arc<dyn RowEncoding>, Failure> {
        check(schema)?;
        Ok(Arc::new(ColumnEncoding))
    }

    async fn write(
        &self,
        _generation: &Generation,
        folder: &Path,
        rows: EncodedStream,
        cx: &StageContext,
    ) -> Result<u64, Failure> {
        let path = folder.join(NAME);
        write_in_thread(rows, cx, move |batches| write(&path, batches)).await
    }

    fn read(&self, folder: PathBuf) -> RowsStream {
        read_in_thread(move |out| read(&folder, out), |error| GraphError::from(error).into())
    }
}

fn write(path: &Path, mut batches: Incoming) -> Result<u64, Failure> {
    let mut writer = Writer::create(path)?;
    while let Some(batch) = batches.next()? {
        writer.write(&batch)?;
    }
    Ok(writer.finish()?)
}

fn read(folder: &Path, out: &mpsc::Sender<Rows>) -> Result<(), Failure> {
    let mut collected = Batches::new();
    let send = |batch: Option<RecordBatch>| -> Result<bool, Failure> {
        let Some(batch) = batch else { return Ok(true) };
        Ok(out.blocking_send(ColumnEncoding.encode(&batch)?).is_ok())
    };
    for quad in quads(folder)? {
        let [s, p, o, g] = terms(&quad?);
        collected.add([&s, &p, &o, &g]);
        // A reader that is gone wants no more.
        if collected.is_full() && !send(collected.take()?)? {
            return Ok(());
        }
    }
    send(collected.take()?)?;
    Ok(())
}
