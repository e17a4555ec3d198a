use super::*;
use crate::engine::samples::graph;
use crate::engine::{resume, run};
use crate::journal::faults::{Dies, FaultyJournal};
use crate::journal::{JournalError, ShardPhase, load};
use crate::plan::RecoveryGraph;

fn kansas() -> RecoveryGraph {
    graph(&[
        ("objects", 5, &[]),
        ("ledger", 1, &[]),
        ("verify", 3, &["objects"]),
        ("gate", 1, &["verify", "ledger"]),
        ("rebuild", 2, &["gate"]),
        ("bad", 1, &["gate"]),
        ("tiles", 1, &["rebuild", "bad"]),
        ("receipt", 1, &["~tiles", "~rebuild"]),
    ])
}

fn toy() -> Arc<Toy> {
    Toy::that(&[("bad", Does::Fail)])
}

/// Runs until the journal dies, then goes on with the same store; gives the end, and whether the
/// journal died at all.
async fn crash_and_resume(dies: Dies) -> (BTreeSet<(String, &'static str, Option<String>)>, bool) {
    let dir = tempfile::tempdir().unwrap();
    let disk = journal(&dir).await;
    let faulty: Arc<dyn Journal> = Arc::new(FaultyJournal::new(Arc::clone(&disk), dies));
    let lease = claim(&disk, RunId::now()).await;
    let run_id = lease.run;
    let first = toy();
    let failure = match run(engine(&faulty, &first), lease, samples::request(), &kansas()).await {
        Ok(state) => return (ends(&state), false),
        Err(failure) => failure,
    };
    assert_eq!(failure.code, Code::Journal, "{failure:?}");
    let lease = claim(&disk, run_id).await;
    let second = toy();
    let state = match load(disk.as_ref(), run_id).await {
        Ok(left) => {
            let done = acknowledged(&left);
            let begun = |(step, shard): &(String, u32)| {
                let step = &left.steps[&step.parse().unwrap()];
                step.shards[*shard as usize].attempts > 0
            };
            assert!(first.executed().iter().all(begun), "{dies:?}: acted before it was durable");
            let state = resume(engine(&disk, &second), lease).await;
            let again: Vec<_> = second.executed();
            let repeated: Vec<_> = again.iter().filter(|shard| done.contains(shard)).collect();
            assert!(repeated.is_empty(), "{dies:?} repeated {repeated:?}");
            match state {
                Ok(state) => state,
                // Only the news of the end was lost.
                Err(failure) => {
                    assert_eq!(failure.code, Code::Usage, "{dies:?}: {failure:?}");
                    left
                }
            }
        }
        Err(JournalError::NoSuchRun { .. }) => {
            assert!(first.executed().is_empty(), "acted before anything was durable");
            run(engine(&disk, &second), lease, samples::request(), &kansas()).await.unwrap()
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(load(disk.as_ref(), run_id).await.unwrap(), state);
    (ends(&state), true)
}

fn acknowledged(state: &RunState) -> BTreeSet<(String, u32)> {
    let shards = state.steps.iter().flat_map(|(id, step)| {
        let done = (0..).zip(&step.shards);
        let done = done.filter(|(_, shard)| matches!(shard.phase, ShardPhase::Succeeded(_)));
        done.map(move |(shard, _)| (id.to_string(), shard))
    });
    shards.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_append_comes_to_the_same_end_and_repeats_nothing_acknowledged() {
    let (whole, died) = crash_and_resume(Dies::Never).await;
    assert!(!died && whole.iter().any(|(id, phase, _)| id == "receipt" && *phase == "succeeded"));
    let mut points = 0;
    for n in 0.. {
        let (before, died) = crash_and_resume(Dies::Before(n)).await;
        assert_eq!(before, whole, "before append {n}");
        // Group commit makes the number of appends a matter of timing.
        if !died && n > 20 {
            break;
        }
        let (after, _) = crash_and_resume(Dies::After(n)).await;
        assert_eq!(after, whole, "after append {n}");
        points += usize::from(died);
    }
    assert!(points > 8, "{points} crashes");
}
