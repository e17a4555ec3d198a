//! Could a run start now? Probes that change nothing; what cannot be told counts as no.

mod credentials;
mod database;
mod last;
mod machine;
mod open_to_all;
mod past;
mod programs;
mod snapshot;
mod stores;
mod words;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::request::{Request, open};
use super::world::World;
use crate::journal::Journal;
use crate::model::Failure;

pub(crate) use last::{Changed, Last, last_path};

/// How a probe came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// As a run needs it.
    Ok,
    /// A run could start, and somebody should look.
    Warn,
    /// A run could not start, or could not keep what is promised.
    Fail,
}

impl Level {
    /// The name as in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Probe {
    /// What.
    pub(crate) id: String,
    /// Whether it is as a run needs it.
    pub(crate) ok: bool,
    /// The same in three steps.
    pub(crate) level: Level,
    /// What was seen.
    pub(crate) seen: String,
    /// What to do.
    pub(crate) hint: Option<String>,
}

impl Probe {
    fn new(id: &str, level: Level, seen: String, hint: Option<String>) -> Self {
        Self { id: id.to_owned(), ok: level != Level::Fail, level, seen, hint }
    }

    pub(crate) fn good(id: &str, seen: impl Into<String>) -> Self {
        Self::new(id, Level::Ok, seen.into(), None)
    }

    pub(crate) fn warn(id: &str, seen: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(id, Level::Warn, seen.into(), Some(hint.into()))
    }

    pub(crate) fn bad(id: &str, seen: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(id, Level::Fail, seen.into(), Some(hint.into()))
    }

    fn of(id: &str, result: Result<String, Failure>) -> Self {
        match result {
            Ok(seen) => Self::good(id, seen),
            Err(failure) => Self::failed(id, failure),
        }
    }

    pub(crate) fn failed(id: &str, failure: Failure) -> Self {
        Self::new(id, Level::Fail, failure.message, failure.hint)
    }
}

/// Looks at all that a restore and a rehearsal need.
pub(crate) async fn probe(
    request: &Request,
    journal: Arc<dyn Journal>,
) -> Result<Vec<Probe>, Failure> {
    let mut probes = vec![Probe::good(
        "plan",
        format!("{} jobs, environment {}", request.plan.jobs.len(), request.env),
    )];
    if let Ok(environment) = request.plan.environment(&request.env) {
        probes.push(credentials::probe(environment, &request.file));
    }
    let world = match open(request, journal.clone()).await {
        Ok(world) => world,
        Err(super::Refusal::Failure(failure)) => {
            probes.push(Probe::failed("targets", failure));
            return Ok(probes);
        }
        Err(super::Refusal::Problems(problems)) => {
            probes.push(Probe::failed("plan", crate::plan::Problem::failure(&problems)));
            return Ok(probes);
        }
    };
    let looked = look(&world, request, &*journal, &mut probes).await;
    world.close().await?;
    looked.map(|()| probes)
}

async fn look(
    world: &World,
    request: &Request,
    journal: &dyn Journal,
    probes: &mut Vec<Probe>,
) -> Result<(), Failure> {
    probes.extend(stores::reachable(world).await);
    let (found, rows) = snapshot::probe(world, request).await;
    probes.extend(rows);
    probes.extend(snapshot::withdrawals(world).await);
    probes.extend(stores::markers(world).await);
    let sinks = request.plan.jobs.iter().map(|(id, job)| (id, &job.job.spec.sink));
    probes.extend(database::probe(world, &sinks.collect::<Vec<_>>()).await);
    probes.extend(programs::probe(world, request));
    probes.push(stores::locks(world).await);
    probes.extend(open_to_all::probe(world).await);
    probes.extend(machine::disk(world, found.as_ref()));
    probes.push(machine::memory(world));
    probes.push(past::rehearsed(world, request, journal).await?);
    probes.extend(past::forecast(world, journal, found.as_ref()).await?);
    Ok(())
}
