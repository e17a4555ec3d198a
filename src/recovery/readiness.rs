//! Could a run start now? Probes that change nothing; what cannot be told counts as no.

use chrono::{TimeDelta, Utc};
use serde::Serialize;

use super::receipts;
use super::request::{Request, open};
use super::survey::choose;
use super::targets::Database;
use super::world::World;
use crate::access::judge;
use crate::canonical::{BackupStore, Manifest};
use crate::journal::Journal;
use crate::model::{Failure, Outcome, RunMode};
use crate::{postgres, store};

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Probe {
    /// What.
    pub(crate) id: String,
    /// Whether it is as a run needs it.
    pub(crate) ok: bool,
    /// What was seen.
    pub(crate) seen: String,
    /// What to do.
    pub(crate) hint: Option<String>,
}

impl Probe {
    fn good(id: &str, seen: impl Into<String>) -> Self {
        Self { id: id.to_owned(), ok: true, seen: seen.into(), hint: None }
    }

    fn bad(id: &str, seen: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { id: id.to_owned(), ok: false, seen: seen.into(), hint: Some(hint.into()) }
    }

    fn of(id: &str, result: Result<String, Failure>) -> Self {
        match result {
            Ok(seen) => Self::good(id, seen),
            Err(failure) => Self {
                id: id.to_owned(),
                ok: false,
                seen: failure.message.clone(),
                hint: failure.hint,
            },
        }
    }
}

/// Looks at all that a restore and a rehearsal need.
pub(crate) async fn probe(
    request: &Request,
    journal: std::sync::Arc<dyn Journal>,
) -> Result<Vec<Probe>, Failure> {
    let mut probes = vec![Probe::good(
        "plan",
        format!("{} jobs, environment {}", request.plan.jobs.len(), request.env),
    )];
    let world = match open(request, journal.clone()).await {
        Ok(world) => world,
        Err(super::Refusal::Failure(failure)) => {
            probes.push(Probe::of("targets", Err(failure)));
            return Ok(probes);
        }
        Err(super::Refusal::Problems(problems)) => {
            probes.push(Probe::of("plan", Err(crate::plan::Problem::failure(&problems))));
            return Ok(probes);
        }
    };
    probes.extend(snapshot(&world, request).await);
    probes.extend(withdrawals(&world).await);
    probes.extend(markers(&world).await);
    probes.push(database(&world).await);
    probes.push(rehearsed(&world, request, &*journal).await?);
    world.close().await?;
    Ok(probes)
}

async fn snapshot(world: &World, request: &Request) -> Vec<Probe> {
    let found = async {
        let place = super::places::store(&world.places.backup)?;
        let backup = BackupStore::open(place).await?;
        choose(&backup, request, &world.setting.environment).await
    };
    match found.await {
        Err(failure) => vec![Probe::of("snapshot", Err(failure))],
        Ok((digest, manifest)) => vec![
            Probe::good("snapshot", format!("{} of {}", digest.short(), manifest.as_of)),
            age(world, &manifest),
        ],
    }
}

/// Whether the list of withdrawals, if there is one, can be read.
async fn withdrawals(world: &World) -> Option<Probe> {
    world.setting.environment.withdrawals.as_ref()?;
    let read = world.withdrawals().await;
    Some(Probe::of("withdrawals", read.map(|list| format!("{} entries", list.entries()))))
}

/// The snapshot's age against the recovery point objective.
fn age(world: &World, manifest: &Manifest) -> Probe {
    let age = (Utc::now() - manifest.as_of).num_seconds().max(0);
    let seen = format!("{age} s old");
    match &world.setting.environment.objectives.rpo {
        Some(rpo) if u64::try_from(age).unwrap_or(0) > rpo.length().as_secs() => Probe::bad(
            "snapshot-age",
            format!("{seen}, and the objective is {rpo}"),
            "seal a new one with `coppice snapshot`",
        ),
        Some(rpo) => Probe::good("snapshot-age", format!("{seen}, within {rpo}")),
        None => Probe::good("snapshot-age", format!("{seen}; no objective")),
    }
}

async fn markers(world: &World) -> Vec<Probe> {
    let init = super::markers::init_line(world);
    let mut probes = Vec::new();
    for target in world.written() {
        let checked = store::check_marker(target, &world.setting.name, &init).await;
        let seen = checked.map(|()| format!("marked as {}", world.setting.name));
        probes.push(Probe::of(&format!("marker {}", target.url()), seen));
    }
    probes
}

/// A private cluster that is down is not started for a look.
async fn database(world: &World) -> Probe {
    let seen = match &world.places.database {
        Database::Private { data, .. } => postgres::installed_identity(data)
            .map(|installed| format!("{installed}, private"))
            .map_err(Failure::from),
        Database::Server { .. } => server(world).await,
    };
    Probe::of("postgis", seen)
}

async fn server(world: &World) -> Result<String, Failure> {
    let pool = world.targets.pool().await?;
    let identity = postgres::system_identity(pool).await?;
    let marker = postgres::read_marker(pool).await?.map(super::markers::of_database);
    judge(marker.as_ref(), &world.setting.name, &identity, &super::markers::init_line(world))?;
    Ok(postgres::server_identity(pool).await?)
}

/// When a rehearsal of the environment was last green.
async fn rehearsed(
    world: &World,
    request: &Request,
    journal: &dyn Journal,
) -> Result<Probe, Failure> {
    let Some(every) = &world.setting.environment.rehearse_every else {
        return Ok(Probe::good("rehearsal", "no interval is promised"));
    };
    let runs = journal.runs().await?;
    let green = runs.iter().find(|run| {
        run.mode == RunMode::Rehearse
            && run.environment == request.env
            && run.outcome == Some(Outcome::Recovered)
            && matches!(receipts::stored(&request.state, run.run), Ok(Some(_)))
    });
    let hint =
        format!("coppice rehearse {} --env {}", world.setting.plan.display(), world.setting.name);
    let Some(green) = green else {
        return Ok(Probe::bad("rehearsal", "none was ever green", hint));
    };
    let since = Utc::now() - green.started_at;
    let allowed = TimeDelta::from_std(every.length()).unwrap_or(TimeDelta::MAX);
    let seen = format!("last green {}, promised every {every}", green.started_at);
    Ok(if since > allowed {
        Probe::bad("rehearsal", seen, hint)
    } else {
        Probe::good("rehearsal", seen)
    })
}
