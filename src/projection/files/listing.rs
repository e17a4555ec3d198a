use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::model::{JobId, Proof, RunId};

/// `generation.json`: what a generation consists of. Written last, never overwritten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listing {
    /// The version of this document.
    pub(crate) format: u32,
    pub(crate) job: JobId,
    pub(crate) generation: Digest,
    /// The run that built it, and its fencing token.
    pub(crate) run_id: RunId,
    pub(crate) epoch: u64,
    /// How many rows were staged.
    pub(crate) rows: u64,
    /// The files by name.
    pub(crate) files: BTreeMap<String, Listed>,
}

/// One file of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listed {
    /// Where it is, below the generation.
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) digest: Digest,
}

/// `proof.json`: the proof of exactly the listing that it names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Recorded {
    pub(super) format: u32,
    /// The digest of the bytes of `generation.json`.
    pub(super) listing: Digest,
    pub(super) proof: Proof,
}

impl Recorded {
    /// Whether it is a good proof of the listing of this name.
    pub(super) fn proves(&self, listing: &Digest) -> bool {
        self.listing == *listing && self.proof.proven
    }
}

/// `generations/<kind>/<name>/<hex>`.
pub(super) fn folder(job: &JobId, generation: &Digest) -> String {
    format!("generations/{job}/{}", generation.hex())
}

pub(super) fn listing_key(job: &JobId, generation: &Digest) -> String {
    folder(job, generation) + "/generation.json"
}

pub(super) fn proof_key(job: &JobId, generation: &Digest) -> String {
    folder(job, generation) + "/proof.json"
}

/// Where a file of a generation is.
pub(super) fn place(job: &JobId, generation: &Digest, file: &Listed) -> String {
    format!("{}/{}", folder(job, generation), file.path)
}

/// The folder of one attempt. It holds the fencing token, so that two processes that build the
/// same generation never write to the same key.
pub(super) fn attempt(run: &RunId, epoch: u64) -> String {
    format!("{epoch:08}-{run}")
}
