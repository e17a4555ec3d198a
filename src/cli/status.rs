//! `coppice status`: where a run is, folded from its events.

use std::fmt::Write;

use serde_json::{Value, json};

use super::args::Global;
use super::entry::state;
use super::exit::Exit;
use super::output::{self, Trouble};
use super::standing::Standing;
use crate::journal::{RunPhase, RunState, StepPhase, StepState, load};
use crate::model::{Failure, RunId};
use crate::{recovery, report};

/// `coppice status`.
pub(super) async fn status(
    global: &Global,
    run: Option<RunId>,
    restricted: bool,
) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let journal = match run {
        Some(run) => state.journal_of(run).await?,
        None => state.journal_if_any().await?.ok_or_else(|| state.no_runs())?,
    };
    let runs = journal.runs().await.map_err(Failure::from)?;
    let Some(run) = run.or_else(|| runs.first().map(|run| run.run)) else {
        return Err(state.no_runs().into());
    };
    let folded = load(&*journal, run).await.map_err(Failure::from)?;
    let holder = runs.iter().find(|r| r.run == run).and_then(|r| r.holder.clone());
    let driven_by = holder.map(|holder| holder.to_string());
    let standing = Standing::of(&*journal, &folded, driven_by.is_some()).await?;
    let back = |shown: Value| {
        if restricted { recovery::unhash(shown, state.dir(), run) } else { Ok(shown) }
    };
    let told = back(Value::String(text(&folded, &standing, driven_by.as_deref())))?;
    let document = back(document(&folded, &standing, driven_by.as_deref()))?;
    output::result(global.format, &document, || told.as_str().unwrap_or_default().to_owned())?;
    Ok(Exit::Done)
}

/// As the last event says; whether somebody drives it stands beside.
fn phase(run: &RunState) -> &'static str {
    match run.phase {
        RunPhase::New => "new",
        RunPhase::Running => "running",
        RunPhase::Cancelling => "interrupted",
        RunPhase::Finished(outcome) => outcome.name(),
    }
}

fn document(run: &RunState, standing: &Standing, driven_by: Option<&str>) -> Value {
    let steps: Vec<_> = run
        .in_order()
        .map(|step| {
            json!({
                "id": step.seed.id,
                "state": step.phase.name(),
                "shards": step.shards.len(),
                "shards_done": step.shards_done(),
                "attempts": step.attempts(),
                "started_at": step.started_at,
                "finished_at": step.finished_at,
                "because": step.because,
                "failure": step.failure.as_ref().map(|failure| &failure.message),
            })
        })
        .collect();
    let info = run.info.as_deref();
    json!({
        "run_id": run.run,
        "audit_ref": run.run.audit_ref(),
        "mode": info.map(|info| info.mode),
        "environment": info.map(|info| &info.environment),
        "state": phase(run),
        "driven_by": driven_by,
        "waiting": standing.waits,
        "unknown_events": run.unknown,
        "steps": steps,
    })
}

fn text(run: &RunState, standing: &Standing, driven_by: Option<&str>) -> String {
    let mut text = format!("run {}  {}", run.run, standing.word);
    if let Some(info) = &run.info {
        let _ = write!(text, "  ({} of {})", info.mode, info.environment);
    }
    text.push('\n');
    match (driven_by, run.phase) {
        (Some(holder), _) => {
            let _ = writeln!(text, "driven by {holder}");
        }
        (None, RunPhase::Finished(_)) => {}
        (None, _) => {
            let _ = writeln!(text, "nobody drives it; go on with: coppice resume {}", run.run);
        }
    }
    for wait in &standing.waits {
        let _ = writeln!(text, "{}", report::waiting(wait));
    }
    let _ = writeln!(text, "{}", counts(run));
    // What went well and what is still to come is counted; what asks for a look is listed.
    let told = |step: &&StepState| !matches!(step.phase, StepPhase::Succeeded | StepPhase::Pending);
    let mut steps: Vec<_> = run.in_order().filter(told).collect();
    steps.sort_by_key(|step| ORDER.iter().position(|phase| *phase == step.phase));
    for step in steps {
        let detail = match (&step.failure, &step.because) {
            (Some(failure), _) => failure.message.clone(),
            (None, Some(because)) => format!("because of {because}"),
            (None, None) if step.phase == StepPhase::Running && step.shards.len() > 1 => {
                format!("{} of {} shards", step.shards_done(), step.shards.len())
            }
            _ => String::new(),
        };
        let _ = writeln!(text, "  {:9}  {}  {detail}", step.phase.name(), step.seed.id);
    }
    text
}

/// The phases, what asks for a look first.
const ORDER: [StepPhase; 7] = [
    StepPhase::Failed,
    StepPhase::Running,
    StepPhase::Skipped,
    StepPhase::Cancelled,
    StepPhase::Blocked,
    StepPhase::Pending,
    StepPhase::Succeeded,
];

fn counts(run: &RunState) -> String {
    let of = |phase| run.steps.values().filter(|step| step.phase == phase).count();
    let counted = ORDER.map(|phase| (of(phase), phase.name()));
    let parts = counted.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts.map(|(count, name)| format!("{count} {name}")).collect();
    let all = report::counted(run.steps.len() as u64, "step");
    format!("{all}: {}; --format json lists each", parts.join(", "))
}
