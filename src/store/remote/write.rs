use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use object_store::{MultipartUpload, PutMultipartOptions};
use tokio::task::JoinSet;

use super::Remote;
use crate::store::backend::{Backend, Commit, Condition, Staged};
use crate::store::{Attributes, StoreError};

/// Objects up to this size are put at once, and parts of larger ones are at least so large.
const PART: u64 = 16 * 1024 * 1024;

/// Servers take at most 10,000 parts.
const PARTS: u64 = 9_000;

/// How many parts are on their way at once.
const IN_FLIGHT: usize = 2;

/// An object that is gathered or uploaded in parts; visible when completed only.
pub(super) struct StagedObject {
    remote: Remote,
    key: String,
    attributes: Attributes,
    part: usize,
    gathered: BytesMut,
    upload: Option<Box<dyn MultipartUpload>>,
    running: JoinSet<object_store::Result<()>>,
}

pub(super) fn stage(
    remote: Remote,
    key: &str,
    size: u64,
    attributes: Attributes,
) -> Result<StagedObject, StoreError> {
    remote.path(key)?;
    let part = usize::try_from(PART.max(size.div_ceil(PARTS))).unwrap_or(usize::MAX);
    Ok(StagedObject {
        remote,
        key: key.to_owned(),
        attributes,
        part,
        gathered: BytesMut::new(),
        upload: None,
        running: JoinSet::new(),
    })
}

impl StagedObject {
    async fn send(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if self.upload.is_none() {
            let path = self.remote.path(&self.key)?;
            let options = PutMultipartOptions::from(self.attributes.for_store());
            let upload = self.remote.objects_ref().put_multipart_opts(&path, options).await;
            self.upload = Some(upload.map_err(|e| self.remote.failed(&self.key, e))?);
        }
        while self.running.len() >= IN_FLIGHT {
            self.wait().await?;
        }
        if let Some(upload) = &mut self.upload {
            self.running.spawn(upload.put_part(bytes.into()));
        }
        Ok(())
    }

    async fn wait(&mut self) -> Result<(), StoreError> {
        match self.running.join_next().await {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(self.remote.failed(&self.key, error)),
            Some(Err(error)) => Err(StoreError::task(self.remote.what(&self.key), error)),
        }
    }
}

#[async_trait]
impl Staged for StagedObject {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.gathered.extend_from_slice(&bytes);
        // The last part stays here, so that a small object is never uploaded in parts.
        while self.gathered.len() > self.part {
            let part = self.gathered.split_to(self.part).freeze();
            self.send(part).await?;
        }
        Ok(())
    }

    async fn commit(mut self: Box<Self>, condition: Condition) -> Result<Commit, StoreError> {
        let last = std::mem::take(&mut self.gathered).freeze();
        if self.upload.is_none() {
            return self.remote.put_with(&self.key, last, condition, &self.attributes).await;
        }
        self.send(last).await?;
        while !self.running.is_empty() {
            self.wait().await?;
        }
        if !holds(&self.remote, &self.key, &condition).await? {
            self.abort().await?;
            return Ok(Commit::Refused);
        }
        if let Some(upload) = &mut self.upload {
            upload.complete().await.map_err(|e| self.remote.failed(&self.key, e))?;
        }
        Ok(Commit::Done)
    }

    async fn abort(mut self: Box<Self>) -> Result<(), StoreError> {
        self.running.shutdown().await;
        match &mut self.upload {
            Some(upload) => upload.abort().await.map_err(|e| self.remote.failed(&self.key, e)),
            None => Ok(()),
        }
    }
}

/// Servers have no condition on the completion of parts that every one honours; the lock on
/// the target keeps other writers away, and this shows those that are none of ours.
async fn holds(remote: &Remote, key: &str, condition: &Condition) -> Result<bool, StoreError> {
    Ok(match condition {
        Condition::Any => true,
        Condition::Absent => remote.head(key).await?.is_none(),
        Condition::Is(pin) => remote.head(key).await?.is_some_and(|now| now.pin == *pin),
    })
}
