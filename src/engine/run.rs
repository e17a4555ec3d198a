use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::blobs::JournalBlobs;
use super::check::check;
use super::dispatcher::Dispatcher;
use super::drive::Drive;
use super::executor::InProcess;
use super::{Bind, reopen, seed};
use crate::digest::canonical_json;
use crate::journal::{EventKind, Journal, Lease, Listener, RunPhase, RunRequest, RunState, load};
use crate::model::{Board, Code, Failure, Outcome, Redact};
use crate::plan::RecoveryGraph;

/// What the engine works with.
pub(crate) struct Engine {
    /// Where the run is recorded.
    pub(crate) journal: Arc<dyn Journal>,
    /// Finds the action of each step.
    pub(crate) bind: Arc<dyn Bind>,
    /// Who wants to see events.
    pub(crate) listeners: Vec<Box<dyn Listener>>,
    /// Where the work says how far it is.
    pub(crate) board: Board,
    /// Keeps what is not public out of events.
    pub(crate) redact: Arc<dyn Redact>,
    /// Asks the run to stop.
    pub(crate) cancel: CancellationToken,
    /// Whether to wait for approvals; else the process ends where nothing but one is missing.
    pub(crate) waits: bool,
}

/// Starts a run under a lease that was just claimed, and drives it to its end; the lease is given
/// back. A run that was asked to stop comes back as `RunPhase::Cancelling`: what was in flight
/// came to rest, no receipt was written and nothing cleaned up, because `resume` goes on there.
pub(crate) async fn run(
    engine: Engine,
    lease: Lease,
    request: RunRequest,
    graph: &RecoveryGraph,
) -> Result<RunState, Failure> {
    let (journal, given) = (Arc::clone(&engine.journal), lease.clone());
    let done = begin(engine, lease, request, graph).await;
    give_back(journal.as_ref(), &given).await;
    done
}

/// Goes on with a run under a lease that was just claimed: the stored graph, never a new one.
/// Acknowledged shards are not done again; those that were in flight are.
pub(crate) async fn resume(engine: Engine, lease: Lease) -> Result<RunState, Failure> {
    let (journal, given) = (Arc::clone(&engine.journal), lease.clone());
    let done = go_on(engine, lease).await;
    give_back(journal.as_ref(), &given).await;
    done
}

/// Ends an interrupted run for good: what has not ended is cancelled. The lease is given back.
pub(crate) async fn abandon(journal: Arc<dyn Journal>, lease: Lease) -> Result<RunState, Failure> {
    let given = lease.clone();
    let done = cancel_all(Arc::clone(&journal), lease).await;
    give_back(journal.as_ref(), &given).await;
    done
}

async fn begin(
    engine: Engine,
    lease: Lease,
    request: RunRequest,
    graph: &RecoveryGraph,
) -> Result<RunState, Failure> {
    check(graph)?;
    let bytes = canonical_json(graph).map_err(|error| {
        Failure::permanent(Code::Internal, "failed to store the graph").because(&error)
    })?;
    let name = engine.journal.put(Bytes::from(bytes)).await?;
    let info = seed::info(graph, name, request, lease.targets.clone());
    let state = RunState::new(lease.run);
    drive(engine, lease, state, graph, vec![EventKind::RunStarted(Box::new(info))]).await
}

async fn go_on(engine: Engine, lease: Lease) -> Result<RunState, Failure> {
    let state = readable(engine.journal.as_ref(), &lease).await?;
    if state.phase != RunPhase::Finished(Outcome::Halted) {
        refuse_finished(&state)?;
    }
    let graph = stored_graph(engine.journal.as_ref(), &state).await?;
    check(&graph)?;
    let mut first = vec![EventKind::RunResumed { holder: lease.holder.clone() }];
    if matches!(state.phase, RunPhase::Finished(_)) {
        let again = reopen::steps(&graph, &state)?;
        first.extend(again.into_iter().map(|step| EventKind::StepReopened { step }));
    }
    drive(engine, lease, state, &graph, first).await
}

async fn cancel_all(journal: Arc<dyn Journal>, lease: Lease) -> Result<RunState, Failure> {
    let state = readable(journal.as_ref(), &lease).await?;
    refuse_finished(&state)?;
    let holder = lease.holder.clone();
    let open: Vec<_> = state.steps.iter().filter(|(_, step)| !step.phase.is_ended()).collect();
    let open: Vec<_> = open.into_iter().map(|(id, _)| id.clone()).collect();
    let mut dispatcher = Dispatcher::new(journal, lease, state, Vec::new());
    dispatcher.stage(EventKind::RunResumed { holder })?;
    for step in open {
        dispatcher.stage(EventKind::StepCancelled { step })?;
    }
    dispatcher.stage(EventKind::RunFinished { outcome: Outcome::Cancelled })?;
    dispatcher.commit().await?;
    Ok(dispatcher.into_state())
}

async fn drive(
    engine: Engine,
    lease: Lease,
    state: RunState,
    graph: &RecoveryGraph,
    first: Vec<EventKind>,
) -> Result<RunState, Failure> {
    let Engine { journal, bind, listeners, board, redact, cancel, waits } = engine;
    let blobs = Arc::new(JournalBlobs(Arc::clone(&journal)));
    let executor = Arc::new(InProcess::new(bind, graph, board, blobs, redact));
    let mut dispatcher = Dispatcher::new(Arc::clone(&journal), lease, state, listeners);
    for event in first {
        dispatcher.stage(event)?;
    }
    Drive::new(journal, dispatcher, executor, graph, cancel, waits).finish().await
}

async fn readable(journal: &dyn Journal, lease: &Lease) -> Result<RunState, Failure> {
    let state = load(journal, lease.run).await?;
    if !state.unknown.is_empty() {
        let kinds = state.unknown.join(", ");
        let message = format!("run {} holds events of a later version: {kinds}", state.run);
        return Err(Failure::permanent(Code::Journal, message)
            .hint("resume it with the coppice that started it"));
    }
    Ok(state)
}

fn refuse_finished(state: &RunState) -> Result<(), Failure> {
    if let RunPhase::Finished(outcome) = state.phase {
        let message = format!("run {} has ended: {}", state.run, outcome.name());
        return Err(Failure::permanent(Code::Usage, message)
            .hint("start a new run: what is proven already is not done again"));
    }
    Ok(())
}

/// Reads the graph that a run was started with.
pub(crate) async fn stored_graph(
    journal: &dyn Journal,
    state: &RunState,
) -> Result<RecoveryGraph, Failure> {
    let Some(info) = &state.info else {
        return Err(Failure::permanent(Code::Journal, format!("run {} never started", state.run)));
    };
    let bytes = journal.get(&info.graph).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("failed to read the graph of run {}", state.run);
        Failure::permanent(Code::Journal, message).because(&error)
    })
}

async fn give_back(journal: &dyn Journal, lease: &Lease) {
    if let Err(error) = journal.release(lease).await {
        // It runs out by itself, and at once when this process is gone.
        tracing::warn!(%error, "the lease was not given back");
    }
}
