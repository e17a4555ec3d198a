//! `run_receipt.json`: which run made a dataset version, out of what.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde_json::Value;

use super::release::V1;

/// Which run made a dataset version: by whom, out of what, in what environment.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is there for its schema")]
pub(super) struct RunReceipt {
    /// The version of this format.
    kfm_run_receipt_version: V1,
    /// The run.
    #[schemars(regex(pattern = "^kfm://run/.+$"))]
    run_id: String,
    /// Who ran it.
    actor: Actor,
    /// What it did, such as `process`.
    #[schemars(length(min = 1))]
    operation: String,
    /// The version that it made, as in the key.
    #[schemars(length(min = 1))]
    dataset_version_id: String,
    /// What it read.
    inputs: Vec<Named>,
    /// What it made.
    outputs: Vec<Named>,
    /// What it ran in.
    environment: Environment,
    /// Whether what it made was found good.
    validation: Validation,
    /// Which decision let it through.
    policy: Policy,
    /// When the receipt was written.
    created_at: DateTime<Utc>,
    /// What was asked of the run; `spec_hash` is its name.
    spec: Option<Value>,
    /// The SHA-256 of the RFC 8785 form of `spec`.
    #[schemars(regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    spec_hash: Option<String>,
}

/// Who ran it.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is there for its schema")]
struct Actor {
    /// A person or a service.
    #[schemars(length(min = 1))]
    principal: String,
    /// In which role.
    #[schemars(length(min = 1))]
    role: String,
}

/// An object by its name and digest.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is there for its schema")]
struct Named {
    /// `kfm://store/<key>`, an object store's URL, or a reference relative to the receipt.
    #[schemars(length(min = 1))]
    uri: String,
    /// The digest of its bytes, with the algorithm.
    #[schemars(regex(pattern = "^(sha256|blake3):[0-9a-f]{64}$"))]
    digest: String,
}

/// What a run ran in.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is there for its schema")]
struct Environment {
    /// The image.
    #[schemars(length(min = 1))]
    container_digest: String,
    /// The commit of the code.
    #[schemars(length(min = 1))]
    git_commit: String,
    /// The parameters.
    #[schemars(length(min = 1))]
    params_digest: String,
}

/// Whether what a run made was found good.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is there for its schema")]
struct Validation {
    /// Such as `passed`.
    #[schemars(length(min = 1))]
    status: String,
    /// The digest of `qa/validation_report.json`.
    #[schemars(regex(pattern = "^(sha256|blake3):[0-9a-f]{64}$"))]
    report_digest: Option<String>,
}

/// Which decision let a run through.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is there for its schema")]
struct Policy {
    /// The decision.
    #[schemars(length(min = 1))]
    decision_id: String,
}
