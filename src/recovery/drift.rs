//! Are the live projections still what the canonical data say? Changes nothing.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::orphans::{self, Orphan};
use super::request::{self, Refusal, Request};
use super::world::World;
use super::{editions, markers, survey};
use crate::digest::Digest;
use crate::journal::{Journal, load};
use crate::model::{Code, Failure, JobId, Meter, Proof, RunId};
use crate::plan::{RebuildParams, RecoveryGraph, StepKind};
use crate::projection::{Generation, Held, Projection};
use crate::proof;

/// What is live of a job, held against what the job would build now.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Drift {
    /// The job.
    pub(crate) job: JobId,
    /// The generation that is live.
    pub(crate) live: Option<Digest>,
    /// The generation that the job would build out of the canonical data as they are; none where no
    /// job of the plan fills the target.
    pub(crate) expected: Option<Digest>,
    /// Whether it is live at a target that its job does not fill any more.
    pub(crate) moved: bool,
    /// In what they differ; nothing: no drift.
    pub(crate) differs: Vec<String>,
    /// Rows by the record of the proof.
    pub(crate) rows_recorded: Option<u64>,
    /// Rows that are there.
    pub(crate) rows_found: Option<u64>,
    /// The digest that was proven.
    pub(crate) digest_recorded: Option<String>,
    /// The digest of what was read back, where that was asked for.
    pub(crate) digest_found: Option<String>,
    /// When it was proven.
    pub(crate) proof_at: Option<DateTime<Utc>>,
    /// The run that built it, where that is known.
    pub(crate) run_id: Option<RunId>,
}

impl Drift {
    /// Before anything was looked at.
    fn unknown(job: JobId, expected: Option<Digest>) -> Self {
        Self {
            job,
            live: None,
            expected,
            moved: false,
            differs: Vec::new(),
            rows_recorded: None,
            rows_found: None,
            digest_recorded: None,
            digest_found: None,
            proof_at: None,
            run_id: None,
        }
    }
}

/// Looks at every job of a plan, and at what is live without one. Names and counts are compared; `deep` reads everything back.
pub(crate) async fn drift(
    request: Request,
    journal: Arc<dyn Journal>,
    deep: bool,
) -> Result<Vec<Drift>, Refusal> {
    let mut world = request::open(&request, journal).await?;
    let found = look(&mut world, &request, deep).await;
    // A private cluster may have been started for the look.
    world.close().await?;
    found
}

async fn look(world: &mut World, request: &Request, deep: bool) -> Result<Vec<Drift>, Refusal> {
    there(world, request)?;
    markers::check(world).await?;
    let (mut facts, _) = survey::facts(world, request).await?;
    world.setting.versions = request::versions(&facts);
    world.redactor.show(world.setting.public());
    let graph = editions::compiled(world, &request.plan, &mut facts, request.mode).await?;
    let mut all = Vec::new();
    for spec in graph.steps.iter().filter(|spec| spec.kind == StepKind::Rebuild) {
        let params: RebuildParams = super::params(spec)?;
        all.push(of_job(world, &params, deep).await);
    }
    for orphan in orphans::orphans(&world.targets, &request.plan).await? {
        all.push(of_orphan(&orphan).await);
    }
    Ok(all)
}

/// A private cluster that was never made is not made for a look.
fn there(world: &World, request: &Request) -> Result<(), Failure> {
    let mut jobs = request.plan.jobs.values();
    if jobs.all(|job| world.targets.is_there(&job.job.spec.sink)) {
        return Ok(());
    }
    let message =
        format!("nothing was ever recovered here: {} is not there", world.targets.database_name());
    Err(Failure::permanent(Code::StepFailed, message)
        .hint(format!("recover first: coppice restore PLAN --env {}", request.env)))
}

/// What cannot be read differs: it is told, and not passed over.
async fn of_job(world: &World, params: &RebuildParams, deep: bool) -> Drift {
    let mut drift = Drift::unknown(params.job.clone(), Some(params.generation));
    if let Err(failure) = compare(world, params, deep, &mut drift).await {
        drift.differs.push(format!("could not be read: {}", failure.message));
    }
    drift
}

/// No job says what it should be, so that it differs whatever it holds.
async fn of_orphan(orphan: &Orphan) -> Drift {
    let mut drift = Drift::unknown(orphan.job.clone(), None);
    drift.live = Some(orphan.live);
    drift.moved = orphan.moved;
    drift.differs.push(orphan.told());
    match orphan.target.stored(&orphan.job).await {
        Ok(stored) => {
            let live = stored.iter().find(|one| one.digest == orphan.live);
            drift.run_id = live.and_then(|one| one.run);
        }
        Err(failure) => drift.differs.push(format!("could not be read: {}", failure.message)),
    }
    drift
}

async fn compare(
    world: &World,
    params: &RebuildParams,
    deep: bool,
    drift: &mut Drift,
) -> Result<(), Failure> {
    let target = world.targets.of(&params.sink).await?;
    drift.live = target.live(&params.job).await?;
    let Some(digest) = drift.live else {
        drift.differs.push("nothing is live".to_owned());
        return Ok(());
    };
    let stored = target.stored(&params.job).await?;
    drift.run_id = stored.iter().find(|one| one.digest == digest).and_then(|one| one.run);
    let generation = Generation { job: params.job.clone(), digest, sink: params.sink.clone() };
    let held = target.holds(&generation).await?;
    let is_whole = matches!(held, Held::Live(_) | Held::Complete(_));
    // What is damaged is to be built under another name for that alone.
    if is_whole && digest != params.generation {
        drift.differs.extend(why(world, params, digest, drift.run_id).await);
    }
    match held {
        Held::Live(proof) => content(&*target, &generation, &proof, deep, drift).await?,
        Held::Complete(proof) => {
            let words = "readers are not shown what the record says is live, or what the job \
                         declares around it (grants, comments, views, foreign keys) is not there";
            drift.differs.push(words.to_owned());
            content(&*target, &generation, &proof, deep, drift).await?;
        }
        Held::Absent => drift.differs.push("what should be live is gone".to_owned()),
        Held::Partial => drift.differs.push("what is live is not whole, or not proven".to_owned()),
    }
    Ok(())
}

/// Holds what is there against the record of its proof.
async fn content(
    target: &dyn Projection,
    generation: &Generation,
    proof: &Proof,
    deep: bool,
    drift: &mut Drift,
) -> Result<(), Failure> {
    drift.rows_recorded = Some(proof.rows);
    drift.digest_recorded = Some(proof.canonical_digest.clone());
    drift.proof_at = Some(proof.proof_at);
    let count = target.count(generation).await?;
    drift.rows_found = Some(count);
    if count != proof.rows {
        drift.differs.push(format!("{count} rows are there, {} were proven", proof.rows));
    }
    if deep {
        let recorded: crate::digest::MultisetDigest =
            proof.canonical_digest.parse().map_err(|error| {
                let message = format!("the record of {} is damaged", generation.job);
                Failure::permanent(Code::StepFailed, message).because(&error)
            })?;
        let encoding = recorded.encoding.trim_end_matches("-v1").to_owned();
        let rows = target.read_back(generation).await?;
        let found = proof::digest_rows(rows, &encoding, &Meter::default()).await?;
        drift.digest_found = Some(found.to_string());
        if found != recorded {
            drift.differs.push("what is read back is not what was proven".to_owned());
        }
    }
    Ok(())
}

/// What decides a generation's name, and has changed since it was built.
async fn why(world: &World, now: &RebuildParams, live: Digest, run: Option<RunId>) -> Vec<String> {
    let then = match run {
        Some(run) => planned(world, run, &now.job, live).await,
        None => None,
    };
    let Some(then) = then else {
        return vec!["it was made of something else; its run is not in this journal".to_owned()];
    };
    changes(&then, now)
}

/// What decides a generation's name, and is not what it was.
pub(super) fn changes(then: &RebuildParams, now: &RebuildParams) -> Vec<String> {
    let mut changed = Vec::new();
    let mut compare = |same: bool, what: &str| {
        if !same {
            changed.push(what.to_owned());
        }
    };
    compare(then.inputs == now.inputs, "its inputs changed");
    compare(then.query == now.query, "its query changed");
    compare(then.files == now.files, "its program, or a file that it brings along, changed");
    compare(then.sink == now.sink, "its sink changed");
    compare(then.labels == now.labels, "policy labels of its inputs changed");
    compare(then.on_bad_row == now.on_bad_row, "`on_bad_row` changed");
    if changed.is_empty() {
        changed.push("the builder, the server or its edition changed".to_owned());
    }
    changed
}

/// What the run that built a generation planned; not known where its journal is elsewhere.
async fn planned(
    world: &World,
    run: RunId,
    job: &JobId,
    generation: Digest,
) -> Option<RebuildParams> {
    let info = load(&*world.journal, run).await.ok()?.info?;
    let bytes = world.journal.get(&info.graph).await.ok()?;
    let graph: RecoveryGraph = serde_json::from_slice(&bytes).ok()?;
    let rebuilds = graph.steps.iter().filter(|spec| spec.kind == StepKind::Rebuild);
    rebuilds
        .filter_map(|spec| super::params::<RebuildParams>(spec).ok())
        .find(|params| params.job == *job && params.generation == generation)
}
