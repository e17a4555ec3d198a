//! What is another than in a former plan? Told of the compiled graphs, which say all.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RebuildParams, RecoveryGraph, ResolvedInput, StepKind, StepSpec};
use crate::model::{JobId, PolicyLabel, StepId};

/// What a difference is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Differs {
    /// The snapshot.
    Snapshot,
    /// A dataset, or its catalog, that jobs read.
    Input,
    /// The label under which a dataset version counts.
    Label,
    /// A job: what it would build.
    Job,
    /// A step.
    Step,
}

/// One difference between two plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// What it is about.
    pub(crate) what: Differs,
    /// Which one.
    pub(crate) name: String,
    /// What it was; `None`: there was none.
    pub(crate) before: Option<String>,
    /// What it is now; `None`: there is none any more.
    pub(crate) now: Option<String>,
}

/// Tells what differs between the plan of a former run and that of now.
pub(crate) fn diff(before: &RecoveryGraph, now: &RecoveryGraph) -> Vec<Difference> {
    let (was, is) = (Content::of(before), Content::of(now));
    let snapshot = |graph: &RecoveryGraph| {
        let digest = graph.snapshot.map(|digest| digest.to_string());
        digest.map(|digest| (String::new(), digest)).into_iter().collect()
    };
    let mut found = compared(Differs::Snapshot, &snapshot(before), &snapshot(now));
    found.extend(compared(Differs::Input, &was.inputs, &is.inputs));
    found.extend(compared(Differs::Label, &was.labels, &is.labels));
    found.extend(compared(Differs::Job, &was.jobs, &is.jobs));
    found.extend(steps(before, now, &was, &is));
    found
}

/// What a graph says of its jobs.
#[derive(Default)]
struct Content {
    jobs: BTreeMap<String, String>,
    inputs: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
}

impl Content {
    fn of(graph: &RecoveryGraph) -> Self {
        let mut content = Self::default();
        for step in graph.steps.iter().filter(|step| step.kind == StepKind::Rebuild) {
            // One that another version of the program wrote is told by its steps alone.
            if let Ok(params) = RebuildParams::deserialize(&step.params) {
                content.add(params);
            }
        }
        content
    }

    fn add(&mut self, params: RebuildParams) {
        self.jobs.insert(params.job.to_string(), params.generation.to_string());
        for (version, label) in params.labels {
            let label = label.map_or("unknown", PolicyLabel::name);
            self.labels.insert(version.to_string(), label.to_owned());
        }
        for input in params.inputs {
            match input {
                ResolvedInput::Dataset { dataset, version, artifacts, .. } => {
                    self.input(dataset, &format!("{version} ({})", artifacts.short()));
                }
                ResolvedInput::Catalog { versions } => {
                    for (dataset, version, digest) in versions {
                        let name = format!("catalog of {dataset}");
                        self.input(name, &format!("{version} ({})", digest.short()));
                    }
                }
                ResolvedInput::Projection { .. } => {}
            }
        }
    }

    /// Two jobs may read two versions of a dataset.
    fn input(&mut self, name: String, is: &str) {
        let known = self.inputs.entry(name).or_default();
        if known.split(", ").all(|one| one != is) {
            let gap = if known.is_empty() { "" } else { ", " };
            *known = format!("{known}{gap}{is}");
        }
    }
}

fn compared(
    what: Differs,
    before: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let differing = names.into_iter().filter(|name| before.get(*name) != now.get(*name));
    let difference = |name: &String| Difference {
        what,
        name: name.clone(),
        before: before.get(name).cloned(),
        now: now.get(name).cloned(),
    };
    differing.map(difference).collect()
}

/// Steps that came, went or changed, but for what is told of their jobs and of the snapshot.
fn steps(
    before: &RecoveryGraph,
    now: &RecoveryGraph,
    was: &Content,
    is: &Content,
) -> Vec<Difference> {
    let in_both = |job: &str| was.jobs.contains_key(job) && is.jobs.contains_key(job);
    let told = |step: &StepSpec| job_of(step).is_some_and(|job| !in_both(job.as_str()));
    let ids = |graph: &RecoveryGraph| graph.steps.iter().map(|step| step.id.clone()).collect();
    let (old, new): (BTreeSet<StepId>, BTreeSet<StepId>) = (ids(before), ids(now));
    let common: BTreeSet<&StepId> = old.intersection(&new).collect();
    let words = |step: &StepSpec| Some(step.action.clone());
    let gone = before.steps.iter().filter(|step| !new.contains(&step.id) && !told(step));
    let gone = gone.map(|step| of_step(step, words(step), None));
    let changed = now.steps.iter().filter(|step| !told(step)).filter_map(|step| {
        match before.steps.iter().find(|other| other.id == step.id) {
            None => Some(of_step(step, None, words(step))),
            Some(other) => (essence(other, &common) != essence(step, &common))
                .then(|| of_step(step, words(other), words(step))),
        }
    });
    gone.chain(changed).collect()
}

fn of_step(step: &StepSpec, before: Option<String>, now: Option<String>) -> Difference {
    Difference { what: Differs::Step, name: step.id.to_string(), before, now }
}

fn job_of(step: &StepSpec) -> Option<JobId> {
    step.params.get("job").and_then(|job| JobId::deserialize(job).ok())
}

/// What makes a step what it is, apart from what is told elsewhere.
fn essence(step: &StepSpec, common: &BTreeSet<&StepId>) -> Value {
    let after = step.after.iter().filter(|(id, _)| common.contains(id));
    let after: BTreeMap<_, _> = after.map(|(id, when)| (id, when)).collect();
    serde_json::json!([step.kind, step.pool, after, without_names(&step.params)])
}

/// Parameters without the names of what changes from snapshot to snapshot.
fn without_names(params: &Value) -> Value {
    const TOLD: [&str; 10] = [
        "snapshot",
        "generation",
        "files",
        "inputs",
        "label",
        "labels",
        "query",
        "sink",
        "jobs",
        "versions",
    ];
    match params {
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !TOLD.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), without_names(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(without_names).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::model::RunMode;
    use crate::plan::samples::{PLAN, facts, of, table_job, version};
    use crate::plan::{Facts, LoadedPlan, compile};

    fn lines(before: &RecoveryGraph, now: &RecoveryGraph) -> Vec<String> {
        let name = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let found = diff(before, now).into_iter().map(|one| {
            format!("{:?} {}: {} => {}", one.what, one.name, name(&one.before), name(&one.now))
        });
        found.collect()
    }

    fn plan(jobs: &[&str]) -> LoadedPlan {
        let files: Vec<_> = jobs
            .iter()
            .map(|job| (format!("jobs/{job}.yaml"), table_job(&format!("postgis/{job}"), job)))
            .collect();
        let mut all = vec![("plan.yaml", PLAN)];
        all.extend(files.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        of(&all).unwrap()
    }

    fn known(versions: &[(&str, &str)]) -> Facts {
        let versions = versions.iter().map(|(dataset, id)| version(dataset, id)).collect();
        Facts { versions, ..facts() }
    }

    #[test]
    fn a_plan_is_like_itself() {
        let known = known(&[("a", "2026-02.aaaaaaaa")]);
        let graph = compile(&plan(&["a"]), &known, RunMode::Restore).unwrap();
        assert_eq!(diff(&graph, &graph), []);
    }

    #[test]
    fn what_came_went_and_changed_is_told_once() {
        let mut before = known(&[("a", "2026-02.aaaaaaaa"), ("b", "2026-02.bbbbbbbb")]);
        let old = compile(&plan(&["a", "b"]), &before, RunMode::Restore).unwrap();
        before.versions = vec![version("a", "2026-03.aaaaaaaa"), version("c", "2026-02.cccccccc")];
        before.versions[0].policy_label = Some(crate::model::PolicyLabel::Internal);
        if let Some(snapshot) = &mut before.snapshot {
            snapshot.digest = Digest::blake3(b"another");
        }
        let new = compile(&plan(&["a", "c"]), &before, RunMode::Restore).unwrap();
        insta::assert_snapshot!(lines(&old, &new).join("\n"));
    }

    #[test]
    fn a_step_that_would_do_something_else_is_told() {
        let known = known(&[("a", "2026-02.aaaaaaaa")]);
        let old = compile(&plan(&["a"]), &known, RunMode::Restore).unwrap();
        let mut stricter = plan(&["a"]);
        let job = stricter.jobs.values_mut().next().unwrap();
        job.job.spec.expect.min_rows = Some(3);
        let new = compile(&stricter, &known, RunMode::Restore).unwrap();
        let found = diff(&old, &new);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].name, "rebuild/postgis/a");
    }
}
