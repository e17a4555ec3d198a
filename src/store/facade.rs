use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::ObjectStore;

use super::backend::{Backend, Commit, Condition};
use super::limits::{Counted, Limited};
use super::local::Local;
use super::remote::Remote;
use super::{
    Attributes, ByteStream, Created, Expected, Location, Meta, OWN, OnConflict, Pin, Published,
    StoreError, Walked, publish,
};

/// A place with objects. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    url: Arc<str>,
    identity: Arc<str>,
    pub(super) backend: Arc<dyn Backend>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.identity)
    }
}

impl Store {
    /// Opens the store at a location. A directory is made at the first write only.
    pub(crate) fn open(location: &Location) -> Result<Self, StoreError> {
        let url = location.checked()?;
        let (backend, identity, counted): (Arc<dyn Backend>, _, _) = if url.scheme() == "file" {
            let local = Local::open(&url)?;
            let identity = Location::of_path(local.root())?.url;
            (Arc::new(local), identity, Counted::ByCall)
        } else {
            let remote = Remote::open(&url, location)?;
            let identity = remote.identity().to_owned();
            let in_memory = url.scheme() == "memory";
            let counted = if in_memory { Counted::ByCall } else { Counted::OnTheWire };
            (Arc::new(remote), identity, counted)
        };
        let backend = Arc::new(Limited::new(backend, location.gate.clone(), counted));
        Ok(Self { url: location.url.as_str().into(), identity: identity.into(), backend })
    }

    /// The URL, for people; no credentials in it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What tells this place from any other: of a directory the URL of its real path, of a
    /// bucket its URL and endpoint.
    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    /// The store as `object_store` sees it, rooted at its prefix. Use `Path::parse` for keys:
    /// `Path::from` would percent-encode them.
    pub(crate) fn objects(&self) -> Arc<dyn ObjectStore> {
        self.backend.objects()
    }

    /// The directory, if it is a `file://` store.
    pub(crate) fn local_root(&self) -> Option<&Path> {
        self.backend.local_root()
    }

    /// Says whether the store can hold a key verbatim; nothing is written.
    pub(crate) fn can_hold(&self, key: &str) -> Result<(), StoreError> {
        self.backend.can_hold(key)
    }

    /// Every object below `prefix` (whole segments; empty is all), sorted by the bytes of the
    /// keys, one directory in memory at a time. Coppice's own `.coppice/` is left out unless the
    /// prefix names it.
    pub(crate) fn walk(&self, prefix: &str) -> BoxStream<'static, Result<Walked, StoreError>> {
        self.walk_without(prefix, Vec::new())
    }

    /// Walks as `walk` does, without going into the folders of `skip`.
    pub(crate) fn walk_without(
        &self,
        prefix: &str,
        mut skip: Vec<String>,
    ) -> BoxStream<'static, Result<Walked, StoreError>> {
        if !format!("{prefix}/").starts_with(OWN) {
            skip.push(OWN.to_owned());
        }
        for folder in &mut skip {
            folder.truncate(folder.trim_end_matches('/').len());
        }
        self.backend.walk(prefix.trim_end_matches('/'), skip)
    }

    /// What the store says of an object.
    pub(crate) async fn head(&self, key: &str) -> Result<Option<Meta>, StoreError> {
        self.backend.head(key).await
    }

    /// Opens an object as a stream; with a pin, in that state or not at all.
    pub(crate) async fn stream(
        &self,
        key: &str,
        pin: Option<&Pin>,
    ) -> Result<Option<(Meta, ByteStream)>, StoreError> {
        self.backend.open(key, pin).await
    }

    /// Reads a document of at most `limit` bytes.
    pub(crate) async fn read(
        &self,
        key: &str,
        limit: u64,
    ) -> Result<Option<(Bytes, Meta)>, StoreError> {
        let Some((meta, mut stream)) = self.backend.open(key, None).await? else {
            return Ok(None);
        };
        if meta.size > limit {
            let what = format!("`{key}` in {}", self.url);
            return Err(StoreError::TooLarge { what, size: meta.size, limit });
        }
        let mut parts = Vec::new();
        while let Some(part) = stream.try_next().await? {
            parts.push(part);
        }
        let bytes = match <[Bytes; 1]>::try_from(parts) {
            Ok([one]) => one,
            Err(parts) => {
                let mut all = BytesMut::new();
                for part in &parts {
                    all.extend_from_slice(part);
                }
                all.freeze()
            }
        };
        Ok(Some((bytes, meta)))
    }

    /// Writes an object where there is none; atomic, and durable on return.
    pub(crate) async fn create(&self, key: &str, bytes: Bytes) -> Result<Created, StoreError> {
        self.backend.can_hold(key)?;
        Ok(match self.backend.put(key, bytes, Condition::Absent).await? {
            Commit::Done => Created::Written,
            Commit::Refused => Created::Exists,
        })
    }

    /// Replaces an object if it is still in the state `expected` (`None`: absent); says whether
    /// it did. Atomic between processes, and durable on return.
    pub(crate) async fn compare_and_swap(
        &self,
        key: &str,
        bytes: Bytes,
        expected: Option<&Pin>,
    ) -> Result<bool, StoreError> {
        self.backend.can_hold(key)?;
        let condition = expected.map_or(Condition::Absent, |pin| Condition::Is(pin.clone()));
        Ok(self.backend.put(key, bytes, condition).await? == Commit::Done)
    }

    /// Writes a stream, hashed on its way; visible under its key only if the bytes are those
    /// that were expected, and durable on return.
    pub(crate) async fn publish(
        &self,
        key: &str,
        bytes: ByteStream,
        expected: &Expected,
        on_conflict: OnConflict,
    ) -> Result<Published, StoreError> {
        self.publish_as(key, bytes, expected, &Attributes::default(), on_conflict).await
    }

    /// Publishes as `publish` does, with what is to be kept beside the bytes.
    pub(crate) async fn publish_as(
        &self,
        key: &str,
        bytes: ByteStream,
        expected: &Expected,
        attributes: &Attributes,
        on_conflict: OnConflict,
    ) -> Result<Published, StoreError> {
        self.backend.can_hold(key)?;
        publish::publish(&*self.backend, key, bytes, expected, attributes, on_conflict).await
    }

    /// Takes an object away; says whether there was one.
    pub(crate) async fn delete(&self, key: &str) -> Result<bool, StoreError> {
        self.backend.delete(key).await
    }
}
