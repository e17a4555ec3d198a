use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use url::Url;

use super::{read, walk, write};
use crate::store::backend::{Backend, ByteStream, Commit, Condition, Staged};
use crate::store::{Attributes, Meta, Pin, StoreError, Walked, keys};

/// A `file://` store.
#[derive(Debug, Clone)]
pub(in crate::store) struct Local {
    root: Arc<Path>,
    written: Arc<AtomicBool>,
}

impl Local {
    pub(in crate::store) fn open(url: &Url) -> Result<Self, StoreError> {
        let bad = |why: String| StoreError::Location { url: url.to_string(), why };
        let path = url
            .to_file_path()
            .map_err(|()| bad("it is no absolute path on this machine".to_owned()))?;
        let root = real_path(&path).map_err(|e| bad(e.to_string()))?;
        if root.exists() && !root.is_dir() {
            return Err(bad("it is no directory".to_owned()));
        }
        if object_store::path::Path::from_absolute_path(&root).is_err() {
            return Err(bad("its path has a name that cannot be written in UTF-8".to_owned()));
        }
        Ok(Self { root: root.into(), written: Arc::default() })
    }

    /// The directory, symbolic links resolved.
    pub(in crate::store) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether nothing was written through this store before; true once.
    pub(super) fn is_first_write(&self) -> bool {
        !self.written.swap(true, Ordering::Relaxed)
    }

    pub(super) fn name(&self) -> String {
        self.root.display().to_string()
    }

    /// How an object is called in messages.
    pub(super) fn what(&self, key: &str) -> String {
        format!("`{key}` in {}", self.root.display())
    }

    /// Where a key lies.
    pub(super) fn path(&self, key: &str) -> Result<PathBuf, StoreError> {
        self.can_hold(key)?;
        Ok(self.root.join(key))
    }

    /// Does blocking work off the asynchronous threads.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        key: &str,
        work: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let local = self.clone();
        tokio::task::spawn_blocking(move || work(&local))
            .await
            .map_err(|e| StoreError::task(self.what(key), e))?
    }
}

#[async_trait]
impl Backend for Local {
    fn can_hold(&self, key: &str) -> Result<(), StoreError> {
        keys::check(&self.name(), key)?;
        if key.split('/').any(|segment| segment.len() > 255) {
            return Err(keys::refused(&self.name(), key, "a file name ends at 255 bytes"));
        }
        if self.root.as_os_str().len() + 1 + key.len() > 4095 {
            return Err(keys::refused(&self.name(), key, "a path ends at 4,095 bytes"));
        }
        Ok(())
    }

    fn objects(&self) -> Arc<dyn ObjectStore> {
        // `open` made sure that the root has a name there.
        let prefix = object_store::path::Path::from_absolute_path(&self.root).unwrap_or_default();
        Arc::new(PrefixStore::new(LocalFileSystem::new(), prefix))
    }

    fn local_root(&self) -> Option<&Path> {
        Some(&self.root)
    }

    fn in_memory(&self, size: u64) -> u64 {
        // One chunk that is written, and one that is hashed.
        size.min(2 << 20)
    }

    fn walk(
        &self,
        prefix: &str,
        skip: Vec<String>,
    ) -> BoxStream<'static, Result<Walked, StoreError>> {
        walk::walk(self.clone(), prefix.to_owned(), skip)
    }

    async fn head(&self, key: &str) -> Result<Option<Meta>, StoreError> {
        let owned = key.to_owned();
        self.blocking(key, move |local| read::head(local, &owned)).await
    }

    async fn open(
        &self,
        key: &str,
        pin: Option<&Pin>,
    ) -> Result<Option<(Meta, ByteStream)>, StoreError> {
        let (owned, pin) = (key.to_owned(), pin.cloned());
        self.blocking(key, move |local| read::open(local, &owned, pin.as_ref())).await
    }

    async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: Condition,
    ) -> Result<Commit, StoreError> {
        let owned = key.to_owned();
        self.blocking(key, move |local| write::put(local, &owned, &bytes, &condition)).await
    }

    async fn stage(
        &self,
        key: &str,
        _size: u64,
        _attributes: &Attributes,
    ) -> Result<Box<dyn Staged>, StoreError> {
        let owned = key.to_owned();
        let staged = self.blocking(key, move |local| write::stage(local, &owned)).await?;
        Ok(Box::new(staged))
    }

    async fn delete(&self, key: &str) -> Result<bool, StoreError> {
        let owned = key.to_owned();
        self.blocking(key, move |local| write::delete(local, &owned)).await
    }
}

/// Resolves symbolic links in the part of a path that exists.
fn real_path(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match (path.parent(), path.file_name()) {
                (Some(parent), Some(name)) => Ok(real_path(parent)?.join(name)),
                _ => Err(error),
            }
        }
        other => other,
    }
}
