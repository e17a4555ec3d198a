use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Attributes;
use crate::digest::Digest;

/// What tells one state of an object from another: the store's etag and version. Of a file: its
/// inode, modification time and size, in the same form as `object_store` gives them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Pin {
    /// The etag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) etag: Option<String>,
    /// The version, where the store keeps versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
}

/// What a store says of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// Its key below the store's root, verbatim.
    pub(crate) key: String,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// The state that it is in.
    pub(crate) pin: Pin,
    /// When it was last modified.
    pub(crate) modified: DateTime<Utc>,
    /// What the store keeps beside its bytes: told when it is opened, not when it is listed.
    #[serde(default)]
    pub(crate) attributes: Attributes,
}

/// What a walk comes upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Walked {
    /// An object.
    Object(Meta),
    /// Something that is there and cannot be read or named.
    Unreadable {
        /// Its name, as well as it can be written.
        name: String,
        /// Why.
        why: String,
    },
}

impl Walked {
    /// The key or name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Object(meta) => &meta.key,
            Self::Unreadable { name, .. } => name,
        }
    }
}

/// What a create-only write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    /// The object is there now, and durable.
    Written,
    /// There was one already; it is untouched.
    Exists,
}

/// What the bytes to be published must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Their BLAKE3.
    pub(crate) digest: Digest,
    /// Their number.
    pub(crate) size: u64,
}

/// What happens when there is an object under the key already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OnConflict {
    /// It stays.
    Keep,
    /// It is replaced.
    Replace,
    /// It is replaced if it is in this state still.
    ReplaceIf(Pin),
}

/// What a publication came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Published {
    /// The object is there now, and durable.
    Written,
    /// There was one already, in another state than the one to be replaced; it is untouched.
    Exists,
    /// The bytes are not those that were expected; nothing is visible under the key.
    Differs {
        /// What they hash to.
        digest: Digest,
        /// How many there are.
        size: u64,
    },
}
