//! From what the operator asked to a compiled graph: resolves, compiles, writes nothing.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::editions;
use super::governance::{self, Governance};
use super::promote::Promote;
use super::scope::{self, NotCovered};
use super::setting::Setting;
use super::survey;
use super::world::World;
use crate::access::{Redactor, resolve_actor};
use crate::canonical::{Existing, Filter};
use crate::journal::{Journal, RunRequest};
use crate::model::{
    Actor, Code, DatasetVersionId, Failure, FindingName, JobId, PolicyLabel, Redact, RunId, RunMode,
};
use crate::plan::{
    BackTo, Environment, Facts, LoadedPlan, Problem, RebuildParams, RecoveryGraph, SignaturePolicy,
    StepKind, VersionFacts,
};

/// What the operator asked.
pub(crate) struct Request {
    /// What the run is for.
    pub(crate) mode: RunMode,
    /// The plan.
    pub(crate) plan: LoadedPlan,
    /// The plan's file.
    pub(crate) file: PathBuf,
    /// The environment.
    pub(crate) env: String,
    /// The state directory.
    pub(crate) state: PathBuf,
    /// The snapshot, by a prefix of its digest.
    pub(crate) snapshot: Option<String>,
    /// The newest clean snapshot that is not younger than this.
    pub(crate) as_of: Option<DateTime<Utc>>,
    /// The jobs asked for.
    pub(crate) only: Vec<JobId>,
    /// Prove again what is recorded as proven.
    pub(crate) reprove: bool,
    /// Rollback: what the jobs go back to.
    pub(crate) back_to: BackTo,
    /// Which part is restored.
    pub(crate) filter: Filter,
    /// What to do with other objects in places that may change.
    pub(crate) existing: Option<Existing>,
    /// When the incident happened.
    pub(crate) incident_at: Option<DateTime<Utc>>,
    /// The findings that the operator lets pass.
    pub(crate) accept: Vec<FindingName>,
    /// The rehearsal that a restore takes over from.
    pub(crate) promote: Option<Promote>,
    /// Whether scratch is left as it is.
    pub(crate) keep: bool,
    /// Whether it is only looked at what would be done: nobody has to answer for that.
    pub(crate) dry_run: bool,
    /// Who, why, and how sure.
    pub(crate) governance: Governance,
    /// Keeps what is not public out of what leaves the process.
    pub(crate) redactor: Arc<Redactor>,
}

/// A run that could start.
pub(crate) struct Prepared {
    /// Its id.
    pub(crate) run: RunId,
    /// Its targets, opened.
    pub(crate) world: Arc<World>,
    /// The compiled graph.
    pub(crate) graph: RecoveryGraph,
    /// Who answers for it.
    pub(crate) actor: Actor,
    /// What the journal records of it.
    pub(crate) record: RunRequest,
}

/// Why a run cannot be prepared.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Something did not work.
    Failure(Failure),
    /// The plan does not fit the facts.
    Problems(Vec<Problem>),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Opens the targets that a request means; writes nothing.
pub(crate) async fn open(request: &Request, journal: Arc<dyn Journal>) -> Result<World, Refusal> {
    let environment = request
        .plan
        .environment(&request.env)
        .map_err(|problem| Refusal::Problems(vec![problem]))?
        .clone();
    let setting = Setting {
        mode: request.mode,
        name: request.env.clone(),
        environment,
        plan_name: request.plan.plan.metadata.name.clone(),
        plan: request.file.clone(),
        limits: request.plan.plan.spec.limits.clone(),
        keep: request.keep,
        existing: request.existing,
        filter: request.filter.clone(),
        incident_at: request.incident_at,
        versions: Vec::new(),
        public_jobs: Vec::new(),
        withdrawals: None,
        promote: request.promote,
    };
    let redactor = request.redactor.clone();
    Ok(World::open(RunId::now(), setting, &request.state, journal, redactor).await?)
}

/// Resolves and compiles; writes nothing.
pub(crate) async fn prepare(
    mut request: Request,
    journal: Arc<dyn Journal>,
) -> Result<Prepared, Refusal> {
    let mut world = open(&request, journal).await?;
    // A run that goes on may have lost its rehearsal; one that begins needs it.
    match &world.rehearsed {
        Some(Err(failure)) => {
            let failure = failure.clone();
            world.close().await?;
            return Err(failure.into());
        }
        Some(Ok(rehearsed)) => request.snapshot = Some(rehearsed.snapshot.to_string()),
        None => {}
    }
    let (graph, record) = match resolved(&mut world, &request).await {
        Ok(resolved) => resolved,
        Err(refusal) => {
            // A private cluster may have been started for a look.
            world.close().await?;
            return Err(refusal);
        }
    };
    let actor = record.actor.clone();
    Ok(Prepared { run: world.run, world: Arc::new(world), graph, actor, record })
}

async fn resolved(
    world: &mut World,
    request: &Request,
) -> Result<(RecoveryGraph, RunRequest), Refusal> {
    let git_commit = governance::judge(request, &world.setting.environment).await?;
    let (mut facts, mut not_covered) = survey::facts(world, request).await?;
    if request.mode == RunMode::Rehearse {
        not_covered.extend(scope::not_rehearsable(&request.plan));
    }
    world.setting.versions = versions(&facts);
    world.setting.withdrawals.clone_from(&facts.withdrawals);
    world.redactor.show(world.setting.public());
    let shown = |name: &FindingName| name.shown(|of| world.redactor.name_of(of));
    facts.accept = request.accept.iter().map(shown).collect();
    let mut plan = request.plan.clone();
    // A projection of a part would be a lie.
    plan.jobs.retain(|job, _| !not_covered.contains_key(job));
    let graph = editions::compiled(world, &plan, &mut facts, request.mode).await?;
    world.setting.public_jobs = public_jobs(&graph);
    world.redactor.show(world.setting.public());
    expected(request, &graph)?;
    let actor = resolve_actor(request.governance.actor.as_deref());
    let mut record = record(request, world, &facts, &actor, git_commit);
    record.not_covered = not_covered_of(request, not_covered);
    Ok((graph, record))
}

/// The versions, and whether each is public on the policy date.
pub(super) fn versions(facts: &Facts) -> Vec<(String, DatasetVersionId, bool)> {
    let of = |held: &VersionFacts| {
        let public = held.label(facts.policy_date).is_some_and(PolicyLabel::is_public);
        (held.dataset.clone(), held.version.clone(), public)
    };
    facts.versions.iter().map(of).collect()
}

/// The jobs that read nothing but public data, through other jobs too.
fn public_jobs(graph: &RecoveryGraph) -> Vec<JobId> {
    let rebuilds = graph.steps.iter().filter(|step| step.kind == StepKind::Rebuild);
    let public = rebuilds.filter_map(|step| {
        let params = RebuildParams::deserialize(&step.params).ok()?;
        params.label.is_some_and(PolicyLabel::is_public).then_some(params.job)
    });
    public.collect()
}

fn expected(request: &Request, graph: &RecoveryGraph) -> Result<(), Failure> {
    match &request.governance.expect_plan {
        Some(expected) if *expected != graph.plan_digest.to_string() => {
            let message = format!("the plan is {}, and {expected} was expected", graph.plan_digest);
            Err(Failure::permanent(Code::PlanInvalid, message)
                .hint("plan, jobs, snapshot or targets changed; look at `coppice plan` again"))
        }
        _ => Ok(()),
    }
}

fn record(
    request: &Request,
    world: &World,
    facts: &Facts,
    actor: &Actor,
    git_commit: Option<String>,
) -> RunRequest {
    let objectives = &world.setting.environment.objectives;
    RunRequest {
        actor: actor.clone(),
        reason: request.governance.reason.clone(),
        // A prefix may lead below a version that is not public.
        scope: facts.scope.as_deref().map(|scope| world.redactor.text(scope)),
        policy_date: Some(facts.policy_date),
        as_of: facts.snapshot.as_ref().map(|snapshot| snapshot.as_of),
        incident_at: request.incident_at,
        rto_target_seconds: objectives.rto.as_ref().map(|period| period.length().as_secs()),
        rpo_target_seconds: objectives.rpo.as_ref().map(|period| period.length().as_secs()),
        git_commit,
        tools: [
            ("coppice".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("postgis".to_owned(), facts.server.clone()),
        ]
        .into(),
        promotes: request.promote.map(|promote| promote.run),
        not_covered: Vec::new(),
        accept: facts.accept.clone(),
        setting: crate::digest::Digest::blake3(b""),
    }
}

fn environment_of(request: &Request) -> Option<&Environment> {
    request.plan.plan.spec.environments.get(&request.env)
}

fn not_covered_of(request: &Request, jobs: NotCovered) -> Vec<String> {
    let mut list = Vec::new();
    if let Some(scope) = survey::scope(&request.filter) {
        list.push(format!("all but {scope}"));
    }
    list.extend(jobs.into_iter().map(|(job, why)| format!("{job}: {why}")));
    if request.mode == RunMode::Rehearse {
        list.push("the environment's own targets and their credentials".to_owned());
        list.extend(commands_of(request));
        if let Some(approve) = environment_of(request).and_then(|env| env.approve.as_ref()) {
            list.push(format!("approvals: {}", approve.steps.join(", ")));
        }
    }
    if request.mode != RunMode::Rollback
        && request.plan.plan.spec.signatures == SignaturePolicy::Report
    {
        list.push("the signature of the ledger's head: not checked".to_owned());
    }
    list
}

/// The commands that only a run on the environment's own targets runs.
fn commands_of(request: &Request) -> Vec<String> {
    let Ok(environment) = request.plan.environment(&request.env) else { return Vec::new() };
    let freeze = environment.freeze.iter().map(|command| ("freeze", command));
    let all = freeze.chain(environment.enable.iter().map(|command| ("enable", command)));
    all.map(|(phase, command)| format!("{phase}/{}: not run in a rehearsal", command.name))
        .collect()
}
