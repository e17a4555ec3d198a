//! `coppice runs`, `receipt` and `discard`.

use std::path::Path;

use serde::Serialize;

use super::args::Global;
use super::entry::state;
use super::exit::Exit;
use super::output::{self, Trouble};
use super::standing::Standing;
use super::state::{START, State};
use crate::journal::{Journal, RunPhase, RunState, RunSummary, load};
use crate::model::{Code, Failure, RunId, moment, size};
use crate::recovery;

#[derive(Serialize)]
struct Listed {
    run_id: RunId,
    mode: String,
    environment: String,
    outcome: Option<&'static str>,
    started_at: String,
    finished_at: Option<String>,
    /// What it left in scratch on this machine.
    scratch_bytes: Option<u64>,
}

impl Listed {
    fn of(run: &RunSummary, state: &Path) -> Self {
        let time = |at: chrono::DateTime<chrono::Utc>| {
            at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        };
        Self {
            run_id: run.run,
            mode: run.mode.to_string(),
            environment: run.environment.clone(),
            outcome: run.outcome.map(crate::model::Outcome::name),
            started_at: time(run.started_at),
            finished_at: run.finished_at.map(time),
            scratch_bytes: recovery::left_in_scratch(state, run.run),
        }
    }
}

/// `coppice runs`.
pub(super) async fn list(global: &Global) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let (mut runs, mut words) = (Vec::new(), Vec::new());
    if let Some(journal) = state.journal_if_any().await? {
        runs = journal.runs().await.map_err(Failure::from)?;
        for run in &runs {
            words.push(word(&*journal, run).await?);
        }
    }
    let listed: Vec<_> = runs.iter().map(|run| Listed::of(run, state.dir())).collect();
    output::result(global.format, &serde_json::json!({ "runs": listed }), || {
        let mut lines = if runs.is_empty() { none(&state) } else { table(&runs, &words) };
        lines.extend(listed.iter().filter_map(left));
        lines.join("\n")
    })?;
    Ok(Exit::Done)
}

/// How what a run left in scratch is cleared.
fn left(run: &Listed) -> Option<String> {
    let bytes = size(run.scratch_bytes?);
    Some(format!("{bytes} left in scratch; clear it: coppice discard {}", run.run_id))
}

fn none(state: &State) -> Vec<String> {
    vec![format!("no runs yet in {}", state.place()), format!("start with {START}")]
}

/// Where a run stands, in the word that `coppice status` has for it.
async fn word(journal: &dyn Journal, run: &RunSummary) -> Result<&'static str, Failure> {
    if let Some(outcome) = run.outcome {
        return Ok(outcome.name());
    }
    // One that cannot be read must not hide the others.
    let Ok(known) = load(journal, run.run).await else { return Ok("unreadable") };
    Ok(Standing::of(journal, &known, run.holder.is_some()).await?.word)
}

fn table(runs: &[RunSummary], words: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    for (run, word) in runs.iter().zip(words) {
        let started = moment(run.started_at);
        lines.push(format!("{started}  {word}: {} of {}", run.mode, run.environment));
        let open = run.outcome.is_none() && run.holder.is_none();
        let again = if open { "go on with: coppice resume" } else { "run" };
        lines.push(format!("  {again} {}", run.run));
    }
    lines
}

/// `coppice receipt`.
pub(super) async fn receipt(
    global: &Global,
    run: RunId,
    restricted: bool,
) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let Some(receipt) = recovery::stored_receipt(state.dir(), run)? else {
        let journal = state.journal_of(run).await?;
        // Says so when there is no such run at all.
        let known = load(&*journal, run).await.map_err(Failure::from)?;
        return Err(no_receipt(&known, state.shared().is_some()).into());
    };
    let mut shown = serde_json::to_value(&receipt).map_err(|error| {
        Failure::permanent(Code::Internal, "failed to write the receipt").because(&error)
    })?;
    if restricted {
        shown = recovery::unhash(shown, state.dir(), run)?;
    }
    output::plain(&format!("{shown:#}"))?;
    Ok(Exit::Done)
}

/// Why there is none here.
fn no_receipt(run: &RunState, shared: bool) -> Failure {
    let id = run.run;
    if shared && matches!(run.phase, RunPhase::Finished(_)) {
        let message = format!("the receipt of run {id} is not in this state directory");
        return Failure::permanent(Code::Usage, message).hint(
            "receipts stay under receipts/ of the state directory of the machine that ended the run",
        );
    }
    Failure::permanent(Code::Usage, format!("run {id} has no receipt yet"))
        .hint(format!("look at it with `coppice status {id}`"))
}

/// `coppice discard`.
pub(super) async fn discard(global: &Global, run: RunId, give_up: bool) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let journal = state.journal_of(run).await?;
    let redactor = global.redactor.clone();
    let done = recovery::discard(run, state.dir(), journal, redactor, give_up).await?;
    let document = serde_json::json!({
        "run_id": run,
        "cleared": done.cleared,
        "given_up": done.given_up,
    });
    output::result(global.format, &document, || {
        let mut text = match done.cleared.as_slice() {
            [] => format!("run {run} left nothing in scratch"),
            some => format!("cleared\n  {}", some.join("\n  ")),
        };
        if done.given_up {
            text.push_str("\nthe run is given up: it is cancelled, and cannot be resumed");
        }
        text
    })?;
    Ok(Exit::Done)
}
