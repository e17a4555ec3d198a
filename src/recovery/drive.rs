//! Drives a prepared run, or one that was interrupted, to its end.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::select_all;
use tokio_util::sync::CancellationToken;

use super::actions::Actions;
use super::before_writing;
use super::request::Prepared;
use super::setting::Kept;
use super::withdrawn::same_list;
use super::world::World;
use super::{markers, private, receipts};
use crate::access::Redactor;
use crate::engine::{self, Engine};
use crate::journal::{Holder, Journal, Lease, Listener, RunPhase, RunState, load};
use crate::model::{Board, Code, Failure, Outcome, RunId, RunMode};
use crate::plan::RecoveryGraph;

/// How a run is watched and stopped.
pub(crate) struct Watch {
    /// Who wants to see events.
    pub(crate) listeners: Vec<Box<dyn Listener>>,
    /// Where the work says how far it is.
    pub(crate) board: Board,
    /// Asks the run to stop.
    pub(crate) cancel: CancellationToken,
    /// Whether to wait for approvals; else the process ends where nothing but one is missing.
    pub(crate) waits: bool,
    /// Keeps what is not public out of what leaves the process.
    pub(crate) redactor: Arc<Redactor>,
}

/// Starts a prepared run. Markers are judged before anything is written.
pub(crate) async fn execute(prepared: Prepared, watch: Watch) -> Result<RunState, Failure> {
    let Prepared { run, world, graph, actor, mut record, .. } = prepared;
    if let Err(failure) = Box::pin(make_ready(&world, &graph)).await {
        world.close().await?;
        return Err(failure);
    }
    hide_for(run, &world.state, &world.redactor)?;
    let journal = world.journal.clone();
    let kept = Kept { setting: world.setting.clone(), secret: Some(world.redactor.secret()) };
    let setting = serde_json::to_vec(&kept).map_err(|error| {
        Failure::permanent(Code::Internal, "failed to store the run's setting").because(&error)
    })?;
    record.setting = journal.put(Bytes::from(setting)).await?;
    let holder = Holder::this_process(&actor.principal);
    let lease = journal.claim(run, &world.target_names(), &holder).await?;
    under_locks(&world, lease, &holder, async |world, lease| {
        let engine = engine_of(world, watch).await;
        engine::run(engine, lease, record, &graph).await
    })
    .await
}

/// Judges markers and what stands in the way, before anything is written; marks scratch.
async fn make_ready(world: &World, graph: &RecoveryGraph) -> Result<(), Failure> {
    let rehearsal = world.setting.mode == RunMode::Rehearse;
    if !rehearsal {
        markers::check(world).await?;
    }
    before_writing::check(world, graph.snapshot.as_ref()).await?;
    if rehearsal {
        markers::refuse_others(world).await?;
        private::scratch(world)?;
        markers::put(world).await?;
    }
    Ok(())
}

/// Goes on with an interrupted run: the stored graph and setting, never new ones.
pub(crate) async fn resume(
    run: RunId,
    state: &Path,
    journal: Arc<dyn Journal>,
    watch: Watch,
) -> Result<RunState, Failure> {
    let world = Arc::new(reopen(run, state, journal.clone(), watch.redactor.clone()).await?);
    same_list(&world).await?;
    // Scratch was marked when the run began, and may be half cleared.
    let checked = match world.setting.mode {
        RunMode::Rehearse => markers::refuse_others(&world).await,
        _ => markers::check(&world).await,
    };
    if let Err(failure) = checked {
        world.close().await?;
        return Err(failure);
    }
    let holder = Holder::this_process(&crate::access::resolve_actor(None).principal);
    let lease = journal.claim(run, &world.target_names(), &holder).await?;
    under_locks(&world, lease, &holder, async |world, lease| {
        let engine = engine_of(world, watch).await;
        engine::resume(engine, lease).await
    })
    .await
}

/// Opens the targets of a run that is in the journal.
pub(crate) async fn reopen(
    run: RunId,
    state: &Path,
    journal: Arc<dyn Journal>,
    redactor: Arc<Redactor>,
) -> Result<World, Failure> {
    let Kept { setting, secret } = kept(run, &*journal).await?;
    redactor.show(setting.public());
    if let Some(secret) = secret {
        redactor.hide_under(&secret);
    }
    hide_for(run, state, &redactor)?;
    World::open(run, setting, state, journal, redactor).await
}

/// What a run in the journal was begun with.
pub(crate) async fn kept(run: RunId, journal: &dyn Journal) -> Result<Kept, Failure> {
    let known = load(journal, run).await?;
    let missing = || Failure::permanent(Code::Journal, format!("run {run} never started"));
    let info = known.info.ok_or_else(missing)?;
    let kept = journal.get(&info.request.setting).await?;
    serde_json::from_slice(&kept).map_err(|error| missing().because(&error))
}

/// From now on what the run hides can be looked up by its owner.
fn hide_for(run: RunId, state: &Path, redactor: &Redactor) -> Result<(), Failure> {
    let path = receipts::restricted_path(state, run);
    let way = format!("whoever may see the data: coppice receipt {run} --restricted");
    redactor.keep_for_run(&path, way).map_err(|error| {
        Failure::permanent(Code::StepFailed, format!("failed to write {}", path.display()))
            .because(&error)
            .hint("names that are not public are kept there for their owner alone")
    })
}

async fn engine_of(world: &Arc<World>, watch: Watch) -> Engine {
    stop_when_lost(world, watch.cancel.clone()).await;
    Engine {
        journal: world.journal.clone(),
        redact: world.redactor.clone(),
        bind: Arc::new(Actions(world.clone())),
        listeners: watch.listeners,
        board: watch.board,
        cancel: watch.cancel,
        waits: watch.waits,
    }
}

/// Holds the targets' locks while `work` runs, and lets them go however it ends.
async fn under_locks(
    world: &Arc<World>,
    lease: Lease,
    holder: &Holder,
    work: impl AsyncFnOnce(&Arc<World>, Lease) -> Result<RunState, Failure>,
) -> Result<RunState, Failure> {
    if let Err(failure) = world.lock(&holder.to_string(), lease.epoch).await {
        world.journal.release(&lease).await?;
        world.close().await?;
        return Err(failure);
    }
    let done = match private::prepare(world) {
        Ok(()) => work(world, lease).await,
        Err(failure) => {
            world.journal.release(&lease).await.map_err(Failure::from).and(Err(failure))
        }
    };
    let lost = world.lost_lock().await;
    let closed = world.close().await;
    let recovered = |done: &RunState| done.phase == RunPhase::Finished(Outcome::Recovered);
    // Whatever it came to without its targets, they are another run's: that is what matters now.
    if let Some(lost) = lost.filter(|_| !done.as_ref().is_ok_and(recovered)) {
        return Err(lost);
    }
    let state = done?;
    closed?;
    Ok(state)
}

/// A lock that another run took means that this one must write no more.
async fn stop_when_lost(world: &Arc<World>, cancel: CancellationToken) {
    let lost = world.lost_locks().await;
    if lost.is_empty() {
        return;
    }
    tokio::spawn(async move {
        let waits = lost.iter().map(|token| Box::pin(token.cancelled()));
        tokio::select! {
            _ = select_all(waits) => {
                tracing::error!("the lock of a target was lost to another run; stopping");
                cancel.cancel();
            }
            () = cancel.cancelled() => {}
        }
    });
}
