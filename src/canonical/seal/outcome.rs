use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::canonical::Withdrawals;
use crate::canonical::manifest::State;
use crate::digest::Digest;
use crate::model::{DatasetVersionId, Finding, PolicyLabel};

/// What sealing needs to know beside the stores.
#[derive(Debug, Clone)]
pub(crate) struct SealOptions {
    /// The environment; by default what the store's marker says.
    pub(crate) environment: Option<String>,
    /// The plans and rebuild jobs: path and bytes.
    pub(crate) plan_files: Vec<(String, Bytes)>,
    /// What the catalog says of each dataset version; one that is absent is denied later.
    pub(crate) labels: BTreeMap<(String, DatasetVersionId), PolicyLabel>,
    /// What was found of the ledger before the walk.
    pub(crate) known_findings: Vec<Finding>,
    /// What was withdrawn: that it is gone is as it should be.
    pub(crate) withdrawals: Withdrawals,
    /// Whether the catalogs are held against the bytes that were sealed.
    pub(crate) catalogs: bool,
    /// How many objects are read at once.
    pub(crate) at_once: usize,
    /// How many bytes of objects are in memory at once.
    pub(crate) memory: u64,
}

impl Default for SealOptions {
    fn default() -> Self {
        Self {
            environment: None,
            plan_files: Vec::new(),
            labels: BTreeMap::new(),
            known_findings: Vec::new(),
            withdrawals: Withdrawals::default(),
            catalogs: false,
            at_once: 16,
            memory: 128 * 1024 * 1024,
        }
    }
}

/// What sealing came to; its JSON is part of the contract.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Sealed {
    /// The snapshot's name.
    pub(crate) snapshot: Digest,
    /// Whether it may be recovered from without being named.
    pub(crate) state: State,
    /// When the walk began.
    pub(crate) as_of: DateTime<Utc>,
    /// How many objects it has.
    pub(crate) objects: u64,
    /// How many bytes they have together.
    pub(crate) bytes: u64,
    /// Of how many objects something was written.
    pub(crate) objects_copied: u64,
    /// How many bytes of objects were written.
    pub(crate) bytes_copied: u64,
    /// How many objects were in the backup store already.
    pub(crate) objects_reused: u64,
    /// The hash of the ledger's last record.
    pub(crate) ledger_head: Option<Digest>,
    /// The defects found on the way, and those that were known.
    pub(crate) findings: Vec<Finding>,
}
