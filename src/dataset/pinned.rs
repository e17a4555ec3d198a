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

    fn beyond(&self, name: &Path) -> Error {
        let key = self.find(name).map_or_else(|_| name.to_string(), |file| file.key.to_string());
        let why = "it points beyond its end: it is damaged".to_owned();
        let source = Box::new(Failure::from(DatasetError::Malformed { key, why }));
        Error::Generic { store: "canonical", source }
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
        // Each range is a read of its own under the pin. What a damaged file points to beyond its
        // end comes back short, and whoever cuts the ranges out of it would panic.
        let get = |range: Range<u64>| async move {
            let length = range.end - range.start;
            let options = GetOptions::new().with_range(Some(range));
            let bytes = self.get_opts(location, options).await?.bytes().await?;
            if bytes.len() as u64 == length { Ok(bytes) } else { Err(self.beyond(location)) }
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

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn what_points_beyond_the_end_is_an_error_that_names_the_object() {
        let (inner, key) = (InMemory::new(), Path::from("processed/a/1/artifacts/a.parquet"));
        inner.put(&key, PutPayload::from_static(b"0123456789")).await.unwrap();
        let pin = Pin { etag: None, version: None };
        let files = [(Path::from("a.parquet"), Pinned { key, pin })];
        let store = PinnedStore::new(Arc::new(inner), files.into());
        let name = Path::from("a.parquet");
        let read = store.get_ranges(&name, &[0..2, 8..10]).await.unwrap();
        assert_eq!(read, ["01", "89"]);
        for ranges in [&[0..2, 5000..5100][..], &[0..2, 8..11]] {
            let error = store.get_ranges(&name, ranges).await.unwrap_err();
            assert!(format!("{error:?}").contains("artifacts/a.parquet"), "{error:?}");
        }
    }
}
