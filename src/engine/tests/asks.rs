//! What others ask of a run while it goes on.

use std::time::Duration;

use futures::TryStreamExt as _;

use super::*;
use crate::engine::samples::graph;
use crate::engine::{resume, run};
use crate::journal::faults::{Dies, FaultyJournal};
use crate::journal::{AskKind, Event, EventKind, NewRequest, RunPhase, StepPhase, load, waits};
use crate::model::{Actor, ApprovedBy, Outcome};
use crate::plan::RecoveryGraph;

fn asked(kind: AskKind, step: Option<&str>, who: &str) -> NewRequest {
    let actor = Actor { principal: who.into(), source: "given".into() };
    let step = step.map(|step| step.parse().unwrap());
    NewRequest { kind, step, actor, reason: "because".into() }
}

/// Asks, and waits for the answer.
async fn ask(journal: &Arc<dyn Journal>, run: RunId, request: NewRequest) -> Option<String> {
    let seq = journal.ask(run, &request).await.unwrap();
    loop {
        if let Some(answer) = journal.answer(run, seq).await.unwrap() {
            return answer.refused;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn until(
    journal: &Arc<dyn Journal>,
    run: RunId,
    what: impl Fn(&RunState) -> bool,
) -> RunState {
    loop {
        if let Ok(state) = load(journal.as_ref(), run).await
            && what(&state)
        {
            return state;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn phase(state: &RunState, step: &str) -> StepPhase {
    state.steps[&step.parse().unwrap()].phase
}

/// `decide` waits for approval once all else came to an end.
fn cutover() -> RecoveryGraph {
    let mut graph = graph(&[
        ("bad", 1, &[]),
        ("child", 1, &["bad"]),
        ("decide", 1, &["~child", "~bad"]),
        ("receipt", 1, &["~decide"]),
    ]);
    graph.limits.attempts = 1;
    graph.approvals.insert("decide".parse().unwrap(), ApprovedBy::Other);
    graph
}

struct Going {
    journal: Arc<dyn Journal>,
    run: RunId,
    toy: Arc<Toy>,
    ends: tokio::task::JoinHandle<Result<RunState, Failure>>,
    _dir: tempfile::TempDir,
}

/// Starts a run, with what was asked before its first step.
async fn going(graph: RecoveryGraph, toy: Arc<Toy>, before: &[NewRequest]) -> Going {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir).await;
    let lease = claim(&journal, RunId::now()).await;
    let run_id = lease.run;
    for request in before {
        journal.ask(run_id, request).await.unwrap();
    }
    let engine = engine(&journal, &toy);
    let ends = tokio::spawn(async move { run(engine, lease, samples::request(), &graph).await });
    Going { journal, run: run_id, toy, ends, _dir: dir }
}

#[tokio::test]
async fn a_paused_run_starts_nothing_until_it_is_continued() {
    let pause = asked(AskKind::Pause, None, "kim");
    let going = going(graph(&[("a", 2, &[]), ("b", 1, &["a"])]), Toy::that(&[]), &[pause]).await;
    let (journal, run) = (&going.journal, going.run);
    let paused = until(journal, run, |state| state.paused.is_some()).await;
    let waits = waits(&paused);
    assert_eq!((waits.len(), waits[0].kind), (1, "pause"));
    assert_eq!(waits[0].unblock, format!("coppice continue {run} --reason TEXT"));
    let twice = ask(journal, run, asked(AskKind::Pause, None, "lee")).await.unwrap();
    assert!(twice.contains("paused already, by kim"), "{twice}");
    assert_eq!(going.toy.executed(), Vec::new(), "something started in a paused run");
    assert_eq!(ask(journal, run, asked(AskKind::Continue, None, "lee")).await, None);
    let state = going.ends.await.unwrap().unwrap();
    assert_eq!(state.phase, RunPhase::Finished(Outcome::Recovered));
    let asked: Vec<_> = state.asked.iter().map(|a| (a.kind.name(), a.ask.request)).collect();
    assert_eq!(asked, [("pause", 1), ("continue", 3)]);
    assert_eq!(load(journal.as_ref(), run).await.unwrap(), state);
}

#[tokio::test]
async fn a_failed_step_is_retried_with_what_it_held_back_and_approved_by_another() {
    let going = going(cutover(), Toy::that(&[("bad", Does::PassAt(2))]), &[]).await;
    let (journal, run) = (&going.journal, going.run);
    let waiting = until(journal, run, |state| !waits(state).is_empty()).await;
    assert_eq!((phase(&waiting, "bad"), phase(&waiting, "child")), {
        (StepPhase::Failed, StepPhase::Blocked)
    });
    let blocked = ask(journal, run, asked(AskKind::Retry, Some("child"), "lee")).await.unwrap();
    assert!(blocked.contains("retry bad"), "{blocked}");
    assert_eq!(ask(journal, run, asked(AskKind::Retry, Some("bad"), "lee")).await, None);
    until(journal, run, |state| {
        phase(state, "child") == StepPhase::Succeeded && !waits(state).is_empty()
    })
    .await;
    let own = ask(journal, run, asked(AskKind::Approve, Some("decide"), "kim")).await.unwrap();
    assert!(own.contains("kim started the run"), "{own}");
    let none = ask(journal, run, asked(AskKind::Approve, Some("receipt"), "lee")).await.unwrap();
    assert!(none.contains("needs no approval"), "{none}");
    assert_eq!(ask(journal, run, asked(AskKind::Approve, Some("decide"), "lee")).await, None);
    let state = going.ends.await.unwrap().unwrap();
    assert_eq!(state.phase, RunPhase::Finished(Outcome::Recovered));
    assert_eq!(going.toy.times("bad"), 2);
}

#[tokio::test]
async fn a_skipped_step_blocks_what_needs_it_and_some_are_never_skipped() {
    let going = going(cutover(), Toy::that(&[("bad", Does::Fail)]), &[]).await;
    let (journal, run) = (&going.journal, going.run);
    until(journal, run, |state| !waits(state).is_empty()).await;
    assert_eq!(ask(journal, run, asked(AskKind::Skip, Some("bad"), "lee")).await, None);
    for (step, why) in [("decide", "nothing goes live"), ("child", "blocked already")] {
        let refused = ask(journal, run, asked(AskKind::Skip, Some(step), "lee")).await.unwrap();
        assert!(refused.contains(why), "{refused}");
    }
    let late = ask(journal, run, asked(AskKind::Retry, Some("bad"), "lee")).await.unwrap();
    assert!(late.contains("skipped"), "{late}");
    assert_eq!(ask(journal, run, asked(AskKind::Approve, Some("decide"), "lee")).await, None);
    let state = going.ends.await.unwrap().unwrap();
    assert_eq!(state.phase, RunPhase::Finished(Outcome::Partial));
    assert_eq!((phase(&state, "bad"), phase(&state, "child")), {
        (StepPhase::Skipped, StepPhase::Blocked)
    });
}

#[tokio::test]
async fn a_step_that_waits_for_its_next_try_is_tried_at_once() {
    let mut graph = graph(&[("slow", 1, &[])]);
    graph.limits.attempts = 2;
    let going = going(graph, Toy::that(&[("slow", Does::Later)]), &[]).await;
    let (journal, run) = (&going.journal, going.run);
    let waiting = until(journal, run, |state| !waits(state).is_empty()).await;
    assert_eq!((waits(&waiting)[0].kind, waits(&waiting)[0].until.is_some()), ("retry", true));
    // It would be tried again in a quarter of an hour.
    assert_eq!(ask(journal, run, asked(AskKind::Retry, Some("slow"), "lee")).await, None);
    let state = going.ends.await.unwrap().unwrap();
    assert_eq!(state.phase, RunPhase::Finished(Outcome::Recovered));
}

/// Nobody asks for anything here: who looks from outside sees whom the run waits for.
#[tokio::test]
async fn whom_a_step_waits_for_is_seen_from_outside_until_they_are_gone() {
    let toy = Toy::that(&[("slow", Does::Wait)]);
    let going = going(graph(&[("slow", 1, &[])]), toy, &[]).await;
    let (journal, run) = (&going.journal, going.run);
    let waiting = until(journal, run, |state| !waits(state).is_empty()).await;
    let wait = waits(&waiting).remove(0);
    assert_eq!((wait.kind, wait.what.ends_with(": pid 7")), ("readers", true), "{wait:?}");
    assert_eq!(wait.unblock, "SELECT pg_terminate_backend(7)");
    going.toy.gone.cancel();
    let over = until(journal, run, |state| waits(state).is_empty()).await;
    assert_eq!(phase(&over, "slow"), StepPhase::Running);
    going.toy.end.cancel();
    let state = going.ends.await.unwrap().unwrap();
    assert_eq!(state.phase, RunPhase::Finished(Outcome::Recovered));
    let events: Vec<Event> = journal.replay(run).try_collect().await.unwrap();
    let told = |event: &&Event| matches!(event.kind, EventKind::ReadersAwaited { .. });
    assert_eq!(events.iter().filter(told).count(), 1, "once, and not at each look");
}

#[tokio::test]
async fn a_run_that_may_not_wait_ends_at_the_approval_and_is_resumed_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir).await;
    let lease = claim(&journal, RunId::now()).await;
    let run_id = lease.run;
    let toy = Toy::that(&[]);
    let unattended = || Engine { waits: false, ..engine(&journal, &toy) };
    let state = run(unattended(), lease, samples::request(), &cutover()).await.unwrap();
    assert_eq!((state.phase, waits(&state)[0].kind), (RunPhase::Running, "approval"));
    let again = resume(unattended(), claim(&journal, run_id).await).await.unwrap();
    assert_eq!((again.phase, waits(&again)[0].kind), (RunPhase::Running, "approval"));
    journal.ask(run_id, &asked(AskKind::Approve, Some("decide"), "lee")).await.unwrap();
    let state = resume(unattended(), claim(&journal, run_id).await).await.unwrap();
    assert_eq!(state.phase, RunPhase::Finished(Outcome::Recovered));
    assert_eq!((toy.times("child"), toy.times("decide")), (1, 1));
}

/// What is asked before the run starts, and goes on whether a process lives or not.
const ASKED: [(AskKind, Option<&str>); 4] = [
    (AskKind::Pause, None),
    (AskKind::Skip, Some("bad")),
    (AskKind::Skip, Some("decide")),
    (AskKind::Continue, None),
];

async fn crash(dies: Dies) -> (RunState, bool) {
    let dir = tempfile::tempdir().unwrap();
    let disk = journal(&dir).await;
    let faulty: Arc<dyn Journal> = Arc::new(FaultyJournal::new(Arc::clone(&disk), dies));
    let lease = claim(&disk, RunId::now()).await;
    let run_id = lease.run;
    for (kind, step) in ASKED {
        disk.ask(run_id, &asked(kind, step, "lee")).await.unwrap();
    }
    let mut graph = cutover();
    graph.approvals.clear();
    let toy = Toy::that(&[]);
    if let Ok(state) = run(engine(&faulty, &toy), lease, samples::request(), &graph).await {
        return (state, false);
    }
    let lease = claim(&disk, run_id).await;
    let known = load(disk.as_ref(), run_id).await;
    let state = match known {
        Err(_) => run(engine(&disk, &toy), lease, samples::request(), &graph).await.unwrap(),
        Ok(known) if matches!(known.phase, RunPhase::Finished(_)) => known,
        Ok(_) => resume(engine(&disk, &toy), lease).await.unwrap(),
    };
    assert_eq!(disk.requests(run_id).await.unwrap(), Vec::new(), "{dies:?}: one was lost");
    (state, true)
}

#[tokio::test]
async fn a_crash_between_a_request_and_its_event_loses_nothing_and_does_nothing_twice() {
    for n in 0.. {
        let mut died = false;
        for dies in [Dies::Before(n), Dies::After(n)] {
            let (state, dead) = crash(dies).await;
            let done: Vec<_> = state.asked.iter().map(|asked| asked.ask.request).collect();
            assert_eq!(done, [1, 2, 4], "{dies:?}");
            assert_eq!(state.phase, RunPhase::Finished(Outcome::Partial), "{dies:?}");
            died |= dead;
        }
        if !died {
            assert!(n > 2, "{n} crashes");
            break;
        }
    }
}
