use serde::{Deserialize, Serialize};

use crate::model::Finding;

/// What happens to an object with another content in a place that may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Existing {
    /// It is listed, and stays.
    List,
    /// It stays.
    Keep,
    /// It is copied aside, then replaced.
    Replace,
}

/// What the restoring of a shard came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RestoredShard {
    /// How many objects of the shard were meant.
    pub(crate) objects: u64,
    /// How many bytes were written.
    pub(crate) bytes: u64,
    /// How many objects were written.
    pub(crate) restored: u64,
    /// How many were there already, or stay as they are.
    pub(crate) kept: u64,
    /// How many had another content and were copied aside.
    pub(crate) displaced: u64,
    /// How many of those written had bytes that were nearer than the backup.
    #[serde(default)]
    pub(crate) near: u64,
    /// How many the caller held back.
    pub(crate) held_back: u64,
    /// The keys with another content in a place that may change; nothing was written there.
    pub(crate) conflicts: Vec<String>,
    /// What could not be restored, and why.
    pub(crate) findings: Vec<Finding>,
}

impl RestoredShard {
    /// Adds what another shard came to.
    pub(crate) fn merge(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.restored += other.restored;
        self.kept += other.kept;
        self.displaced += other.displaced;
        self.near += other.near;
        self.held_back += other.held_back;
        self.conflicts.extend(other.conflicts);
        self.findings.extend(other.findings);
    }
}
