use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::model::Finding;
use crate::store::Pin;

/// What a verification came to; its JSON is part of the contract.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Verified {
    /// Whether nothing was found.
    pub(crate) ok: bool,
    /// The snapshot; none where canonical stores were verified by themselves.
    pub(crate) snapshot: Option<Digest>,
    /// How many objects were read.
    pub(crate) objects_checked: u64,
    /// How many bytes they had.
    pub(crate) bytes_checked: u64,
    /// What was found.
    pub(crate) findings: Vec<Finding>,
}

/// What the verification of one shard came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VerifiedShard {
    /// How many objects were read.
    pub(crate) objects: u64,
    /// How many bytes they had.
    pub(crate) bytes: u64,
    /// What was found.
    pub(crate) findings: Vec<Finding>,
    /// The objects that are right, in the state in which they were read.
    pub(crate) pins: Vec<Pinned>,
}

/// An object that was proven, and the state in which it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pinned {
    /// Its key.
    pub(crate) key: String,
    /// The state; a later read is held to it.
    pub(crate) pin: Pin,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// The BLAKE3 of its bytes.
    pub(crate) digest: Digest,
    /// The SHA-256 of its bytes.
    pub(crate) sha256: Digest,
}
