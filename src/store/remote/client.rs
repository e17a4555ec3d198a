use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::list::PaginatedListStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

use super::{read, walk, write};
use crate::store::backend::{Backend, ByteStream, Commit, Condition, Staged};
use crate::store::refusal::{Refusal, is_of_bucket, refusal, says_nothing};
use crate::store::{Attributes, Location, Meta, Pin, StoreError, Walked, keys};

/// Stores in memory, for the life of the process: the same URL is the same store.
static IN_MEMORY: Mutex<BTreeMap<String, Arc<InMemory>>> = Mutex::new(BTreeMap::new());

/// The longest key that S3 and GCS hold, in bytes.
const LONGEST: usize = 1024;

/// A store behind `object_store`.
#[derive(Clone)]
pub(in crate::store) struct Remote {
    identity: String,
    /// What stands before every key.
    prefix: Path,
    longest: Option<usize>,
    objects: Arc<dyn ObjectStore>,
    pages: Option<Arc<dyn PaginatedListStore>>,
    page_size: Option<usize>,
    /// Whether the server refuses writes whose condition does not hold.
    conditional: bool,
}

impl Remote {
    pub(in crate::store) fn open(url: &Url, location: &Location) -> Result<Self, StoreError> {
        let text = url.as_str().trim_end_matches('/').to_owned();
        if url.scheme() == "memory" {
            let mut known = IN_MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
            let objects = known.entry(text.clone()).or_default().clone();
            return Ok(Self {
                identity: text,
                prefix: Path::default(),
                longest: None,
                objects,
                pages: None,
                page_size: None,
                conditional: true,
            });
        }
        let client = super::open::open(url, location)?;
        let identity = match location.endpoint() {
            Some(endpoint) => format!("{text} at {endpoint}"),
            None => text,
        };
        Ok(Self {
            identity,
            objects: Arc::new(PrefixStore::new(client.objects, client.prefix.clone())),
            prefix: client.prefix,
            longest: Some(LONGEST),
            pages: client.pages,
            page_size: None,
            conditional: client.conditional,
        })
    }

    /// Lists so many keys a page, instead of as many as the server gives.
    #[cfg(test)]
    pub(super) fn with_pages_of(self, keys: usize) -> Self {
        Self { page_size: Some(keys), ..self }
    }

    pub(super) fn pages(&self) -> Option<&Arc<dyn PaginatedListStore>> {
        self.pages.as_ref()
    }

    pub(super) fn page_size(&self) -> Option<usize> {
        self.page_size
    }

    /// Where it lies in its bucket.
    pub(super) fn prefix(&self) -> &Path {
        &self.prefix
    }

    pub(in crate::store) fn identity(&self) -> &str {
        &self.identity
    }

    /// How an object is called in messages.
    pub(super) fn what(&self, key: &str) -> String {
        format!("`{key}` in {}", self.identity)
    }

    /// The verbatim path of a key.
    pub(super) fn path(&self, key: &str) -> Result<Path, StoreError> {
        self.can_hold(key)?;
        Path::parse(key).map_err(|e| keys::refused(&self.identity, key, &e.to_string()))
    }

    pub(super) fn objects_ref(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    pub(super) fn failed(&self, key: &str, error: Error) -> StoreError {
        StoreError::objects(self.what(key), error)
    }

    /// Whether nothing but the looking keeps a write from what is there.
    pub(super) fn is_conditional(&self) -> bool {
        self.conditional
    }

    /// Asks anew for an object of which an answer without a document said no: only a document tells
    /// credentials that ran out from an object that is not for us.
    async fn why(&self, key: &str, error: Error) -> StoreError {
        if !says_nothing(&error) {
            return self.failed(key, error);
        }
        let Ok(path) = self.path(key) else { return self.failed(key, error) };
        let options = GetOptions::new().with_range(Some(GetRange::Bounded(0..1)));
        match self.objects.get_opts(&path, options).await {
            Err(told) if refusal(&told).is_some_and(|why| why != Refusal::Request) => {
                self.failed(key, told)
            }
            _ => self.failed(key, error),
        }
    }
}

pub(super) fn meta(found: ObjectMeta) -> Meta {
    Meta {
        key: found.location.into(),
        size: found.size,
        pin: Pin { etag: found.e_tag, version: found.version },
        modified: found.last_modified,
        attributes: Attributes::default(),
    }
}

/// Under the key that was asked for: below a prefix, `object_store` names the whole path.
fn meta_of(key: &str, found: ObjectMeta) -> Meta {
    Meta { key: key.to_owned(), ..meta(found) }
}

#[async_trait]
impl Backend for Remote {
    fn can_hold(&self, key: &str) -> Result<(), StoreError> {
        keys::check(&self.identity, key)?;
        if key.chars().any(|c| c.is_ascii_control()) {
            return Err(keys::refused(&self.identity, key, "it has a control character"));
        }
        let prefix = self.prefix.as_ref().len();
        let above = if prefix == 0 { 0 } else { prefix + 1 };
        if self.longest.is_some_and(|longest| above + key.len() > longest) {
            return Err(keys::refused(&self.identity, key, "a key ends at 1,024 bytes"));
        }
        Ok(())
    }

    fn objects(&self) -> Arc<dyn ObjectStore> {
        self.objects.clone()
    }

    fn in_memory(&self, size: u64) -> u64 {
        write::in_memory(size)
    }

    fn walk(
        &self,
        prefix: &str,
        skip: Vec<String>,
    ) -> BoxStream<'static, Result<Walked, StoreError>> {
        walk::walk(self.clone(), prefix.to_owned(), skip)
    }

    async fn head(&self, key: &str) -> Result<Option<Meta>, StoreError> {
        match self.objects.head(&self.path(key)?).await {
            Ok(found) => Ok(Some(meta_of(key, found))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.why(key, error).await),
        }
    }

    async fn open(
        &self,
        key: &str,
        pin: Option<&Pin>,
    ) -> Result<Option<(Meta, ByteStream)>, StoreError> {
        let mut options = GetOptions::new();
        if let Some(pin) = pin {
            options = options.with_if_match(pin.etag.clone()).with_version(pin.version.clone());
        }
        let path = self.path(key)?;
        let found = match self.objects.get_opts(&path, options).await {
            Ok(found) => found,
            Err(error @ Error::NotFound { .. }) if !is_of_bucket(&error) => return Ok(None),
            Err(error) => return Err(self.failed(key, error)),
        };
        let attributes = Attributes::from(&found.attributes);
        let seen = Meta { attributes, ..meta_of(key, found.meta.clone()) };
        if pin.is_some_and(|pin| *pin != seen.pin) {
            return Err(StoreError::Changed { what: self.what(key) });
        }
        let (pin, size) = (seen.pin.clone(), seen.size);
        Ok(Some((seen, read::resumed(self, key, path, pin, size, found.into_stream()))))
    }

    async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: Condition,
    ) -> Result<Commit, StoreError> {
        write::put(self, key, bytes, condition, &Attributes::default()).await
    }

    async fn stage(
        &self,
        key: &str,
        size: u64,
        attributes: &Attributes,
    ) -> Result<Box<dyn Staged>, StoreError> {
        Ok(Box::new(write::stage(self.clone(), key, size, attributes.clone())?))
    }
    async fn delete(&self, key: &str) -> Result<bool, StoreError> {
        let there = self.head(key).await?.is_some();
        match self.objects.delete(&self.path(key)?).await {
            Ok(()) => Ok(there),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed(key, error)),
        }
    }
}
