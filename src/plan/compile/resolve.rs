use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::toposort;
use petgraph::graphmap::DiGraphMap;

use super::name;
use crate::digest::Digest;
use crate::model::{Audience, DatasetVersionId, JobId, OnBadRow, PolicyLabel, Sink, strictest};
use crate::plan::hint::did_you_mean;
use crate::plan::{
    CatalogScope, Expect, Facts, Input, LoadedJob, LoadedPlan, PinnedFile, Problem, ResolvedInput,
    VersionFacts, paths,
};

/// A job with nothing left to choose.
#[derive(Debug, Clone)]
pub(super) struct ResolvedJob {
    pub(super) id: JobId,
    pub(super) generation: Digest,
    pub(super) sink: Sink,
    pub(super) query: Option<String>,
    pub(super) inputs: Vec<ResolvedInput>,
    pub(super) audience: Audience,
    pub(super) expect: Expect,
    pub(super) on_bad_row: OnBadRow,
    /// The files that its program brings along.
    pub(super) files: BTreeMap<String, PinnedFile>,
    /// The jobs that it reads.
    pub(super) needs: Vec<JobId>,
    /// All dataset versions that it is derived from, through other jobs too.
    pub(super) versions: BTreeMap<DatasetVersionId, Lineage>,
    /// The strictest label of those; `None` is missing or unknown.
    pub(super) label: Option<PolicyLabel>,
    /// The datasets that it reads of which nothing is left, since they were erased as a whole.
    pub(super) erased: Vec<String>,
}

/// What a job inherits from a dataset version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lineage {
    pub(super) dataset: String,
    pub(super) label: Option<PolicyLabel>,
    pub(super) rows: Option<u64>,
}

impl ResolvedJob {
    fn bare(id: &JobId, job: &LoadedJob) -> Self {
        let spec = &job.job.spec;
        let audience = spec.audience.unwrap_or(match spec.sink {
            Sink::Search(_) | Sink::Tiles(_) => Audience::Public,
            Sink::Postgis(_) | Sink::Graph(_) | Sink::Command(_) => Audience::Governed,
        });
        Self {
            id: id.clone(),
            // Named once its inputs are known.
            generation: Digest::blake3(b""),
            sink: spec.sink.clone(),
            query: job.sql.clone(),
            inputs: Vec::new(),
            audience,
            expect: spec.expect.clone(),
            on_bad_row: spec.on_bad_row,
            files: BTreeMap::new(),
            needs: needs(job).cloned().collect(),
            versions: BTreeMap::new(),
            label: None,
            erased: Vec::new(),
        }
    }

    /// Whether its data may go where it would take them.
    pub(super) fn allowed(&self) -> bool {
        self.label.is_some_and(|label| label.may_reach(self.audience))
    }

    /// How many rows its datasets hold, where that is known of all.
    pub(super) fn rows(&self) -> Option<u64> {
        self.versions.values().map(|lineage| lineage.rows).sum()
    }
}

/// The label that counts on the policy date.
pub(super) fn label(version: &VersionFacts, facts: &Facts) -> Option<PolicyLabel> {
    version.label(facts.policy_date)
}

/// Resolves the jobs, dependencies first.
pub(super) fn jobs(plan: &LoadedPlan, facts: &Facts) -> Result<Vec<ResolvedJob>, Vec<Problem>> {
    let order = ordered(plan)?;
    let mut done: BTreeMap<&JobId, ResolvedJob> = BTreeMap::new();
    let mut problems = Vec::new();
    for (id, job) in &order {
        match one(id, job, plan, facts, &done) {
            Ok(job) => drop(done.insert(id, job)),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        return Ok(order.iter().filter_map(|(id, _)| done.remove(id)).collect());
    }
    Err(problems)
}

/// The jobs without what they read, dependencies first: enough where nothing is built.
pub(super) fn without_inputs(plan: &LoadedPlan) -> Result<Vec<ResolvedJob>, Vec<Problem>> {
    Ok(ordered(plan)?.into_iter().map(|(id, job)| ResolvedJob::bare(id, job)).collect())
}

fn ordered(plan: &LoadedPlan) -> Result<Vec<(&JobId, &LoadedJob)>, Vec<Problem>> {
    let mut graph = DiGraphMap::<&JobId, ()>::new();
    for (id, job) in &plan.jobs {
        graph.add_node(id);
        for needed in needs(job) {
            graph.add_edge(needed, id, ());
        }
    }
    let order = toposort(&graph, None).map_err(|cycle| {
        let message = format!("`{}` is derived from itself", cycle.node_id());
        vec![Problem::of_file(&plan.file, message)]
    })?;
    // Among the possible orders the one by depth and name: it hangs on nothing else.
    let mut depths: BTreeMap<&JobId, usize> = BTreeMap::new();
    for id in order {
        let below = plan.jobs.get(id).into_iter().flat_map(needs).filter_map(|id| depths.get(id));
        let depth = below.max().map_or(0, |depth| depth + 1);
        depths.insert(id, depth);
    }
    let mut order: Vec<_> = depths.into_iter().map(|(id, depth)| (depth, id)).collect();
    order.sort_unstable();
    Ok(order.into_iter().filter_map(|(_, id)| plan.jobs.get_key_value(id)).collect())
}

fn needs(job: &LoadedJob) -> impl Iterator<Item = &JobId> {
    job.job.spec.inputs.iter().filter_map(|input| match input {
        Input::Projection { projection } => Some(projection),
        _ => None,
    })
}

fn one(
    id: &JobId,
    job: &LoadedJob,
    plan: &LoadedPlan,
    facts: &Facts,
    done: &BTreeMap<&JobId, ResolvedJob>,
) -> Result<ResolvedJob, Vec<Problem>> {
    let spec = &job.job.spec;
    let mut resolved = ResolvedJob::bare(id, job);
    resolved.files = pinned(job, plan);
    let (mut problems, mut complete) = (Vec::new(), true);
    for (index, input) in spec.inputs.iter().enumerate() {
        match input {
            Input::Dataset { dataset, alias, version, read } => {
                match pick(job, index, dataset, version.as_deref(), facts) {
                    Ok(found) => {
                        inherit(&mut resolved, found, facts);
                        resolved.inputs.push(ResolvedInput::Dataset {
                            table: alias.as_ref().unwrap_or(dataset).clone(),
                            dataset: dataset.clone(),
                            version: found.version.clone(),
                            artifacts: found.artifacts,
                            read: read.clone(),
                        });
                    }
                    Err(_) if was_erased(dataset, version.as_deref(), facts) => {
                        resolved.erased.push(dataset.clone());
                    }
                    Err(problem) => problems.push(*problem),
                }
            }
            Input::Projection { projection } => {
                let Some(needed) = done.get(projection) else {
                    // One that is there and could not be resolved has a problem of its own.
                    if !plan.jobs.contains_key(projection) {
                        let message = format!("`{projection}` is not among the jobs of this run");
                        let at = format!("spec/inputs/{index}/projection");
                        let hint = "take it up in the plan, or leave this job out".to_owned();
                        problems.push(job.source.problem(&at, message).hint(hint));
                    }
                    complete = false;
                    continue;
                };
                resolved.versions.extend(needed.versions.clone());
                resolved.inputs.push(ResolvedInput::Projection {
                    job: projection.clone(),
                    generation: needed.generation,
                    sink: needed.sink.clone(),
                });
            }
            Input::Catalog { catalog: scope } => {
                let catalogs = catalogs(job, *scope, &mut resolved, facts);
                resolved.inputs.push(catalogs);
            }
        }
    }
    if !problems.is_empty() || !complete {
        return Err(problems);
    }
    resolved.label = strictest(resolved.versions.values().map(|lineage| lineage.label));
    resolved.generation = name::generation(&resolved, facts)
        .map_err(|error| vec![Problem::of_file(&job.file, error.to_string())])?;
    Ok(resolved)
}

/// The files that a job's program brings along, by their content.
fn pinned(job: &LoadedJob, plan: &LoadedPlan) -> BTreeMap<String, PinnedFile> {
    let pin = |(name, file): (&String, &String)| {
        let digest = Digest::blake3(plan.files.get(file)?);
        Some((name.clone(), PinnedFile { path: paths::beside(&plan.file, file), digest }))
    };
    job.beside.iter().filter_map(pin).collect()
}

fn inherit(job: &mut ResolvedJob, version: &VersionFacts, facts: &Facts) {
    let dataset = version.dataset.clone();
    let lineage = Lineage { dataset, label: label(version, facts), rows: version.rows };
    job.versions.insert(version.version.clone(), lineage);
}

/// The catalogs that a job reads: what its audience may not see, and what was withdrawn, is left
/// out, not refused.
fn catalogs(
    job: &LoadedJob,
    scope: CatalogScope,
    resolved: &mut ResolvedJob,
    facts: &Facts,
) -> ResolvedInput {
    let audience = resolved.audience;
    let mut seen = catalog(job, scope, facts);
    seen.retain(|v| !v.withdrawn);
    seen.retain(|v| label(v, facts).is_some_and(|label| label.may_reach(audience)));
    seen.sort_by_key(|v| (&v.dataset, &v.version));
    for version in &seen {
        inherit(resolved, version, facts);
    }
    let name = |v: &VersionFacts| (v.dataset.clone(), v.version.clone(), v.catalog);
    ResolvedInput::Catalog { versions: seen.into_iter().map(name).collect() }
}

/// The versions whose catalogs a job reads, whoever may see them.
fn catalog<'a>(job: &LoadedJob, scope: CatalogScope, facts: &'a Facts) -> Vec<&'a VersionFacts> {
    if scope == CatalogScope::All {
        return facts.versions.iter().collect();
    }
    let named = |dataset: &str| {
        job.job.spec.inputs.iter().find_map(|input| match input {
            Input::Dataset { dataset: of, version, .. } if of == dataset => version.as_deref(),
            _ => None,
        })
    };
    let datasets: BTreeSet<_> = facts.versions.iter().map(|v| v.dataset.as_str()).collect();
    let current = datasets.into_iter().filter_map(|dataset| choose(dataset, named(dataset), facts));
    current.collect()
}

/// The version that a job reads: the one that it names, else the released one, else the newest.
fn choose<'a>(dataset: &str, wanted: Option<&str>, facts: &'a Facts) -> Option<&'a VersionFacts> {
    let mut held = facts.versions.iter().filter(|v| v.dataset == dataset);
    match wanted {
        Some(wanted) => held.find(|v| v.version.as_str() == wanted),
        None => held.max_by_key(|v| (v.released, &v.version)),
    }
}

/// Whether a version that is not there may be one that was erased as a whole.
fn was_erased(dataset: &str, wanted: Option<&str>, facts: &Facts) -> bool {
    match wanted {
        Some(wanted) => facts.erased.iter().any(|version| version.as_str() == wanted),
        None => !facts.erased.is_empty() && facts.versions.iter().all(|v| v.dataset != dataset),
    }
}

fn pick<'a>(
    job: &LoadedJob,
    index: usize,
    dataset: &str,
    wanted: Option<&str>,
    facts: &'a Facts,
) -> Result<&'a VersionFacts, Box<Problem>> {
    if let Some(found) = choose(dataset, wanted, facts) {
        return Ok(found);
    }
    let held = facts.versions.iter().filter(|v| v.dataset == dataset);
    let known: Vec<_> = held.map(|v| v.version.as_str()).collect();
    let (field, message, hint) = match wanted {
        Some(wanted) if !known.is_empty() => {
            let message = format!("dataset `{dataset}` has no version `{wanted}`");
            ("version", message, did_you_mean(wanted, known))
        }
        _ => {
            let known: Vec<_> = facts.versions.iter().map(|v| v.dataset.as_str()).collect();
            let message = format!("no version of dataset `{dataset}` is there");
            ("dataset", message, did_you_mean(dataset, known))
        }
    };
    Err(Box::new(job.source.problem(&format!("spec/inputs/{index}/{field}"), message).hint(hint)))
}
