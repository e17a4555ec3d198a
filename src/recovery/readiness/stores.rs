use futures::TryStreamExt;

use super::Probe;
use crate::model::Failure;
use crate::postgres;
use crate::recovery::world::World;
use crate::recovery::{markers, places};
use crate::store::{self, Store};

/// Whether the stores answer: each is asked for its first object.
pub(super) async fn reachable(world: &World) -> Vec<Probe> {
    let mut probes = Vec::new();
    let backup = places::store(&world.places.backup);
    probes.push(match backup {
        Ok(store) => answers(BACKUP, &store).await,
        Err(failure) => Probe::failed(BACKUP, failure),
    });
    for store in world.written() {
        probes.push(answers(&format!("store {}", store.url()), store).await);
    }
    if let Some(server) = world.targets.graph() {
        let seen = server.held().await.map(|_| "answers".to_owned());
        probes.push(Probe::of(&server.name(), seen));
    }
    probes
}

/// What the probe of the backup store is called.
const BACKUP: &str = "store backup";

async fn answers(id: &str, store: &Store) -> Probe {
    if let Some(root) = store.local_root().filter(|root| !root.is_dir()) {
        let seen = format!("{} is not there", root.display());
        let hint = match id {
            BACKUP => "mount it; where nothing was sealed yet, `coppice snapshot --to` makes it",
            _ => "mount it, or make it with `coppice init`",
        };
        return Probe::bad(id, seen, hint);
    }
    let first = store.walk("").try_next().await;
    let seen = first.map(|first| if first.is_some() { "answers" } else { "answers, empty" });
    Probe::of(id, seen.map(str::to_owned).map_err(Failure::from))
}

/// Whether the stores are marked as this environment's.
pub(super) async fn markers(world: &World) -> Vec<Probe> {
    let init = markers::init_line(world);
    let mut probes = Vec::new();
    for target in world.written() {
        let checked = store::check_marker(target, &world.setting.name, &init).await;
        let seen = checked.map(|()| format!("marked as {}", world.setting.name));
        probes.push(Probe::of(&format!("marker {}", target.url()), seen));
    }
    if let Some(server) = world.targets.graph() {
        let checked = server.check_marker(&world.setting.name, &init).await;
        let seen = checked.map(|()| format!("marked as {}", world.setting.name));
        probes.push(Probe::of(&format!("marker {}", server.name()), seen));
    }
    probes
}

/// Whether a run could have the targets, or who has them.
pub(super) async fn locks(world: &World) -> Probe {
    for target in world.written() {
        match store::held(target).await {
            Ok(None) => {}
            Ok(Some(failure)) | Err(failure) => return Probe::failed("locks", failure),
        }
    }
    if let Some(server) = world.targets.graph() {
        match server.held().await {
            Ok(None) => {}
            Ok(Some(holder)) => {
                let seen = format!("{} is held by {holder}", server.name());
                return Probe::bad("locks", seen, "wait for that run, or stop it");
            }
            Err(failure) => return Probe::failed("locks", failure),
        }
    }
    // A private cluster is in the hands of runs of this state directory alone.
    if matches!(world.places.database, crate::recovery::targets::Database::Server { .. }) {
        let held = async { Ok::<_, Failure>(postgres::held(world.targets.pool().await?).await?) };
        match held.await {
            Ok(None) => {}
            Ok(Some(holder)) => {
                let seen = format!("{holder} holds the database");
                return Probe::bad("locks", seen, "wait for that run, or stop it");
            }
            Err(failure) => return Probe::failed("locks", failure),
        }
    }
    Probe::good("locks", "free")
}
