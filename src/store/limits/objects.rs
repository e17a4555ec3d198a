use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::gate::{Gate, Lane, Turn};

/// A store as `object_store` sees it, asked for no more than its gate lets through.
#[derive(Debug)]
pub(super) struct LimitedObjects {
    inner: Arc<dyn ObjectStore>,
    gate: Arc<Gate>,
}

impl LimitedObjects {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }

    async fn ask(&self, bytes: u64) -> Turn {
        let turn = self.gate.ask(Lane::Data).await;
        self.gate.pass(bytes, Lane::Data).await;
        turn
    }
}

impl fmt::Display for LimitedObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with limits", self.inner)
    }
}

#[async_trait]
impl ObjectStore for LimitedObjects {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let size = payload.content_length() as u64;
        let _carried = self.gate.carry(size, Lane::Data).await;
        let _turn = self.ask(size).await;
        self.inner.put_opts(location, payload, options).await
    }

    /// Parts are for those who write; they do so by `Backend`.
    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let _turn = self.ask(0).await;
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let asks_for_bytes = !options.head;
        let _turn = self.ask(0).await;
        let mut found = self.inner.get_opts(location, options).await?;
        if asks_for_bytes {
            // A file is read by whoever gets it, so it is counted as a whole.
            let size = found.range.end - found.range.start;
            match found.payload {
                GetResultPayload::Stream(parts) => {
                    let gate = self.gate.clone();
                    let paced = parts.and_then(move |part| {
                        let gate = gate.clone();
                        async move {
                            gate.pass(part.len() as u64, Lane::Data).await;
                            Ok(part)
                        }
                    });
                    found.payload = GetResultPayload::Stream(paced.boxed());
                }
                GetResultPayload::File(..) => self.gate.pass(size, Lane::Data).await,
            }
        }
        Ok(found)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let size = ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum();
        let _turn = self.ask(size).await;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let gate = self.gate.clone();
        let asked = locations.and_then(move |location| {
            let gate = gate.clone();
            async move {
                drop(gate.ask(Lane::Data).await);
                Ok(location)
            }
        });
        self.inner.delete_stream(asked.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (gate, listed) = (self.gate.clone(), self.inner.list(prefix));
        let asked = async move { drop(gate.ask(Lane::Data).await) };
        asked.map(move |()| listed).flatten_stream().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let _turn = self.ask(0).await;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let _turn = self.ask(0).await;
        self.inner.copy_opts(from, to, options).await
    }
}
