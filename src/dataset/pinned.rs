use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::DatasetError;
use crate::model::Failure;
use crate::store::Pin;

/// One artifact: where it is, and the state in which it was verified.
#[derive(Debug, Clone)]
pub(super) struct Pinned {
    pub(super) key: Path,
    pub(super) pin: Pin,
}

/// A read-only view on verified artifacts, under plain names that any key can have.
///
/// Every read asks for the state that was verified; another state is a failure with a finding,
/// never other bytes. What is not listed does not exist.
#[derive(Debug)]
pub(super) struct PinnedStore {
    inner: Arc<dyn ObjectStore>,
    files: BTreeMap<Path, Pinned>,
}

impl PinnedStore {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, files: BTreeMap<Path, Pinned>) -> Self {
        Self { inner, files }
    }

    fn find(&self, name: &Path) -> Result<&Pinned> {
        self.files.get(name).ok_or_else(|| Error::NotFound {
            path: name.to_string(),
            source: "it is not among the verified artifacts".into(),
        })
    }
}

impl fmt::Display for PinnedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pinned({})", self.inner)
    }
}

fn read_only<T>() -> Result<T> {
    Err(Error::NotSupported { source: "canonical data are only read here".into() })
}

#[async_trait]
impl ObjectStore for PinnedStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let file = self.find(location)?;
        let mut options = options;
        options.if_match = file.pin.etag.clone();
        options.version = file.pin.version.clone();
        match self.inner.get_opts(&file.key, options).await {
            Ok(mut result) => {
                result.meta.location = location.clone();
                Ok(result)
            }
            Err(Error::Precondition { .. } | Error::NotFound { .. }) => {
                let changed = DatasetError::Changed { key: file.key.to_string() };
                let source = Box::new(Failure::from(changed));
                Err(Error::Generic { store: "canonical", source })
            }
            Err(error) => Err(error),
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        // Each range is a read of its own under the pin.
        let get = |range| async move {
            let options = GetOptions::new().with_range(Some(range));
            self.get_opts(location, options).await?.bytes().await
        };
        object_store::coalesce_ranges(ranges, get, object_store::OBJECT_STORE_COALESCE_DEFAULT)
            .await
    }

    fn list(&self, _prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::iter([read_only()]).boxed()
    }

    async fn list_with_delimiter(&self, _prefix: Option<&Path>) -> Result<ListResult> {
        read_only()
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        read_only()
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        read_only()
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        locations.and_then(|_| async { read_only() }).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        read_only()
    }
}
