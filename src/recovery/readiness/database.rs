use sqlx::PgPool;

use super::Probe;
use crate::access::judge;
use crate::model::{Failure, JobId, Sink};
use crate::postgres::{self, Trust, Wanted};
use crate::recovery::markers;
use crate::recovery::targets::Database;
use crate::recovery::world::World;

/// A private cluster that is down is not started for a look.
pub(super) async fn probe(world: &World, sinks: &[(&JobId, &Sink)]) -> Vec<Probe> {
    match &world.places.database {
        Database::Private { data, .. } => {
            let installed = postgres::installed_identity(data).map_err(Failure::from);
            vec![Probe::of("postgis", installed.map(|installed| format!("{installed}, private")))]
        }
        Database::Server { .. } => match world.targets.pool().await {
            Err(failure) => vec![Probe::failed("postgis", failure)],
            Ok(pool) => {
                let version = postgres::server_identity(pool).await.map_err(Failure::from);
                let of_server = vec![
                    Probe::of("postgis", version),
                    transport(pool),
                    connections(world, pool).await,
                    Probe::of("marker database", marker(world).await),
                    grants(world, sinks).await,
                ];
                let others = others(world, sinks).await;
                of_server.into_iter().chain(others).collect()
            }
        },
    }
}

/// Whether the server is surely the one that is meant.
fn transport(pool: &PgPool) -> Probe {
    match postgres::trust(&pool.connect_options()) {
        Trust::Local => Probe::good("postgis tls", "reached without leaving this machine"),
        Trust::Verified => Probe::good("postgis tls", "its certificate and name are verified"),
        Trust::Weak(mode) => Probe::warn(
            "postgis tls",
            format!("sslmode={mode}: whoever answers may be believed to be the server"),
            "take sslmode out of the URL (verify-full is meant then) and name the root that signed \
             its certificate by sslrootcert=FILE",
        ),
    }
}

/// Whether the server has connections left for a run.
async fn connections(world: &World, pool: &PgPool) -> Probe {
    let wanted = u64::from(world.setting.limits.all_connections());
    match postgres::free_connections(pool).await.map_err(Failure::from) {
        Err(failure) => Probe::failed("postgis connections", failure),
        Ok(free) if free < wanted => Probe::warn(
            "postgis connections",
            format!("{free} are free, a run has up to {wanted}"),
            "set `limits.connections` or `limits.queries` lower, or let the server have more",
        ),
        Ok(free) => {
            Probe::good("postgis connections", format!("{free} are free, a run has up to {wanted}"))
        }
    }
}

/// What others have put on live tables: told, for it may stop a switch.
async fn others(world: &World, sinks: &[(&JobId, &Sink)]) -> Option<Probe> {
    let mut found = Vec::new();
    for (job, sink) in sinks.iter().filter(|(_, sink)| matches!(sink, Sink::Postgis(_))) {
        let told = async { world.targets.of(sink).await?.others(job, sink).await };
        match told.await {
            Err(failure) => return Some(Probe::failed("postgis dependents", failure)),
            Ok(told) => found.extend(told),
        }
    }
    (!found.is_empty()).then(|| Probe::good("postgis dependents", found.join("; ")))
}

async fn marker(world: &World) -> Result<String, Failure> {
    let pool = world.targets.pool().await?;
    let identity = postgres::system_identity(pool).await?;
    let marker = postgres::read_marker(pool).await?.map(markers::of_database);
    judge(marker.as_ref(), &world.setting.name, &identity, &markers::init_line(world))?;
    Ok(format!("marked as {}", world.setting.name))
}

/// Whether our role may do all that a run does, or the statement that lets it.
async fn grants(world: &World, sinks: &[(&JobId, &Sink)]) -> Probe {
    let wanted = wanted(sinks.iter().map(|(_, sink)| *sink));
    let missing = async {
        let pool = world.targets.pool().await?;
        Ok::<_, Failure>(postgres::missing_grants(pool, &wanted).await?)
    };
    match missing.await {
        Err(failure) => Probe::failed("grants", failure),
        Ok(missing) if missing.is_empty() => Probe::good("grants", "all that a run needs"),
        Ok(missing) => {
            let names: Vec<_> = missing.iter().map(|one| one.what.as_str()).collect();
            let mend: Vec<_> = missing.iter().map(|one| one.mend.as_str()).collect();
            let seen = format!("the role lacks {}", names.join(", "));
            Probe::bad("grants", seen, format!("as the owner: {};", mend.join("; ")))
        }
    }
}

/// What the plan's tables ask for.
fn wanted<'a>(sinks: impl Iterator<Item = &'a Sink>) -> Wanted {
    let mut wanted = Wanted::default();
    for sink in sinks {
        let Sink::Postgis(table) = sink else { continue };
        wanted.schemas.push(table.schema.clone());
        wanted.readers.extend(table.grants.keys().map(|role| (table.schema.clone(), role.clone())));
    }
    wanted.schemas.sort();
    wanted.schemas.dedup();
    wanted.readers.sort();
    wanted.readers.dedup();
    wanted
}
