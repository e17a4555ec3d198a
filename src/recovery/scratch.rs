//! What a rehearsal leaves behind, and how it is cleared: after a failure and a kill too.

use std::path::Path;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};

use super::drive::reopen;
use super::world::World;
use crate::access::Redactor;
use crate::journal::{Holder, Journal, RunPhase, RunState, StepPhase, load};
use crate::model::{Code, Failure, RunId, RunMode};
use crate::plan::StepKind;
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
    if let Some(server) = world.targets.graph()
        && server.clear_scratch().await?
    {
        cleared.push(server.name());
    }
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

/// The bytes that a run has in scratch below the state directory, if any.
pub(crate) fn left(state: &Path, run: RunId) -> Option<u64> {
    let folder = state.join("scratch").join(run.to_string());
    folder.is_dir().then(|| size(&folder))
}

/// What cannot be read counts nothing: this is for people, nothing is decided by it.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn is_decided(run: &RunState) -> bool {
    let decide = StepKind::Decide.to_string();
    run.steps.values().any(|step| step.seed.kind == decide && step.phase == StepPhase::Succeeded)
}

/// Removes what runs on the same targets have left in local folders.
async fn leftovers(world: &World) -> Result<Vec<String>, Failure> {
    let swept = world.swept().await?;
    Ok(swept.iter().map(|folder| folder.display().to_string()).collect())
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

/// What became of a run that was discarded.
pub(crate) struct Discarded {
    /// The places that held something.
    pub(crate) cleared: Vec<String>,
    /// Whether it had not ended, and is cancelled now.
    pub(crate) given_up: bool,
}

/// A run on an environment's own targets that has not ended is given up only by those who say so,
/// and never once its cutover is decided: then it goes forward or is rolled back.
fn may_be_discarded(run: &RunState, give_up: bool) -> Result<(), Failure> {
    let Some(info) = &run.info else { return Ok(()) };
    if info.mode == RunMode::Rehearse || matches!(run.phase, RunPhase::Finished(_)) {
        return Ok(());
    }
    let id = run.run;
    if is_decided(run) {
        let message = format!("run {id} has decided its cutover, so it cannot be given up");
        return Err(Failure::permanent(Code::Usage, message)
            .hint(format!("go forward with `coppice resume {id}`, then roll back if need be")));
    }
    if give_up {
        return Ok(());
    }
    let message = format!("run {id} is a {} that has not ended; nothing was changed", info.mode);
    Err(Failure::permanent(Code::Usage, message).hint(format!(
        "it can still be resumed with `coppice resume {id}`; to cancel it for good, say \
         `coppice discard {id} --give-up`"
    )))
}

/// Clears what a killed or kept run left; a run that is being driven is refused. A rehearsal's
/// scratch goes as a whole. Of a run on an environment's own targets only local leftovers go, and
/// one that has not ended is cancelled where `give_up` says so, else refused.
pub(crate) async fn discard(
    run: RunId,
    state: &Path,
    journal: Arc<dyn Journal>,
    redactor: Arc<Redactor>,
    give_up: bool,
) -> Result<Discarded, Failure> {
    let known = load(&*journal, run).await?;
    may_be_discarded(&known, give_up)?;
    let world = reopen(run, state, journal.clone(), redactor).await?;
    let rehearsed = world.places.scratch.is_some();
    let finished = matches!(known.phase, RunPhase::Finished(_));
    let holder = Holder::this_process(&crate::access::resolve_actor(None).principal);
    let lease = journal.claim(run, &world.target_names(), &holder).await?;
    let cleared = if rehearsed { clear(&world).await } else { leftovers(&world).await };
    // It takes with it what the run had spilled.
    world.close().await?;
    let cancelled = cleared.is_ok() && !finished;
    if cancelled {
        crate::engine::abandon(journal, lease).await?;
    } else {
        journal.release(&lease).await?;
    }
    Ok(Discarded { cleared: cleared?, given_up: cancelled })
}
