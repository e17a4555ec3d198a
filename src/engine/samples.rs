//! Small graphs for the engine's tests.

use serde_json::Value;

use crate::digest::Digest;
use crate::model::RunMode;
use crate::plan::{Limits, Pool, RecoveryGraph, StepKind, StepSpec, When};

/// Makes a graph of steps given as id, shards, and what they wait for; `~` stands for "ended".
pub(crate) fn graph(steps: &[(&str, u32, &[&str])]) -> RecoveryGraph {
    let after = |name: &&str| match name.strip_prefix('~') {
        Some(name) => (name.parse().unwrap(), When::Ended),
        None => (name.parse().unwrap(), When::Succeeded),
    };
    let step = |(id, shards, waits): &(&str, u32, &[&str])| StepSpec {
        id: id.parse().unwrap(),
        kind: match *id {
            "decide" => StepKind::Decide,
            "clean-up" => StepKind::CleanUp,
            id if id.starts_with("switch") => StepKind::Switch,
            _ => StepKind::RestoreObjects,
        },
        params: Value::Null,
        shards: *shards,
        pool: Pool::Transfer,
        after: waits.iter().map(after).collect(),
        action: String::new(),
        estimate_seconds: None,
    };
    RecoveryGraph {
        mode: RunMode::Rehearse,
        environment: "dev".into(),
        plan_digest: Digest::blake3(b"plan"),
        snapshot: None,
        limits: Limits { transfers: 3, attempts: 3, ..Limits::default() },
        approvals: std::collections::BTreeMap::new(),
        steps: steps.iter().map(step).collect(),
    }
}
