use serde::Serialize;

use super::Digest;

/// Says why a value has no RFC 8785 form.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the value as canonical JSON (RFC 8785)")]
pub struct CanonicalError(#[from] serde_json::Error);

/// Writes `value` as RFC 8785 canonical JSON: sorted members, no white space, one form of each
/// number.
pub fn canonical_json(value: &impl Serialize) -> Result<Vec<u8>, CanonicalError> {
    Ok(serde_json_canonicalizer::to_vec(value)?)
}

/// Names `value` by the BLAKE3 of its RFC 8785 form.
pub fn digest_json(value: &impl Serialize) -> Result<Digest, CanonicalError> {
    Ok(Digest::blake3(&canonical_json(value)?))
}
