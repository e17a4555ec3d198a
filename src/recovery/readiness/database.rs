use super::Probe;
use crate::access::judge;
use crate::model::{Failure, Sink};
use crate::postgres;
use crate::recovery::markers;
use crate::recovery::targets::Database;
use crate::recovery::world::World;

/// A private cluster that is down is not started for a look.
pub(super) async fn probe(world: &World, schemas: &[String]) -> Vec<Probe> {
    match &world.places.database {
        Database::Private { data, .. } => {
            let installed = postgres::installed_identity(data).map_err(Failure::from);
            vec![Probe::of("postgis", installed.map(|installed| format!("{installed}, private")))]
        }
        Database::Server { .. } => match world.targets.pool().await {
            Err(failure) => vec![Probe::failed("postgis", failure)],
            Ok(pool) => {
                let version = postgres::server_identity(pool).await.map_err(Failure::from);
                vec![
                    Probe::of("postgis", version),
                    Probe::of("marker database", marker(world).await),
                    grants(world, schemas).await,
                ]
            }
        },
    }
}

async fn marker(world: &World) -> Result<String, Failure> {
    let pool = world.targets.pool().await?;
    let identity = postgres::system_identity(pool).await?;
    let marker = postgres::read_marker(pool).await?.map(markers::of_database);
    judge(marker.as_ref(), &world.setting.name, &identity, &markers::init_line(world))?;
    Ok(format!("marked as {}", world.setting.name))
}

/// Whether our role may do all that a run does, or the statement that lets it.
async fn grants(world: &World, schemas: &[String]) -> Probe {
    let missing = async {
        let pool = world.targets.pool().await?;
        Ok::<_, Failure>(postgres::missing_grants(pool, schemas).await?)
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

/// The schemas that the plan's tables are published in.
pub(super) fn schemas<'a>(sinks: impl Iterator<Item = &'a Sink>) -> Vec<String> {
    let schemas = sinks.filter_map(|sink| match sink {
        Sink::Postgis(table) => Some(table.schema.clone()),
        _ => None,
    });
    let mut schemas: Vec<_> = schemas.collect();
    schemas.sort();
    schemas.dedup();
    schemas
}
