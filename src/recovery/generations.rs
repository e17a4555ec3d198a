//! Which generations of each job are at its target. Changes nothing.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::orphans::{Orphan, orphans};
use super::request::{self, Refusal, Request};
use super::world::World;
use crate::digest::Digest;
use crate::journal::Journal;
use crate::model::{Failure, JobId, RunId, Sink};
use crate::projection::{Generation, Held, Projection, Stored};

/// A job and what its target holds of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OfJob {
    /// The job.
    pub(crate) job: JobId,
    /// Whether a job of the plan fills that target.
    pub(crate) in_plan: bool,
    /// The newest first.
    pub(crate) generations: Vec<Line>,
}

/// One generation.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    /// Its name.
    pub(crate) generation: Digest,
    /// How it stands to readers.
    pub(crate) state: State,
    /// The run that built it, where that can be told.
    pub(crate) run_id: Option<RunId>,
    /// When that run began.
    pub(crate) built_at: Option<DateTime<Utc>>,
    /// Its rows, where it is complete.
    pub(crate) rows: Option<u64>,
    /// When it was proven, where it was.
    pub(crate) proof_at: Option<DateTime<Utc>>,
}

/// How a generation stands to readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Readers have it.
    Live,
    /// `coppice rollback` puts it live again.
    Former,
    /// It was live before that, and is kept by `limits.keep_generations`.
    Kept,
    /// Complete and proven, and never live.
    Staged,
    /// A run that was stopped left it, or one is building it.
    Partial,
}

impl State {
    /// The name as in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Former => "former",
            Self::Kept => "kept",
            Self::Staged => "staged",
            Self::Partial => "partial",
        }
    }
}

/// Lists the generations of every job of a plan, and of what is live without one.
pub(crate) async fn generations(
    request: Request,
    journal: Arc<dyn Journal>,
) -> Result<Vec<OfJob>, Refusal> {
    let world = request::open(&request, journal).await?;
    let listed = list(&world, &request).await;
    world.close().await?;
    Ok(listed?)
}

async fn list(world: &World, request: &Request) -> Result<Vec<OfJob>, Failure> {
    let mut all = Vec::new();
    for (job, loaded) in &request.plan.jobs {
        let sink = &loaded.job.spec.sink;
        let mut generations = Vec::new();
        // A private cluster that was never made holds nothing, and is not made for a look.
        if world.targets.is_there(sink) {
            let target = world.targets.of(sink).await?;
            let live = target.live(job).await?;
            let former = target.last_switch(job).await?.and_then(|last| last.former);
            for stored in target.stored(job).await? {
                let state = state(&stored, live, former);
                generations.push(line(&*target, job, sink, &stored, state).await?);
            }
        }
        all.push(OfJob::new(job.clone(), true, generations));
    }
    for orphan in orphans(&world.targets, &request.plan).await? {
        all.push(without_job(&orphan).await?);
    }
    Ok(all)
}

/// What is there of a job that the plan does not have; how many rows, only its sink could tell.
async fn without_job(orphan: &Orphan) -> Result<OfJob, Failure> {
    let Orphan { job, live, target, .. } = orphan;
    let former = target.last_switch(job).await?.and_then(|last| last.former);
    let stored = target.stored(job).await?;
    let lines = stored.iter().map(|one| Line::new(one, state(one, Some(*live), former)));
    Ok(OfJob::new(job.clone(), false, lines.collect()))
}

impl OfJob {
    fn new(job: JobId, in_plan: bool, mut generations: Vec<Line>) -> Self {
        generations.sort_by_key(|line| (std::cmp::Reverse(line.built_at), line.generation));
        Self { job, in_plan, generations }
    }
}

impl Line {
    fn new(stored: &Stored, state: State) -> Self {
        Self {
            generation: stored.digest,
            state,
            run_id: stored.run,
            built_at: stored.run.and_then(RunId::began),
            rows: None,
            proof_at: None,
        }
    }
}

fn state(stored: &Stored, live: Option<Digest>, former: Option<Digest>) -> State {
    match stored {
        one if live == Some(one.digest) => State::Live,
        one if former == Some(one.digest) => State::Former,
        one if !one.complete => State::Partial,
        one if one.was_live => State::Kept,
        _ => State::Staged,
    }
}

async fn line(
    target: &dyn Projection,
    job: &JobId,
    sink: &Sink,
    stored: &Stored,
    state: State,
) -> Result<Line, Failure> {
    let generation = Generation { job: job.clone(), digest: stored.digest, sink: sink.clone() };
    let proof = match target.holds(&generation).await? {
        Held::Complete(proof) | Held::Live(proof) => Some(proof),
        Held::Absent | Held::Partial => None,
    };
    Ok(Line {
        rows: proof.as_ref().map(|proof| proof.rows),
        proof_at: proof.map(|proof| proof.proof_at),
        ..Line::new(stored, state)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_what_readers_and_rollbacks_make_of_it() {
        let name = |name: &str| Digest::blake3(name.as_bytes());
        let of = |digest: &str, complete, was_live| {
            let stored = Stored { digest: name(digest), run: None, complete, was_live };
            state(&stored, Some(name("live")), Some(name("former")))
        };
        assert_eq!(of("live", true, true), State::Live);
        assert_eq!(of("former", true, true), State::Former);
        assert_eq!(of("old", true, true), State::Kept);
        assert_eq!(of("new", true, false), State::Staged);
        assert_eq!(of("half", false, false), State::Partial);
    }
}
