use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    Error, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion,
};
use url::Url;

use super::{walk, write};
use crate::store::backend::{Backend, ByteStream, Commit, Condition, Staged};
use crate::store::{Attributes, Location, Meta, Pin, StoreError, Walked, keys};

/// Stores in memory, for the life of the process: the same URL is the same store.
static IN_MEMORY: Mutex<BTreeMap<String, Arc<InMemory>>> = Mutex::new(BTreeMap::new());

/// The longest key that S3 and GCS hold, in bytes.
const LONGEST: usize = 1024;

/// A store behind `object_store`.
#[derive(Debug, Clone)]
pub(in crate::store) struct Remote {
    identity: String,
    /// The length of the prefix that stands before every key.
    prefix: usize,
    longest: Option<usize>,
    objects: Arc<dyn ObjectStore>,
}

impl Remote {
    pub(in crate::store) fn open(url: &Url, location: &Location) -> Result<Self, StoreError> {
        let text = url.as_str().trim_end_matches('/').to_owned();
        if url.scheme() == "memory" {
            let mut known = IN_MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
            let objects = known.entry(text.clone()).or_default().clone();
            return Ok(Self { identity: text, prefix: 0, longest: None, objects });
        }
        let bad = |why: String| StoreError::Location { url: text.clone(), why };
        if !matches!(url.scheme(), "s3" | "s3a" | "gs" | "az" | "adl" | "azure" | "abfs" | "abfss")
        {
            return Err(bad(format!("`{}` is no kind of store", url.scheme())));
        }
        let (store, prefix) = object_store::parse_url_opts(url, &location.options)
            .map_err(|error| bad(error.to_string()))?;
        let endpoint = location.options.iter().find(|(name, _)| name.ends_with("endpoint"));
        let identity = match endpoint {
            Some((_, endpoint)) => format!("{text} at {endpoint}"),
            None => text,
        };
        let length = prefix.as_ref().len();
        let objects = Arc::new(PrefixStore::new(store, prefix));
        Ok(Self { identity, prefix: length, longest: Some(LONGEST), objects })
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

    /// Writes an object at once, with what is to be kept beside its bytes.
    pub(super) async fn put_with(
        &self,
        key: &str,
        bytes: Bytes,
        condition: Condition,
        attributes: &Attributes,
    ) -> Result<Commit, StoreError> {
        let mode = match condition {
            Condition::Any => PutMode::Overwrite,
            Condition::Absent => PutMode::Create,
            Condition::Is(pin) => {
                PutMode::Update(UpdateVersion { e_tag: pin.etag, version: pin.version })
            }
        };
        let attributes = attributes.for_store();
        let options = PutOptions { attributes, ..PutOptions::from(mode) };
        match self.objects.put_opts(&self.path(key)?, bytes.into(), options).await {
            Ok(_) => Ok(Commit::Done),
            // An update of what is gone is refused as well.
            Err(
                Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotFound { .. },
            ) => Ok(Commit::Refused),
            Err(error) => Err(self.failed(key, error)),
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
        let above = if self.prefix == 0 { 0 } else { self.prefix + 1 };
        if self.longest.is_some_and(|longest| above + key.len() > longest) {
            return Err(keys::refused(&self.identity, key, "a key ends at 1,024 bytes"));
        }
        Ok(())
    }

    fn objects(&self) -> Arc<dyn ObjectStore> {
        self.objects.clone()
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
            Err(error) => Err(self.failed(key, error)),
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
        let found = match self.objects.get_opts(&self.path(key)?, options).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.failed(key, error)),
        };
        let attributes = Attributes::from(&found.attributes);
        let seen = Meta { attributes, ..meta_of(key, found.meta.clone()) };
        if pin.is_some_and(|pin| *pin != seen.pin) {
            return Err(StoreError::Changed { what: self.what(key) });
        }
        let what = self.what(key);
        let bytes = found.into_stream().map_err(move |e| StoreError::objects(what.clone(), e));
        Ok(Some((seen, bytes.boxed())))
    }

    async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: Condition,
    ) -> Result<Commit, StoreError> {
        self.put_with(key, bytes, condition, &Attributes::default()).await
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
