use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::resolve::{ResolvedJob, label};
use crate::digest::{CanonicalError, Digest, digest_json};
use crate::model::{RunMode, Sink};
use crate::plan::{Facts, LoadedPlan, ResolvedInput};

/// The version of what a generation's digest is made of.
const GENERATION_FORMAT: u32 = 1;
/// The version of what a plan's digest is made of.
const PLAN_FORMAT: u32 = 1;

/// Names a generation by all that decides its content.
pub(super) fn generation(job: &ResolvedJob, facts: &Facts) -> Result<Digest, CanonicalError> {
    let inputs: Vec<Value> = job.inputs.iter().map(input).collect();
    let labels: Vec<_> = job
        .versions
        .iter()
        .map(|(version, lineage)| json!([lineage.dataset, version, lineage.label]))
        .collect();
    let (profile, on_server) = match &job.sink {
        Sink::Postgis(_) => (0, true),
        Sink::Search(sink) => (sink.search_profile_version, false),
        Sink::Graph(sink) => (sink.graph_profile_version, false),
        Sink::Tiles(sink) => (sink.tile_profile_version, true),
        Sink::Command(sink) => (sink.command_profile_version, false),
    };
    let sink = match &job.sink {
        Sink::Command(sink) => Sink::Command(sink.decisive()),
        Sink::Postgis(sink) => Sink::Postgis(sink.decisive()),
        sink => sink.clone(),
    };
    let mut name = json!({
        "format": GENERATION_FORMAT,
        "job": { "name": job.id, "sink": sink },
        "sql": job.query,
        "inputs": inputs,
        "labels": labels,
        "builder": facts.builders.get(job.id.kind()),
        "profile": profile,
        "server": on_server.then_some(&facts.server),
    });
    // What is not said is not named, so that a generation keeps its name.
    if !job.on_bad_row.is_refuse() {
        name["on_bad_row"] = serde_json::to_value(job.on_bad_row)?;
    }
    if !job.files.is_empty() {
        let files = job.files.iter().map(|(name, file)| (name, file.digest));
        name["files"] = serde_json::to_value(files.collect::<BTreeMap<_, _>>())?;
    }
    if let Some(edition) = facts.editions.get(&job.id) {
        name["edition"] = json!(edition);
    }
    digest_json(&name)
}

/// The part of an input that decides content.
fn input(input: &ResolvedInput) -> Value {
    match input {
        ResolvedInput::Dataset { table, dataset, version, artifacts, read } => {
            let name = json!({
                "table": table, "dataset": dataset, "version": version, "artifacts": artifacts
            });
            match (name, read.is_plain()) {
                (Value::Object(mut name), false) => {
                    name.insert("read".to_owned(), json!(read));
                    Value::Object(name)
                }
                (name, _) => name,
            }
        }
        ResolvedInput::Projection { job, generation, .. } => {
            json!({ "projection": job, "generation": generation })
        }
        ResolvedInput::Catalog { versions } => json!({ "catalog": versions }),
    }
}

/// Names a plan by its files and by the facts that it is compiled with.
pub(super) fn plan(
    plan: &LoadedPlan,
    facts: &Facts,
    mode: RunMode,
) -> Result<Digest, CanonicalError> {
    let files: BTreeMap<_, _> =
        plan.files.iter().map(|(name, bytes)| (name, Digest::blake3(bytes))).collect();
    let mut known = serde_json::to_value(facts)?;
    if let Some(known) = known.as_object_mut() {
        // The moment itself decides nothing; the labels that count at it do. Without it, the same
        // plan has the same name tomorrow.
        known.remove("policy_date");
        let labels = facts.versions.iter().map(|v| json!([v.dataset, v.version, label(v, facts)]));
        known.insert("labels".to_owned(), labels.collect());
    }
    digest_json(&json!({
        "format": PLAN_FORMAT,
        "mode": mode,
        "environment": facts.environment,
        "files": files,
        "facts": known,
    }))
}
