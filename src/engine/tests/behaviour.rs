use std::time::Duration;

use super::*;
use crate::engine::samples::graph;
use crate::engine::{abandon, resume, run};
use crate::journal::{Event, JournalError, Listener, RunPhase, StepPhase, load};
use crate::model::{FailureKind, Outcome};

fn phase(state: &RunState, step: &str) -> StepPhase {
    state.steps[&step.parse().unwrap()].phase
}

#[tokio::test]
async fn a_failure_stops_what_needs_the_step_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir).await;
    let toy = Toy::that(&[("bad", Does::Fail), ("bug", Does::Panic)]);
    let graph = graph(&[
        ("bad", 1, &[]),
        ("good", 2, &[]),
        ("bug", 1, &[]),
        ("child", 1, &["bad", "good"]),
        ("grandchild", 1, &["child"]),
        ("other", 1, &["good"]),
        ("clean", 1, &["~grandchild", "~bad", "~bug", "~other"]),
    ]);
    let lease = claim(&journal, RunId::now()).await;
    let run_id = lease.run;
    let state = run(engine(&journal, &toy), lease, samples::request(), &graph).await.unwrap();
    assert_eq!(state.phase, RunPhase::Finished(Outcome::Partial));
    assert_eq!(phase(&state, "bad"), StepPhase::Failed);
    assert_eq!(phase(&state, "bug"), StepPhase::Failed);
    assert_eq!(phase(&state, "child"), StepPhase::Blocked);
    assert_eq!(phase(&state, "grandchild"), StepPhase::Blocked);
    assert_eq!(phase(&state, "other"), StepPhase::Succeeded);
    let clean = state.steps[&"clean".parse().unwrap()].output.clone().unwrap();
    assert_eq!(clean.value, json!([{ "shard": 0, "inputs": ["other"] }]));
    let bug = state.steps[&"bug".parse().unwrap()].failure.clone().unwrap();
    assert_eq!((bug.code, &bug.causes[..]), (Code::Internal, &["panic: told to panic".into()][..]));
    assert_eq!((toy.times("child"), toy.times("bad"), toy.times("good")), (0, 1, 2));
    assert_eq!(load(journal.as_ref(), run_id).await.unwrap(), state);
    let again = journal.claim(run_id, &[], &Holder::this_process("kim")).await.unwrap();
    let refused = resume(engine(&journal, &toy), again).await.unwrap_err();
    assert_eq!(refused.code, Code::Usage);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_a_failed_switch_halts() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir).await;
    let toy = Toy::that(&[("flaky", Does::PassAt(2)), ("switch", Does::PassAt(9))]);
    let mut graph = graph(&[("flaky", 1, &[]), ("switch", 1, &["flaky"])]);
    graph.limits.attempts = 2;
    let lease = claim(&journal, RunId::now()).await;
    let state = run(engine(&journal, &toy), lease, samples::request(), &graph).await.unwrap();
    assert_eq!(state.phase, RunPhase::Finished(Outcome::Halted));
    assert_eq!(state.steps[&"flaky".parse().unwrap()].attempts(), 2);
    assert_eq!((phase(&state, "flaky"), toy.times("switch")), (StepPhase::Succeeded, 2));
}

/// A cutover of which the switch fails for good, beside a step that fails before the decision.
const CUTOVER: [(&str, u32, &[&str]); 8] = [
    ("a", 2, &[]),
    ("bad", 1, &[]),
    ("needs-bad", 1, &["bad"]),
    ("decide", 1, &["a", "~needs-bad"]),
    ("switch", 1, &["decide"]),
    ("back", 1, &["decide", "~switch"]),
    ("old", 1, &["switch", "back"]),
    ("receipt", 1, &["~a", "~bad", "~needs-bad", "~decide", "~switch", "~back", "~old"]),
];

#[tokio::test]
async fn a_halted_run_only_goes_forward_from_its_decision() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir).await;
    let toy = Toy::that(&[("bad", Does::Fail), ("switch", Does::Fail)]);
    let lease = claim(&journal, RunId::now()).await;
    let run_id = lease.run;
    let cutover = graph(&CUTOVER);
    let halted = run(engine(&journal, &toy), lease, samples::request(), &cutover).await.unwrap();
    assert_eq!(halted.phase, RunPhase::Finished(Outcome::Halted));
    assert_eq!((phase(&halted, "back"), phase(&halted, "old")), {
        (StepPhase::Succeeded, StepPhase::Blocked)
    });
    let listed = journal.runs().await.unwrap();
    assert_eq!(listed[0].outcome, Some(Outcome::Halted));

    // Again in vain, and then to the end: neither what was done before nor what failed before.
    for (does, outcome) in
        [(vec![("switch", Does::Fail)], Outcome::Halted), (Vec::new(), Outcome::Partial)]
    {
        let next = Toy::that(&does);
        let lease = claim(&journal, run_id).await;
        let state = resume(engine(&journal, &next), lease).await.unwrap();
        assert_eq!(state.phase, RunPhase::Finished(outcome));
        assert_eq!(load(journal.as_ref(), run_id).await.unwrap(), state);
        let mut done: Vec<_> = next.executed().into_iter().map(|(step, _)| step).collect();
        done.dedup();
        let old = (outcome == Outcome::Partial).then_some("old");
        let wanted: Vec<_> = ["switch", "back"].into_iter().chain(old).chain(["receipt"]).collect();
        assert_eq!(done, wanted);
        assert_eq!(journal.runs().await.unwrap()[0].outcome, Some(outcome));
    }
    let ended = claim(&journal, run_id).await;
    assert_eq!(resume(engine(&journal, &toy), ended).await.unwrap_err().code, Code::Usage);
}

#[tokio::test]
async fn a_halted_rehearsal_whose_scratch_is_gone_stays_halted() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir).await;
    let toy = Toy::that(&[("switch", Does::Fail)]);
    let steps: [(&str, u32, &[&str]); 3] =
        [("decide", 1, &[]), ("switch", 1, &["decide"]), ("clean-up", 1, &["~switch"])];
    let lease = claim(&journal, RunId::now()).await;
    let run_id = lease.run;
    run(engine(&journal, &toy), lease, samples::request(), &graph(&steps)).await.unwrap();
    let lease = claim(&journal, run_id).await;
    let refused = resume(engine(&journal, &Toy::that(&[])), lease).await.unwrap_err();
    assert!(refused.message.contains("scratch was cleared"), "{refused:?}");
}

#[tokio::test]
async fn a_try_that_takes_too_long_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir).await;
    let toy = Toy::that(&[("slow", Does::Hang)]);
    let mut graph = graph(&[("slow", 1, &[])]);
    (graph.limits.attempts, graph.limits.step_timeout_seconds) = (1, 1);
    let lease = claim(&journal, RunId::now()).await;
    let state = run(engine(&journal, &toy), lease, samples::request(), &graph).await.unwrap();
    let failure = state.steps[&"slow".parse().unwrap()].failure.clone().unwrap();
    assert!(failure.message.contains("within 1 s") && failure.hint.is_some());
}

#[tokio::test]
async fn a_cancelled_run_rests_and_can_be_resumed_or_abandoned() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir).await;
    let graph = graph(&[("a", 2, &[]), ("slow", 1, &["a"]), ("clean", 1, &["~slow"])]);
    for give_up in [false, true] {
        let toy = Toy::that(&[("slow", Does::Hang)]);
        let first = engine(&journal, &toy);
        let (cancel, watched) = (first.cancel.clone(), Arc::clone(&toy));
        tokio::spawn(async move {
            while watched.times("slow") == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            cancel.cancel();
        });
        let lease = claim(&journal, RunId::now()).await;
        let run_id = lease.run;
        let state = run(first, lease, samples::request(), &graph).await.unwrap();
        assert_eq!(state.phase, RunPhase::Cancelling);
        assert_eq!((phase(&state, "slow"), toy.times("clean")), (StepPhase::Running, 0));
        let lease = claim(&journal, run_id).await;
        if give_up {
            let state = abandon(Arc::clone(&journal), lease).await.unwrap();
            assert_eq!(state.phase, RunPhase::Finished(Outcome::Cancelled));
            assert_eq!(phase(&state, "clean"), StepPhase::Cancelled);
            assert_eq!(load(journal.as_ref(), run_id).await.unwrap(), state);
        } else {
            let next = Toy::that(&[]);
            let state = resume(engine(&journal, &next), lease).await.unwrap();
            assert_eq!(state.phase, RunPhase::Finished(Outcome::Recovered));
            assert_eq!(next.executed(), [("slow".into(), 0), ("clean".into(), 0)]);
        }
    }
}

#[tokio::test]
async fn a_former_holder_that_wakes_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir).await;
    let toy = Toy::that(&[("slow", Does::PassAt(2))]);
    let graph = graph(&[("slow", 1, &[]), ("next", 1, &["slow"])]);
    let lease = claim(&journal, RunId::now()).await;
    let run_id = lease.run;
    let (other, watched) = (Arc::clone(&journal), Arc::clone(&toy));
    let thief = tokio::spawn(async move {
        while watched.times("slow") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        other.claim(run_id, &[], &Holder::this_process("sam")).await.unwrap()
    });
    let failure = run(engine(&journal, &toy), lease, samples::request(), &graph).await.unwrap_err();
    assert_eq!((failure.kind, failure.code), (FailureKind::Fenced, Code::Locked));
    assert_eq!(toy.times("next"), 0);
    let new = thief.await.unwrap();
    let busy = journal.claim(run_id, &[], &Holder::this_process("kim")).await;
    assert!(matches!(busy, Err(JournalError::Held { holder, .. }) if holder.user == "sam"));
    resume(engine(&journal, &toy), new).await.unwrap();
}

struct Counting(Arc<Mutex<u32>>, u32);

impl Listener for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn on_event(&mut self, _event: &Event, _state: &RunState) -> std::io::Result<()> {
        let mut seen = self.0.lock().unwrap();
        *seen += 1;
        if *seen < self.1 { Ok(()) } else { Err(std::io::Error::other("broken pipe")) }
    }
}

#[tokio::test]
async fn a_listener_that_fails_is_dropped_and_the_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir).await;
    let (bad, good) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let mut engine = engine(&journal, &Toy::that(&[]));
    engine.listeners.push(Box::new(Counting(Arc::clone(&bad), 3)));
    engine.listeners.push(Box::new(Counting(Arc::clone(&good), u32::MAX)));
    let lease = claim(&journal, RunId::now()).await;
    let state = run(engine, lease, samples::request(), &graph(&[("a", 2, &[])])).await.unwrap();
    assert_eq!(*bad.lock().unwrap(), 3);
    assert_eq!(u64::from(*good.lock().unwrap()), state.last_seq);
}
