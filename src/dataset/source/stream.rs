use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use datafusion::error::DataFusionError;
use flate2::read::MultiGzDecoder;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::mpsc;

use super::form::Packing;
use crate::dataset::DatasetError;
use crate::model::Failure;

type Chunk = Result<Bytes, object_store::Error>;

/// Sends the bytes of an object to a reader on another thread, a few chunks ahead of it.
pub(super) async fn pump(store: Arc<dyn ObjectStore>, name: Path, chunks: mpsc::Sender<Chunk>) {
    let mut stream = match store.get(&name).await {
        Ok(found) => found.into_stream(),
        // A reader that is gone wants to know nothing.
        Err(error) => return drop(chunks.send(Err(error)).await),
    };
    while let Some(chunk) = stream.next().await {
        if chunks.send(chunk).await.is_err() {
            return;
        }
    }
}

/// Hands the unpacked bytes to `reader`, which runs on this thread and blocks it. What it says is
/// wrong is so only if the store did not break off.
pub(super) fn unpacked<T>(
    chunks: mpsc::Receiver<Chunk>,
    packing: Packing,
    key: &str,
    reader: impl FnOnce(&mut dyn BufRead) -> Result<T, DataFusionError>,
) -> Result<T, DataFusionError> {
    let mut source = Source { chunks, rest: Bytes::new(), failed: None };
    let result = match packing {
        Packing::Plain => reader(&mut BufReader::new(&mut source)),
        Packing::Gzip => reader(&mut BufReader::new(MultiGzDecoder::new(&mut source))),
        Packing::Zstd => match zstd::stream::read::Decoder::new(&mut source) {
            Ok(decoder) => reader(&mut BufReader::new(decoder)),
            Err(_) => Err(malformed(key, "it is no zstd stream")),
        },
    };
    match source.failed {
        Some(error) => Err(DataFusionError::ObjectStore(Box::new(error))),
        None => result,
    }
}

/// An artifact that is not what it claims to be, as an error below a query.
pub(super) fn malformed(key: &str, why: &str) -> DataFusionError {
    let error = DatasetError::Malformed { key: key.to_owned(), why: why.to_owned() };
    DataFusionError::External(Box::new(Failure::from(error)))
}

struct Source {
    chunks: mpsc::Receiver<Chunk>,
    rest: Bytes,
    failed: Option<object_store::Error>,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.chunks.blocking_recv() {
                None => return Ok(0),
                Some(Ok(chunk)) => self.rest = chunk,
                Some(Err(error)) => {
                    self.failed = Some(error);
                    return Err(io::Error::other("the store broke off"));
                }
            }
        }
        let taken = buffer.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut buffer[..taken]);
        Ok(taken)
    }
}
