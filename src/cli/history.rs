//! `coppice history`: past rehearsals and restores, and how the time of each step moves.

use super::args::Global;
use super::entry::state;
use super::exit::Exit;
use super::output::{self, Trouble};
use super::report_args::HistoryArgs;
use super::state::START;
use crate::journal::RunSummary;
use crate::model::{Failure, RunMode};
use crate::receipt::Receipt;
use crate::recovery;
use crate::report::{self, Past};

/// `coppice history`.
pub(super) async fn run(global: &Global, args: &HistoryArgs) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let mut runs = match state.journal_if_any().await? {
        Some(journal) => journal.runs().await.map_err(Failure::from)?,
        None => Vec::new(),
    };
    runs.retain(|run| asked_for(args, run));
    runs.truncate(args.limit);
    let (mut past, mut receipts) = (Vec::new(), Vec::new());
    for run in &runs {
        let receipt = recovery::stored_receipt(state.dir(), run.run)?;
        let signed = recovery::signed_off(state.dir(), run.run)?;
        past.push(line(run, receipt.as_ref(), signed.map(|signed| signed.by)));
        receipts.extend(receipt);
    }
    let trends = report::trends(&receipts);
    let document = serde_json::json!({ "runs": past, "steps": trends });
    output::result(global.format, &document, || match past.as_slice() {
        [] => format!("no such runs yet in {}\nstart with {START}", state.place()),
        some => report::history(some, &trends),
    })?;
    Ok(Exit::Done)
}

fn asked_for(args: &HistoryArgs, run: &RunSummary) -> bool {
    let mode = match args.mode {
        Some(mode) => run.mode == mode,
        None => matches!(run.mode, RunMode::Rehearse | RunMode::Restore),
    };
    mode && args.env.as_ref().is_none_or(|env| *env == run.environment)
}

fn line(run: &RunSummary, receipt: Option<&Receipt>, sign_off: Option<String>) -> Past {
    let of = receipt.map(|receipt| &receipt.predicate);
    let objectives = of.map(|of| &of.objectives);
    Past {
        run_id: run.run,
        mode: run.mode,
        environment: run.environment.clone(),
        started_at: run.started_at,
        finished_at: run.finished_at,
        outcome: run.outcome,
        rto_actual_seconds: objectives.and_then(|of| of.rto_actual_seconds),
        rto_target_seconds: objectives.and_then(|of| of.rto_target_seconds),
        rpo_actual_seconds: objectives.and_then(|of| of.rpo_actual_seconds),
        rpo_target_seconds: objectives.and_then(|of| of.rpo_target_seconds),
        rows: of.map_or(0, |of| of.projections.iter().filter_map(|line| line.rows).sum()),
        sign_off,
    }
}
