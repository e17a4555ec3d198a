use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::journal::{About, RunInfo, RunRequest, StepSeed};
use crate::plan::{GateParams, RecoveryGraph, StepKind, StepSpec};

/// What the journal keeps of a graph beside the graph itself, so that a run is shown without it.
pub(crate) fn info(
    graph: &RecoveryGraph,
    name: crate::digest::Digest,
    request: RunRequest,
    targets: Vec<String>,
) -> RunInfo {
    RunInfo {
        request,
        mode: graph.mode,
        environment: graph.environment.clone(),
        plan_digest: graph.plan_digest,
        graph: name,
        snapshot: graph.snapshot,
        targets,
        steps: graph.steps.iter().map(|spec| seed(graph, spec)).collect(),
    }
}

fn seed(graph: &RecoveryGraph, spec: &StepSpec) -> StepSeed {
    StepSeed {
        id: spec.id.clone(),
        kind: spec.kind.to_string(),
        shards: spec.shards.max(1),
        estimate_seconds: spec.estimate_seconds,
        approve: graph.approvals.get(&spec.id).copied(),
        about: about(spec),
    }
}

/// Reads what every kind of step that is about a job, a version or a gate calls by one name.
pub(super) fn about(spec: &StepSpec) -> About {
    let gate = (spec.kind == StepKind::Gate).then(|| GateParams::deserialize(&spec.params));
    About {
        gate: gate.and_then(Result::ok).map(|gate| gate.id()),
        job: field(spec, "job"),
        generation: field(spec, "generation"),
        version: field(spec, "version"),
    }
}

fn field<T: DeserializeOwned>(spec: &StepSpec, name: &str) -> Option<T> {
    spec.params.get(name).and_then(|value| T::deserialize(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::samples::graph;

    #[test]
    fn a_seed_says_what_its_step_is_about() {
        let mut spec = graph(&[("gate/x", 1, &[])]).steps.remove(0);
        spec.kind = StepKind::Gate;
        let version = "2026-02.abcd1234".parse().unwrap();
        spec.params = serde_json::to_value(GateParams::CanonicalIntact { version }).unwrap();
        let about = super::about(&spec);
        assert_eq!(about.gate.as_deref(), Some("canonical-intact/2026-02.abcd1234"));
        assert_eq!(about.version.unwrap().as_str(), "2026-02.abcd1234");
        spec.params =
            serde_json::json!({ "job": "postgis/places", "generation": graph(&[]).plan_digest });
        let about = super::about(&spec);
        assert_eq!(about.job.unwrap().as_str(), "postgis/places");
        assert!(about.generation.is_some() && about.gate.is_none());
    }
}
