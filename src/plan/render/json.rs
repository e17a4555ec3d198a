use serde_json::{Value, json as object};

use super::critical_path;
use crate::plan::{RecoveryGraph, When};

/// The graph as scripts read it.
pub(crate) fn json(graph: &RecoveryGraph) -> Value {
    let path = critical_path(graph);
    let steps: Vec<Value> = graph
        .steps
        .iter()
        .map(|step| {
            let after: Vec<_> = step.after.iter().map(|(id, _)| id).collect();
            let ended = step.after.iter().filter(|(_, when)| *when == When::Ended);
            object!({
                "id": step.id,
                "kind": step.kind,
                "after": after,
                "after_ended": ended.map(|(id, _)| id).collect::<Vec<_>>(),
                "pool": step.pool,
                "shards": step.shards,
                "estimate_seconds": step.estimate_seconds,
                "action": step.action,
            })
        })
        .collect();
    object!({
        "plan_digest": graph.plan_digest,
        "mode": graph.mode,
        "environment": graph.environment,
        "snapshot": graph.snapshot,
        "steps": steps,
        "critical_path": path.steps,
        "critical_path_seconds": path.seconds,
        "critical_path_unknown": path.unknown,
    })
}
