//! The environment's markers on all targets of a run.

use chrono::Utc;

use super::{World, enclosing};
use crate::access::{Marker, judge};
use crate::model::{Failure, RunMode};
use crate::{postgres, store};

/// The environment whose markers scratch carries: no environment can have this name.
fn marked_as(world: &World) -> String {
    match world.setting.mode {
        RunMode::Rehearse => format!("scratch:{}", world.run),
        _ => world.setting.name.clone(),
    }
}

/// The exact command that would mark the targets.
pub(super) fn init_line(world: &World) -> String {
    format!("coppice init {} --env {}", world.setting.plan.display(), world.setting.name)
}

/// Refuses a target that carries no marker, or another's.
pub(crate) async fn check(world: &World) -> Result<(), Failure> {
    let (name, init) = (marked_as(world), init_line(world));
    check_stores(world, &name, &init).await?;
    check_graph(world, &name, &init).await?;
    check_database(world, &name, &init).await
}

/// The same for a look: a private cluster that was never made is not made now.
pub(crate) async fn look(world: &World) -> Result<(), Failure> {
    let (name, init) = (marked_as(world), init_line(world));
    check_stores(world, &name, &init).await?;
    check_graph(world, &name, &init).await?;
    if world.targets.has_database() {
        check_database(world, &name, &init).await?;
    }
    Ok(())
}

async fn check_stores(world: &World, name: &str, init: &str) -> Result<(), Failure> {
    for target in world.written() {
        store::check_marker(target, name, init).await?;
    }
    Ok(())
}

async fn check_graph(world: &World, name: &str, init: &str) -> Result<(), Failure> {
    match world.targets.graph() {
        Some(server) => {
            server.refuse_an_environments().await?;
            server.check_marker(name, init).await
        }
        None => Ok(()),
    }
}

/// Refuses targets where another environment is: asked before anything is written to what carries
/// no marker yet.
pub(super) async fn refuse_others(world: &World) -> Result<(), Failure> {
    enclosing::refuse(world, &marked_as(world)).await?;
    match world.targets.graph() {
        Some(server) => server.refuse_an_environments().await,
        None => Ok(()),
    }
}

/// `coppice init`: puts the environment's markers, unless a target lies inside another's.
pub(crate) async fn init(world: &World) -> Result<Vec<String>, Failure> {
    refuse_others(world).await?;
    put(world).await
}

async fn check_database(world: &World, name: &str, init: &str) -> Result<(), Failure> {
    let pool = world.targets.pool().await?;
    let identity = postgres::system_identity(pool).await?;
    let found = postgres::read_marker(pool).await?;
    judge(found.map(of_database).as_ref(), name, &identity, init)
}

/// A database's marker as the document that is judged.
pub(super) fn of_database(found: postgres::Marker) -> Marker {
    Marker {
        version: Marker::VERSION,
        environment: found.environment,
        identity: found.identity,
        created_at: found.created_at,
    }
}

/// Puts the markers where there are none; one that is there must be the same. Gives the names of
/// the targets that it marked.
pub(super) async fn put(world: &World) -> Result<Vec<String>, Failure> {
    let (name, init) = (marked_as(world), init_line(world));
    let mut marked = Vec::new();
    for target in world.written() {
        let created = store::write_marker(target, &name, &init, Utc::now()).await?;
        if created == store::Created::Written {
            marked.push(target.url().to_owned());
        }
    }
    if let Some(server) = world.targets.graph()
        && server.mark(&name).await?
    {
        marked.push(server.name());
    }
    let pool = world.targets.pool().await?;
    // A server that no run could use is not marked.
    postgres::server_identity(pool).await?;
    let identity = postgres::system_identity(pool).await?;
    if postgres::read_marker(pool).await?.is_none() {
        postgres::write_marker(pool, &name, &identity).await?;
        marked.push(identity);
    }
    check(world).await?;
    Ok(marked)
}
