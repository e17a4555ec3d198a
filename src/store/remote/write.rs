use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use object_store::{
    Error, Extensions, MultipartUpload, PutMode, PutMultipartOptions, PutOptions, UpdateVersion,
};
use tokio::task::JoinSet;

use super::Remote;
use super::wire::Tries;
use crate::store::backend::{Backend, Commit, Condition, Staged, give_up};
use crate::store::refusal::is_of_bucket;
use crate::store::{Attributes, StoreError};

/// Objects up to this size are put at once, and parts of larger ones are at least so large.
const PART: u64 = 16 * 1024 * 1024;

/// Servers take at most 10,000 parts.
const PARTS: u64 = 9_000;

/// How many parts are on their way at once.
const IN_FLIGHT: usize = 2;

/// How many bytes of an object are in memory while it is written: a part that is gathered, and
/// those that are on their way.
pub(super) fn in_memory(size: u64) -> u64 {
    size.min(part_of(size).saturating_mul(1 + IN_FLIGHT as u64))
}

fn part_of(size: u64) -> u64 {
    PART.max(size.div_ceil(PARTS))
}

/// Writes an object at once, with what is to be kept beside its bytes.
pub(super) async fn put(
    remote: &Remote,
    key: &str,
    bytes: Bytes,
    condition: Condition,
    attributes: &Attributes,
) -> Result<Commit, StoreError> {
    if !remote.is_conditional() && condition != Condition::Any {
        return put_looking(remote, key, bytes, condition, attributes).await;
    }
    let updates = matches!(condition, Condition::Is(_));
    let mode = match condition {
        Condition::Any => PutMode::Overwrite,
        Condition::Absent => PutMode::Create,
        Condition::Is(pin) => {
            PutMode::Update(UpdateVersion { e_tag: pin.etag, version: pin.version })
        }
    };
    let (tries, mut extensions) = (Tries::default(), Extensions::new());
    extensions.insert(tries.clone());
    let attributes = attributes.for_store();
    let options = PutOptions { attributes, extensions, ..PutOptions::from(mode) };
    let path = remote.path(key)?;
    match remote.objects_ref().put_opts(&path, bytes.clone().into(), options).await {
        Ok(_) => Ok(Commit::Done),
        Err(error) if is_of_bucket(&error) => Err(remote.failed(key, error)),
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {
            // The answer to an earlier try may have been lost, and that try be what is there.
            let ours = tries.repeated() && reads(remote, key, &bytes).await?;
            Ok(if ours { Commit::Done } else { Commit::Refused })
        }
        // An update of what is gone is refused as well.
        Err(Error::NotFound { .. }) if updates => Ok(Commit::Refused),
        Err(error) => Err(remote.failed(key, error)),
    }
}

/// For servers that know no condition: looks before and after. Two that write at one moment may
/// both be told that they did; the docs say what to do about it.
async fn put_looking(
    remote: &Remote,
    key: &str,
    bytes: Bytes,
    condition: Condition,
    attributes: &Attributes,
) -> Result<Commit, StoreError> {
    if !holds(remote, key, &condition).await? {
        return Ok(Commit::Refused);
    }
    let options = PutOptions { attributes: attributes.for_store(), ..PutOptions::default() };
    let path = remote.path(key)?;
    let written = remote.objects_ref().put_opts(&path, bytes.clone().into(), options).await;
    written.map_err(|error| remote.failed(key, error))?;
    let ours = reads(remote, key, &bytes).await?;
    Ok(if ours { Commit::Done } else { Commit::Refused })
}

/// Whether an object holds these bytes.
async fn reads(remote: &Remote, key: &str, bytes: &Bytes) -> Result<bool, StoreError> {
    use futures::TryStreamExt;
    let Some((meta, mut parts)) = remote.open(key, None).await? else { return Ok(false) };
    if meta.size != bytes.len() as u64 {
        return Ok(false);
    }
    let mut rest = &bytes[..];
    while let Some(part) = parts.try_next().await? {
        let Some(left) = rest.strip_prefix(&part[..]) else { return Ok(false) };
        rest = left;
    }
    Ok(rest.is_empty())
}

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
    let part = usize::try_from(part_of(size)).unwrap_or(usize::MAX);
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

    /// Sends the last part, waits for all of them and completes the upload.
    async fn finish(&mut self, last: Bytes, condition: &Condition) -> Result<Commit, StoreError> {
        self.send(last).await?;
        while !self.running.is_empty() {
            self.wait().await?;
        }
        if !holds(&self.remote, &self.key, condition).await? {
            return Ok(Commit::Refused);
        }
        if let Some(upload) = &mut self.upload {
            upload.complete().await.map_err(|error| self.not_completed(error))?;
        }
        Ok(Commit::Done)
    }

    /// An upload that is gone may have been completed by a try whose answer was lost; the whole is
    /// uploaded anew, as whoever tries again finds out.
    fn not_completed(&self, error: Error) -> StoreError {
        match error {
            Error::NotFound { .. } if !is_of_bucket(&error) => {
                StoreError::Unreachable { what: self.remote.what(&self.key), source: error.into() }
            }
            error => self.remote.failed(&self.key, error),
        }
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
            return put(&self.remote, &self.key, last, condition, &self.attributes).await;
        }
        let done = self.finish(last, &condition).await;
        if !matches!(done, Ok(Commit::Done)) {
            // Its parts would lie there, unseen and paid for.
            let key = self.key.clone();
            give_up(self, &key).await;
        }
        done
    }

    async fn abort(mut self: Box<Self>) -> Result<(), StoreError> {
        self.running.shutdown().await;
        let Some(upload) = &mut self.upload else { return Ok(()) };
        match upload.abort().await {
            // One that is gone already, by a try whose answer was lost.
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.remote.failed(&self.key, error)),
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
