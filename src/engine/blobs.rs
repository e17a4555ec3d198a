use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::Blobs;
use crate::digest::Digest;
use crate::journal::Journal;
use crate::model::Failure;

/// Keeps what is too large for an event in the journal.
pub(crate) struct JournalBlobs(pub(crate) Arc<dyn Journal>);

#[async_trait]
impl Blobs for JournalBlobs {
    async fn put(&self, bytes: Bytes) -> Result<Digest, Failure> {
        Ok(self.0.put(bytes).await?)
    }

    async fn get(&self, name: &Digest) -> Result<Bytes, Failure> {
        Ok(self.0.get(name).await?)
    }
}
