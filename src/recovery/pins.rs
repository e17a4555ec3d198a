//! What was verified, and as what: later steps read exactly that.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::engine::StepContext;
use crate::model::{Code, Failure};
use crate::store::Pin;

/// An object as it was when it was verified.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PinnedObject {
    /// Its key.
    pub(crate) key: String,
    /// How the store knew it then.
    pub(crate) pin: Pin,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its BLAKE3.
    pub(crate) blake3: Digest,
    /// Its SHA-256.
    pub(crate) sha256: Digest,
}

/// Keeps pins in the journal.
pub(crate) async fn keep(cx: &StepContext, pins: &[PinnedObject]) -> Result<Digest, Failure> {
    let bytes = serde_json::to_vec(pins).map_err(|error| {
        Failure::permanent(Code::Internal, "failed to write what was verified").because(&error)
    })?;
    cx.blobs.put(Bytes::from(bytes)).await
}

/// Reads pins that a step kept.
pub(crate) async fn load(cx: &StepContext, blob: &Digest) -> Result<Vec<PinnedObject>, Failure> {
    let bytes = cx.blobs.get(blob).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::permanent(Code::Journal, "failed to read what was verified").because(&error)
    })
}
