//! Where a run stands, as people are told: a word, and what it waits for.

use super::output;
use crate::journal::{AskKind, Journal, Request, RunPhase, RunState, Wait, load, waits};
use crate::model::{Failure, RunId};
use crate::report;

/// Where a run stands.
pub(super) struct Standing {
    /// In a word, the same wherever it is shown.
    pub(super) word: &'static str,
    /// What it waits for, what holds up most first.
    pub(super) waits: Vec<Wait>,
}

impl Standing {
    /// `driven` says whether a process drives the run.
    pub(super) async fn of(
        journal: &dyn Journal,
        run: &RunState,
        driven: bool,
    ) -> Result<Self, Failure> {
        let ended = matches!(run.phase, RunPhase::Finished(_));
        let kept = if driven || ended { Vec::new() } else { journal.requests(run.run).await? };
        Ok(Self::folded(run, driven, &kept))
    }

    /// `kept` are the requests that nobody has answered yet.
    fn folded(run: &RunState, driven: bool, kept: &[Request]) -> Self {
        let mut waits = waits(run);
        if !driven {
            // A resume tries all of them at once.
            waits.retain(|wait| wait.kind != "retry");
            for wait in &mut waits {
                answered(wait, run.run, kept);
            }
        }
        Self { word: word(run, driven, &waits), waits }
    }
}

/// A paused run that is resumed starts nothing: says what it waits for.
pub(super) async fn tell_of_pause(journal: &dyn Journal, run: RunId) -> Result<(), Failure> {
    let known = load(journal, run).await?;
    let standing = Standing::of(journal, &known, false).await?;
    if let Some(pause) = standing.waits.iter().find(|wait| wait.kind == "pause") {
        output::note(&report::fit(&format!("{}; go on with: {}", pause.what, pause.unblock)));
    }
    Ok(())
}

fn word(run: &RunState, driven: bool, waits: &[Wait]) -> &'static str {
    let waits_for = |kind| waits.iter().any(|wait| wait.kind == kind);
    match run.phase {
        RunPhase::Finished(outcome) => outcome.name(),
        RunPhase::Cancelling if driven => "stopping",
        _ if waits_for("pause") => "paused",
        _ if driven => "running",
        RunPhase::Running if waits_for("approval") => "waiting",
        _ => "interrupted",
    }
}

/// What was asked while nobody drives the run is kept: all that is missing is that it goes on.
fn answered(wait: &mut Wait, run: RunId, kept: &[Request]) {
    let answer = match wait.kind {
        "approval" => AskKind::Approve,
        "pause" => AskKind::Continue,
        _ => return,
    };
    let fits = |one: &&Request| one.asked.kind == answer && one.asked.step == wait.step;
    let Some(given) = kept.iter().rev().find(fits) else { return };
    let by = &given.asked.actor.principal;
    wait.what = match &wait.step {
        Some(step) => format!("{step} was approved by {by}, and goes on with the run"),
        None => format!("the pause was ended by {by}, once the run goes on"),
    };
    wait.kind = "resume";
    wait.since = given.at;
    wait.unblock = format!("coppice resume {run}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::samples::{ask, events, fold, info, time};
    use crate::journal::{EventKind, NewRequest};
    use crate::model::{ApprovedBy, StepId};

    const RUN: &str = "01900000-0000-7000-8000-000000000001";

    fn step() -> StepId {
        "cutover/decide".parse().unwrap()
    }

    /// A run of one step that is approved by another than who started it, and what follows.
    fn run(more: impl IntoIterator<Item = EventKind>) -> RunState {
        let mut info = info(&[("cutover/decide", "decide", 1)]);
        info.steps[0].approve = Some(ApprovedBy::Other);
        let first = [EventKind::RunStarted(Box::new(info))];
        fold(RUN.parse().unwrap(), &events(first.into_iter().chain(more)))
    }

    fn request(kind: AskKind, step: Option<StepId>) -> Request {
        let asked = NewRequest { kind, step, actor: ask("lee").actor, reason: "checked".into() };
        Request { seq: 1, at: time(60), asked }
    }

    fn word_of(run: &RunState, driven: bool) -> &'static str {
        Standing::folded(run, driven, &[]).word
    }

    #[test]
    fn a_run_is_called_the_same_wherever_it_is_shown() {
        let begun = run([]);
        assert_eq!((word_of(&begun, true), word_of(&begun, false)), ("running", "interrupted"));
        let stopped = run([EventKind::CancelRequested {}]);
        assert_eq!(
            (word_of(&stopped, true), word_of(&stopped, false)),
            ("stopping", "interrupted")
        );
        let waits = run([EventKind::ApprovalAwaited { step: step() }]);
        assert_eq!((word_of(&waits, true), word_of(&waits, false)), ("running", "waiting"));
        let paused = run([EventKind::RunPaused { ask: ask("lee") }]);
        assert_eq!((word_of(&paused, true), word_of(&paused, false)), ("paused", "paused"));
    }

    #[test]
    fn an_approval_that_is_kept_is_told_as_given() {
        let run = run([EventKind::ApprovalAwaited { step: step() }]);
        let standing = Standing::folded(&run, false, &[request(AskKind::Approve, Some(step()))]);
        assert_eq!(standing.word, "interrupted");
        let wait = &standing.waits[0];
        assert_eq!(wait.what, "cutover/decide was approved by lee, and goes on with the run");
        assert_eq!((wait.kind, wait.since), ("resume", time(60)));
        assert_eq!(wait.unblock, format!("coppice resume {RUN}"));
    }

    #[test]
    fn a_pause_that_is_ended_waits_for_nothing_but_the_run() {
        let run = run([EventKind::RunPaused { ask: ask("kim") }]);
        let standing = Standing::folded(&run, false, &[request(AskKind::Continue, None)]);
        assert_eq!((standing.word, standing.waits[0].kind), ("interrupted", "resume"));
    }
}
