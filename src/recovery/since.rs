//! Which jobs changed since they were last planned: their names then, held against their names now.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::preview::is_of_plan;
use super::request::{self, Refusal, Request};
use super::world::World;
use super::{drift, editions, survey};
use crate::digest::Digest;
use crate::journal::{Journal, RunInfo, RunSummary, load};
use crate::model::{Code, Failure, JobId, Outcome, RunId, RunMode};
use crate::plan::{RebuildParams, RecoveryGraph, StepKind};

/// Runs that are looked into for a job that the newest ones left out.
const MOST: usize = 100;

/// The plan that today's jobs are held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Since {
    /// Of each job the one of the last run that recovered and was about it.
    Last,
    /// The newest run with this id, or with this plan digest, and what it left out those before
    /// it; a prefix is enough.
    Named(String),
}

/// A job that would be built otherwise than it was planned.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Changed {
    /// The job.
    pub(crate) job: JobId,
    /// In what.
    pub(crate) differs: Vec<String>,
    /// The run whose plan it is held against; `None`: no such run was about it.
    pub(crate) since: Option<RunId>,
}

/// What came of the comparison.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Compared {
    /// The newest run that was looked into.
    pub(crate) since: RunId,
    /// When it began.
    pub(crate) started_at: DateTime<Utc>,
    /// The jobs that changed, dependencies first.
    pub(crate) changed: Vec<Changed>,
}

/// Compares the jobs of a plan as they are with what was planned; changes nothing.
pub(crate) async fn since_plan(
    request: &Request,
    journal: Arc<dyn Journal>,
    since: &Since,
) -> Result<Compared, Refusal> {
    let mut world = request::open(request, journal).await?;
    let compared = compare(&mut world, request, since).await;
    // A private cluster may have been started for the look.
    world.close().await?;
    compared
}

async fn compare(world: &mut World, request: &Request, since: &Since) -> Result<Compared, Refusal> {
    let runs = runs(world, request, since).await?;
    let Some(newest) = runs.first() else { return Err(none(request, since).into()) };
    let (since, started_at) = (newest.run, newest.started_at);
    let (mut facts, _) = survey::facts(world, request).await?;
    world.setting.versions = request::versions(&facts);
    world.redactor.show(world.setting.public());
    let graph = editions::compiled(world, &request.plan, &mut facts, request.mode).await?;
    let now = rebuilds(&graph)?;
    let then = planned(world, &runs, &now).await?;
    let mut changed = Vec::new();
    for params in now {
        let (differs, since) = match then.get(&params.job) {
            Some((_, then)) if then.generation == params.generation => continue,
            Some((run, then)) => (drift::changes(then, &params), Some(*run)),
            None => (vec!["it is new".to_owned()], None),
        };
        changed.push(Changed { job: params.job, differs, since });
    }
    Ok(Compared { since, started_at, changed })
}

/// The runs whose plans count, newest first.
async fn runs(world: &World, request: &Request, since: &Since) -> Result<Vec<RunSummary>, Failure> {
    let of_env = |run: &RunSummary| {
        let plans = matches!(run.mode, RunMode::Restore | RunMode::Rebuild);
        plans && run.environment == request.env
    };
    let mut runs = world.journal.runs().await?;
    runs.retain(of_env);
    if let Since::Named(name) = since {
        let mut at = None;
        for (index, run) in runs.iter().enumerate() {
            if run.run.to_string().starts_with(name) || has_plan(world, run, name).await? {
                at = Some(index);
                break;
            }
        }
        let Some(at) = at else { return Ok(Vec::new()) };
        // What that run left out is known from those before it.
        runs.drain(..at);
        let named = runs.remove(0);
        runs.retain(recovered);
        runs.insert(0, named);
    } else {
        // What a run did not get done is still to be done.
        runs.retain(recovered);
    }
    runs.truncate(MOST);
    // Environments of two plans may have one name. The one that was named is taken at its word.
    let mut of_plan = Vec::new();
    for (index, run) in runs.into_iter().enumerate() {
        let named = index == 0 && matches!(since, Since::Named(_));
        let journal = &*world.journal;
        if named || is_of_plan(journal, &info(world, run.run).await?, &request.file).await? {
            of_plan.push(run);
        }
    }
    Ok(of_plan)
}

fn recovered(run: &RunSummary) -> bool {
    run.outcome == Some(Outcome::Recovered)
}

async fn has_plan(world: &World, run: &RunSummary, name: &str) -> Result<bool, Failure> {
    let digest = info(world, run.run).await?.plan_digest;
    Ok(digest.to_string().starts_with(name) || digest.hex().starts_with(name))
}

async fn info(world: &World, run: RunId) -> Result<RunInfo, Failure> {
    let info = load(&*world.journal, run).await?.info;
    info.map(|info| *info)
        .ok_or_else(|| Failure::permanent(Code::Journal, format!("run {run} never started")))
}

/// What the newest of the runs that were about a job planned for it.
async fn planned(
    world: &World,
    runs: &[RunSummary],
    now: &[RebuildParams],
) -> Result<BTreeMap<JobId, (RunId, RebuildParams)>, Failure> {
    let mut then = BTreeMap::new();
    for run in runs {
        if now.iter().all(|params| then.contains_key(&params.job)) {
            break;
        }
        for params in rebuilds(&graph_of(world, run.run).await?)? {
            then.entry(params.job.clone()).or_insert((run.run, params));
        }
    }
    Ok(then)
}

async fn graph_of(world: &World, run: RunId) -> Result<RecoveryGraph, Failure> {
    let name: Digest = info(world, run).await?.graph;
    let bytes = world.journal.get(&name).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("failed to read the graph of run {run}");
        Failure::permanent(Code::Journal, message)
            .because(&error)
            .hint("a newer version of coppice may have written it; name another run")
    })
}

fn rebuilds(graph: &RecoveryGraph) -> Result<Vec<RebuildParams>, Failure> {
    let steps = graph.steps.iter().filter(|spec| spec.kind == StepKind::Rebuild);
    steps.map(super::params).collect()
}

fn none(request: &Request, since: &Since) -> Failure {
    let env = &request.env;
    let message = match since {
        Since::Last => format!(
            "no restore or rebuild of {env} that recovered all it was asked for is in this journal \
             to compare with"
        ),
        Since::Named(name) => {
            format!("no restore or rebuild of {env} has the id or the plan digest `{name}`")
        }
    };
    Failure::permanent(Code::Usage, message)
        .hint("look at `coppice runs`; without --since-plan, all that is not as it would be built now is rebuilt")
}
