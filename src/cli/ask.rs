//! `coppice pause`, `continue`, `retry`, `skip` and `approve`: what is asked of a run by another
//! process than the one that drives it.

use std::time::Duration;

use chrono::Utc;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::args::Global;
use super::ask_args::{OfRun, OfStep, WhoAndWhy};
use super::entry::state;
use super::exit::Exit;
use super::near::near;
use super::output::{self, Trouble};
use crate::access::resolve_actor;
use crate::engine::{settle, stored_graph};
use crate::journal::{Answer, AskKind, Journal, NewRequest, Request, RunPhase, RunState, load};
use crate::model::{Code, Failure, RunId, StepId};

/// How long an answer is waited for; the driving process looks twice a second.
const PATIENCE: Duration = Duration::from_secs(15);

/// What became of a request.
enum Heard {
    Done,
    /// Nobody answered yet; `driven` says whether anybody could have.
    Kept {
        driven: bool,
    },
}

/// `coppice pause` and `coppice continue`.
pub(super) async fn of_run(global: &Global, kind: AskKind, args: &OfRun) -> Result<Exit, Trouble> {
    ask(global, args.run, kind, None, &args.who).await
}

/// `coppice retry`, `coppice skip` and `coppice approve`.
pub(super) async fn of_step(
    global: &Global,
    kind: AskKind,
    args: &OfStep,
) -> Result<Exit, Trouble> {
    ask(global, args.run, kind, Some(args.step.clone()), &args.who).await
}

async fn ask(
    global: &Global,
    run: RunId,
    kind: AskKind,
    step: Option<StepId>,
    who: &WhoAndWhy,
) -> Result<Exit, Trouble> {
    if who.reason.trim().is_empty() {
        return Err(Failure::permanent(Code::Usage, "no reason was given")
            .hint("say why with --reason TEXT; it goes into the journal and the receipt")
            .into());
    }
    let state = state(global)?;
    let journal = state.journal_of(run).await?;
    let known = load(&*journal, run).await.map_err(Failure::from)?;
    let actor = resolve_actor(who.actor.as_deref());
    let asked = NewRequest { kind, step, actor, reason: who.reason.clone() };
    judge_early(&*journal, &known, &asked).await?;
    let seq = journal.ask(run, &asked).await.map_err(Failure::from)?;
    let heard = hear(&*journal, run, kind, seq).await?;
    let (kept, words) = match &heard {
        Heard::Done => ("done", done(&asked, run)),
        Heard::Kept { driven: true } => {
            ("kept", format!("no answer yet; the request is kept: look with coppice status {run}"))
        }
        Heard::Kept { driven: false } => (
            "kept",
            format!(
                "nobody drives the run; the request is kept, and honoured by: coppice resume {run}"
            ),
        ),
    };
    let document = json!({
        "run_id": run,
        "request": seq,
        "kind": kind,
        "step": asked.step,
        "state": kept,
    });
    output::result(global.format, &document, || words)?;
    Ok(Exit::Done)
}

/// Refuses what no later event could make right, before anything is written.
async fn judge_early(
    journal: &dyn Journal,
    known: &RunState,
    asked: &NewRequest,
) -> Result<(), Failure> {
    if let RunPhase::Finished(outcome) = known.phase {
        return Err(refused(
            known.run,
            asked.kind,
            &format!("the run has ended: {}", outcome.name()),
        ));
    }
    if let Some(step) = asked.step.as_ref().filter(|step| !known.steps.contains_key(step)) {
        let failure = refused(known.run, asked.kind, &format!("there is no step {step}"));
        let meant = near(step.as_str(), known.steps.keys().map(StepId::as_str));
        return Err(match meant {
            Some(meant) => failure.hint(format!("nothing was changed; {meant}")),
            None => failure,
        });
    }
    let driven = holder(journal, known.run).await?.is_some();
    if driven || !journal.requests(known.run).await?.is_empty() {
        return Ok(());
    }
    // Nothing changes until somebody resumes it, and what was in flight is then done again.
    let graph = stored_graph(journal, known).await?;
    let mut resumed = known.clone();
    resumed.phase = RunPhase::Running;
    let request = Request { seq: 0, at: Utc::now(), asked: asked.clone() };
    settle(&graph, &resumed, &request).map(drop).map_err(|why| refused(known.run, asked.kind, &why))
}

async fn holder(journal: &dyn Journal, run: RunId) -> Result<Option<String>, Failure> {
    let runs = journal.runs().await?;
    let holder = runs.into_iter().find(|line| line.run == run).and_then(|line| line.holder);
    Ok(holder.map(|holder| holder.to_string()))
}

/// Waits for the answer of the process that drives the run.
async fn hear(
    journal: &dyn Journal,
    run: RunId,
    kind: AskKind,
    seq: u64,
) -> Result<Heard, Failure> {
    let until = Instant::now() + PATIENCE;
    loop {
        // Before the answer is looked for: the process may answer and end in between.
        let driven = holder(journal, run).await?.is_some();
        let ended = matches!(load(journal, run).await?.phase, RunPhase::Finished(_));
        match journal.answer(run, seq).await? {
            Some(Answer { refused: None, .. }) => return Ok(Heard::Done),
            Some(Answer { refused: Some(why), .. }) => return Err(refused(run, kind, &why)),
            None if ended => return Err(refused(run, kind, "the run ended before it heard of it")),
            None if !driven => return Ok(Heard::Kept { driven }),
            None if Instant::now() >= until => return Ok(Heard::Kept { driven }),
            None => sleep(Duration::from_millis(150)).await,
        }
    }
}

fn refused(run: RunId, kind: AskKind, why: &str) -> Failure {
    Failure::permanent(Code::Usage, format!("{} of run {run} was refused: {why}", kind.name()))
        .hint(format!("nothing was changed; look with `coppice status {run}`"))
}

fn done(asked: &NewRequest, run: RunId) -> String {
    let step = asked.step.as_ref().map(ToString::to_string).unwrap_or_default();
    match asked.kind {
        AskKind::Pause => format!(
            "paused: what is in flight ends, nothing more starts\n\
             go on with: coppice continue {run} --reason TEXT"
        ),
        AskKind::Continue => "the run goes on".to_owned(),
        AskKind::Retry => format!("{step} is tried again, with all that it held back"),
        AskKind::Skip => {
            format!(
                "{step} is skipped for good: what needs it is blocked, the outcome at best partial"
            )
        }
        AskKind::Approve => format!("{step} is approved"),
    }
}
