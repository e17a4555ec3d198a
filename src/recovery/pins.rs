//! What was verified, and as what: later steps read exactly that.

use bytes::Bytes;

use crate::access::Redactor;
use crate::canonical::Pinned;
use crate::digest::Digest;
use crate::engine::StepContext;
use crate::model::{Code, Failure};

/// Keeps pins in the journal. Of an object that is not public the name is hidden: whoever knows
/// its key finds it by the same hash.
pub(crate) async fn keep(
    cx: &StepContext,
    redactor: &Redactor,
    mut pins: Vec<Pinned>,
) -> Result<Digest, Failure> {
    for pin in &mut pins {
        pin.key = redactor.name_of(&pin.key);
    }
    let bytes = serde_json::to_vec(&pins).map_err(|error| {
        Failure::permanent(Code::Internal, "failed to write what was verified").because(&error)
    })?;
    cx.blobs.put(Bytes::from(bytes)).await
}

/// Reads pins that a step kept; find them by `Redactor::name_of`.
pub(crate) async fn load(cx: &StepContext, blob: &Digest) -> Result<Vec<Pinned>, Failure> {
    let bytes = cx.blobs.get(blob).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::permanent(Code::Journal, "failed to read what was verified").because(&error)
    })
}
