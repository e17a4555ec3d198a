//! What is live, and how it stands to what a run would build. A generation that is live, and is not
//! what it should be, cannot be built in its own place: readers have it. Its job gets another edition, which is built, proven and put live like any other.

use std::collections::BTreeMap;

use super::request::{Refusal, Request};
use super::world::World;
use crate::digest::Digest;
use crate::model::{Failure, JobId, RunMode};
use crate::plan::{Facts, LoadedPlan, RebuildParams, RecoveryGraph, StepKind, compile};
use crate::projection::{Generation, Held};

/// Editions of one job that are looked for; each takes damage of its own.
const MOST: u32 = 8;

/// The live generation of each job, where it has one. A rebuild builds upon what is proven alone.
pub(super) async fn live(
    world: &World,
    request: &Request,
) -> Result<BTreeMap<JobId, Digest>, Failure> {
    let mut live = BTreeMap::new();
    for (job, loaded) in &request.plan.jobs {
        let sink = &loaded.job.spec.sink;
        if !world.targets.is_there(sink) {
            continue;
        }
        let target = world.targets.of(sink).await?;
        let mut live_or_taken_down = target.live(job).await?;
        if live_or_taken_down.is_none() && request.mode == RunMode::Rollback {
            // A rollback took it down, and another may put it live again.
            let last = target.last_switch(job).await?;
            live_or_taken_down = last.and_then(|last| last.former);
        }
        let Some(digest) = live_or_taken_down else { continue };
        let generation = Generation { job: job.clone(), digest, sink: sink.clone() };
        let proven = request.mode == RunMode::Rollback
            || matches!(target.holds(&generation).await?, Held::Live(_) | Held::Complete(_));
        if proven {
            live.insert(job.clone(), digest);
        }
    }
    Ok(live)
}

/// Compiles so that no damaged generation is named, and one that was built in the place of such a
/// one is known again; `facts` say which editions that takes.
pub(super) async fn compiled(
    world: &World,
    plan: &LoadedPlan,
    facts: &mut Facts,
    mode: RunMode,
) -> Result<RecoveryGraph, Refusal> {
    let compile = |facts: &Facts| compile(plan, facts, mode).map_err(Refusal::Problems);
    let mut graph = compile(facts)?;
    if !matches!(mode, RunMode::Restore | RunMode::Rebuild) {
        return Ok(graph);
    }
    // Dependencies stand first, and what is made of them is named after them.
    for job in rebuilt(&graph)? {
        if let Standing::Other(live) = standing(world, &graph, &job).await?
            && let Some(known) = edition_of(live, &job, facts, compile)?
        {
            facts.editions.insert(job.clone(), known);
            graph = compile(facts)?;
        }
        if let Standing::Damaged = standing(world, &graph, &job).await? {
            tracing::warn!(%job, "what is live is damaged");
            *facts.editions.entry(job).or_default() += 1;
            graph = compile(facts)?;
        }
    }
    Ok(graph)
}

/// How what is live of a job stands to what the run would build.
enum Standing {
    /// There is nothing, or it is that, or will be.
    Good,
    /// It is that, and not whole and proven.
    Damaged,
    /// It is another generation.
    Other(Digest),
}

async fn standing(world: &World, graph: &RecoveryGraph, job: &JobId) -> Result<Standing, Failure> {
    // One that turns out to be in place needs no step.
    let Some(params) = params_of(graph, job)? else { return Ok(Standing::Good) };
    let RebuildParams { generation: digest, sink, .. } = params;
    if !world.targets.is_there(&sink) {
        return Ok(Standing::Good);
    }
    let target = world.targets.of(&sink).await?;
    match target.live(job).await? {
        None => Ok(Standing::Good),
        Some(live) if live != digest => Ok(Standing::Other(live)),
        Some(digest) => {
            let generation = Generation { job: job.clone(), digest, sink: sink.clone() };
            Ok(match target.holds(&generation).await? {
                Held::Absent | Held::Partial => Standing::Damaged,
                Held::Complete(_) | Held::Live(_) => Standing::Good,
            })
        }
    }
}

/// The edition of a job that has the name, where one has.
fn edition_of(
    live: Digest,
    job: &JobId,
    facts: &Facts,
    compile: impl Fn(&Facts) -> Result<RecoveryGraph, Refusal>,
) -> Result<Option<u32>, Refusal> {
    let mut tried = facts.clone();
    for edition in 1..=MOST {
        tried.editions.insert(job.clone(), edition);
        // One that is in place under this name needs no step.
        let params = params_of(&compile(&tried)?, job)?;
        if params.is_none_or(|params| params.generation == live) {
            return Ok(Some(edition));
        }
    }
    Ok(None)
}

/// The jobs that a run builds, dependencies first.
fn rebuilt(graph: &RecoveryGraph) -> Result<Vec<JobId>, Failure> {
    let steps = graph.steps.iter().filter(|spec| spec.kind == StepKind::Rebuild);
    steps.map(|spec| Ok(super::params::<RebuildParams>(spec)?.job)).collect()
}

fn params_of(graph: &RecoveryGraph, job: &JobId) -> Result<Option<RebuildParams>, Failure> {
    for spec in graph.steps.iter().filter(|spec| spec.kind == StepKind::Rebuild) {
        let params: RebuildParams = super::params(spec)?;
        if params.job == *job {
            return Ok(Some(params));
        }
    }
    Ok(None)
}
