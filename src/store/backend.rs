use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::ObjectStore;

use super::{Attributes, Meta, Pin, StoreError, Walked};

/// The bytes of one object, in order.
pub(crate) type ByteStream = BoxStream<'static, Result<Bytes, StoreError>>;

/// In which state a key must be for a write to become visible under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// Whatever it is.
    Any,
    /// No object there.
    Absent,
    /// This one there.
    Is(Pin),
}

/// Whether the write became visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Commit {
    /// It did, and is durable.
    Done,
    /// The condition did not hold; nothing changed.
    Refused,
}

/// What each kind of store does; the same contract suite holds for all.
#[async_trait]
pub(super) trait Backend: Send + Sync {
    /// Says whether the store can hold a key verbatim.
    fn can_hold(&self, key: &str) -> Result<(), StoreError>;

    /// The store as `object_store` sees it, rooted at the prefix.
    fn objects(&self) -> Arc<dyn ObjectStore>;

    /// The directory, if it is one.
    fn local_root(&self) -> Option<&Path> {
        None
    }

    /// How many bytes of an object of this size are in memory while it is written.
    fn in_memory(&self, size: u64) -> u64;

    /// Every object below `prefix` (whole segments; empty is all) and in none of the folders of
    /// `skip`, by the bytes of the keys.
    fn walk(
        &self,
        prefix: &str,
        skip: Vec<String>,
    ) -> BoxStream<'static, Result<Walked, StoreError>>;

    /// What the store says of an object.
    async fn head(&self, key: &str) -> Result<Option<Meta>, StoreError>;

    /// Opens an object in the given state; `Changed` if it is in another.
    async fn open(
        &self,
        key: &str,
        pin: Option<&Pin>,
    ) -> Result<Option<(Meta, ByteStream)>, StoreError>;

    /// Writes a small object at once.
    async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: Condition,
    ) -> Result<Commit, StoreError>;

    /// Starts an object of about `size` bytes that is not visible yet.
    async fn stage(
        &self,
        key: &str,
        size: u64,
        attributes: &Attributes,
    ) -> Result<Box<dyn Staged>, StoreError>;

    /// Takes an object away; says whether there was one.
    async fn delete(&self, key: &str) -> Result<bool, StoreError>;
}

/// An object that is being written and is not visible under its key yet. Dropped, it is gone.
#[async_trait]
pub(super) trait Staged: Send {
    /// Appends bytes.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;

    /// Makes it visible and durable.
    async fn commit(self: Box<Self>, condition: Condition) -> Result<Commit, StoreError>;

    /// Throws it away.
    async fn abort(self: Box<Self>) -> Result<(), StoreError>;
}

/// Throws away what will not be visible. Why it will not is what is to be told: that it could not
/// be thrown away only goes to the log.
pub(super) async fn give_up(staged: Box<dyn Staged>, key: &str) {
    if let Err(error) = staged.abort().await {
        tracing::warn!(key, error = error.in_full(), "what was written in part stays in the store");
    }
}
