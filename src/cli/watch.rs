//! `coppice status RUN --watch`: a run as its own terminal shows it, seen from a second one.

use std::time::Duration;

use futures::TryStreamExt;
use tokio::time::sleep;

use super::args::Global;
use super::entry::state;
use super::exit::Exit;
use super::output::{self, Trouble};
use super::standing::Standing;
use super::state::State;
use super::{reports, run};
use crate::journal::{Journal, Listener, RunPhase, RunState};
use crate::model::{Failure, Outcome, RunId};
use crate::recovery;

/// How often the journal is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// `coppice status --watch`.
pub(super) async fn watch(global: &Global, run: Option<RunId>) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let journal = match run {
        Some(run) => state.journal_of(run).await?,
        None => state.journal_if_any().await?.ok_or_else(|| state.no_runs())?,
    };
    let newest = || async { Ok::<_, Failure>(journal.runs().await?.first().map(|line| line.run)) };
    let run = match run {
        Some(run) => Some(run),
        None => newest().await?,
    };
    let Some(run) = run else { return Err(state.no_runs().into()) };
    let (mut listeners, _board) = reports::listeners(global, false);
    let mut seen = RunState::new(run);
    loop {
        // Before the events: what the process wrote last is read after it is gone.
        let driven = driven(&*journal, run).await?;
        follow(&*journal, &mut seen, &mut listeners).await?;
        if matches!(seen.phase, RunPhase::Finished(_)) || !driven {
            drop(listeners);
            let standing = Standing::of(&*journal, &seen, driven).await?;
            return conclude(global, &state, &seen, &standing);
        }
        sleep(EVERY).await;
    }
}

async fn driven(journal: &dyn Journal, run: RunId) -> Result<bool, Failure> {
    let runs = journal.runs().await?;
    Ok(runs.iter().any(|line| line.run == run && line.holder.is_some()))
}

/// Shows what happened since the last look.
async fn follow(
    journal: &dyn Journal,
    seen: &mut RunState,
    listeners: &mut Vec<Box<dyn Listener>>,
) -> Result<(), Failure> {
    let mut events = journal.replay_after(seen.run, seen.last_seq);
    while let Some(event) = events.try_next().await? {
        seen.apply(&event).map_err(crate::journal::JournalError::from)?;
        listeners.retain_mut(|listener| listener.on_event(&event, seen).is_ok());
    }
    if seen.last_seq == 0 {
        return Err(crate::journal::JournalError::NoSuchRun { run: seen.run }.into());
    }
    Ok(())
}

/// The exit code of the run, and where it stands if it has not ended.
fn conclude(
    global: &Global,
    state: &State,
    seen: &RunState,
    standing: &Standing,
) -> Result<Exit, Trouble> {
    let waiting = &standing.waits;
    let approval = waiting.iter().any(|wait| wait.kind == "approval");
    let (name, exit) = match seen.phase {
        RunPhase::Finished(outcome) => {
            let receipt = recovery::stored_receipt(state.dir(), seen.run)?;
            let exit = receipt.map_or(of_outcome(outcome), |receipt| run::exit_of(&receipt));
            (outcome.name(), exit)
        }
        RunPhase::Running if approval && seen.paused.is_none() => ("waiting", Exit::Waiting),
        _ => ("interrupted", Exit::Interrupted),
    };
    let document = serde_json::json!({ "run_id": seen.run, "state": name, "waiting": waiting });
    output::result(global.format, &document, || {
        let mut lines = vec![format!("run {}  {}", seen.run, standing.word)];
        lines.extend(waiting.iter().map(|wait| format!("  {}\n    {}", wait.what, wait.unblock)));
        if !matches!(seen.phase, RunPhase::Finished(_)) {
            lines.push(format!("nobody drives it; go on with: coppice resume {}", seen.run));
        }
        lines.join("\n")
    })?;
    Ok(exit)
}

/// What the end of a run without a receipt means to a script.
fn of_outcome(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Recovered => Exit::Done,
        Outcome::Cancelled => Exit::Interrupted,
        Outcome::Partial | Outcome::Halted => Exit::Found,
    }
}
