//! What a rehearsal leaves behind, and how it is cleared: after a failure and a kill too.

use std::path::Path;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};

use super::drive::reopen;
use super::world::World;
use crate::access::Redactor;
use crate::journal::{Holder, Journal, RunPhase, load};
use crate::model::{Code, Failure, RunId};
use crate::store::{Store, Walked};

/// Deletes at once.
const DELETES: usize = 16;

/// Clears the scratch of a world; gives the places that held something. Twice equals once.
pub(crate) async fn clear(world: &World) -> Result<Vec<String>, Failure> {
    let Some(local) = &world.places.scratch else {
        return Err(Failure::permanent(Code::Internal, "asked to clear what is not scratch"));
    };
    let mut cleared = Vec::new();
    world.give_locks_back().await?;
    world.targets.remove_scratch_cluster().await?;
    for store in world.written() {
        if empty(store).await? > 0 {
            cleared.push(store.url().to_owned());
        }
    }
    match tokio::fs::remove_dir_all(local).await {
        Ok(()) => cleared.push(local.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            let message = format!("failed to clear {}", local.display());
            return Err(Failure::transient(Code::StepFailed, message).because(&error));
        }
    }
    Ok(cleared)
}

/// Deletes all objects of a store whose every name holds the run's id.
async fn empty(store: &Store) -> Result<u64, Failure> {
    let deleted = store
        .walk("")
        .map(|walked| async {
            match walked? {
                Walked::Object(meta) => store.delete(&meta.key).await.map(u64::from),
                Walked::Unreadable { .. } => Ok(0),
            }
        })
        .buffer_unordered(DELETES)
        .try_fold(0, |sum, one| async move { Ok(sum + one) })
        .await?;
    // Markers and locks are no part of a walk.
    for key in [".coppice/environment.json", ".coppice/lock.json"] {
        store.delete(key).await?;
    }
    Ok(deleted)
}

/// Clears what a killed or kept rehearsal left; a run that is being driven is refused.
pub(crate) async fn discard(
    run: RunId,
    state: &Path,
    journal: Arc<dyn Journal>,
    redactor: Arc<Redactor>,
) -> Result<Vec<String>, Failure> {
    let known = load(&*journal, run).await?;
    let world = reopen(run, state, journal.clone(), redactor).await?;
    if world.places.scratch.is_none() {
        return Err(Failure::permanent(
            Code::Usage,
            format!("run {run} worked on the targets of {} itself", world.setting.name),
        )
        .hint("only rehearsals have scratch; former generations go by `coppice rollback`"));
    }
    let holder = Holder::this_process(&crate::access::resolve_actor(None).principal);
    let lease = journal.claim(run, &world.target_names(), &holder).await?;
    let cleared = clear(&world).await;
    if cleared.is_ok() && !matches!(known.phase, RunPhase::Finished(_)) {
        crate::engine::abandon(journal, lease).await?;
    } else {
        journal.release(&lease).await?;
    }
    cleared
}
