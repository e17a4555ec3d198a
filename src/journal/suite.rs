//! What every journal must do.

use std::sync::Arc;

use futures::TryStreamExt;

use super::faults::{Dies, FaultyJournal};
use super::samples;
use super::{
    Answer, AskKind, Event, EventKind, Holder, Journal, JournalError, NewRequest, SqliteJournal,
    load,
};
use crate::model::{Outcome, RunId};

pub(super) fn started(run: RunId, epoch: u64) -> Event {
    let kind = EventKind::RunStarted(Box::new(samples::info(&[("a", "gate", 1)])));
    let _ = run;
    Event { seq: 1, at: samples::time(0), epoch, kind }
}

pub(super) async fn suite(journal: &dyn Journal) {
    events_come_back_in_order_and_whole(journal).await;
    a_stale_epoch_writes_nothing(journal).await;
    a_run_and_a_target_have_one_holder(journal).await;
    a_batch_is_written_whole_or_not_at_all(journal).await;
    blobs_come_back_under_their_name(journal).await;
    a_request_is_answered_once_and_with_its_events(journal).await;
}

async fn events_come_back_in_order_and_whole(journal: &dyn Journal) {
    let run = RunId::now();
    let lease = journal.claim(run, &["t0".into()], &Holder::this_process("kim")).await.unwrap();
    assert!(matches!(load(journal, run).await, Err(JournalError::NoSuchRun { .. })));
    let step = "a".parse().unwrap();
    let body = serde_json::json!({ "x": [1, "\u{e9}"] });
    let kinds = [
        EventKind::StepCancelled { step },
        EventKind::Unknown { kind: "Later".into(), body },
        EventKind::RunFinished { outcome: Outcome::Cancelled },
    ];
    let at = samples::time(1);
    let more =
        kinds.into_iter().zip(2..).map(|(kind, seq)| Event { seq, at, epoch: lease.epoch, kind });
    let more: Vec<Event> = more.collect();
    let first = started(run, lease.epoch);
    journal.append(&lease, std::slice::from_ref(&first)).await.unwrap();
    let open = journal.runs().await.unwrap();
    let open = open.iter().find(|line| line.run == run).unwrap();
    assert_eq!((open.outcome, open.holder.as_ref()), (None, Some(&lease.holder)));
    journal.append(&lease, &more).await.unwrap();
    let found: Vec<Event> = journal.replay(run).try_collect().await.unwrap();
    assert_eq!(found, std::iter::once(first).chain(more).collect::<Vec<_>>());
    assert_eq!(load(journal, run).await.unwrap().unknown, ["Later"]);
    journal.release(&lease).await.unwrap();
    let done = journal.runs().await.unwrap();
    let done = done.iter().find(|line| line.run == run).unwrap();
    assert_eq!((done.outcome, done.finished_at), (Some(Outcome::Cancelled), Some(at)));
    assert_eq!(done.holder, None);
}

async fn a_stale_epoch_writes_nothing(journal: &dyn Journal) {
    let (run, holder) = (RunId::now(), Holder::this_process("kim"));
    let gone = samples::gone(&holder);
    let old = journal.claim(run, &["t1".into()], &gone).await.unwrap();
    let new = journal.claim(run, &["t1".into()], &holder).await.unwrap();
    assert!(new.epoch > old.epoch);
    let late = journal.append(&old, &[started(run, old.epoch)]).await;
    assert!(matches!(late, Err(JournalError::Stale { .. })));
    let forged = journal.append(&new, &[started(run, old.epoch)]).await;
    assert!(matches!(forged, Err(JournalError::Stale { .. })));
    assert!(matches!(journal.renew(&old).await, Err(JournalError::Stale { .. })));
    journal.release(&old).await.unwrap();
    journal.renew(&new).await.unwrap();
    journal.append(&new, &[started(run, new.epoch)]).await.unwrap();
    journal.release(&new).await.unwrap();
    assert!(matches!(journal.renew(&new).await, Err(JournalError::Stale { .. })));
}

async fn a_run_and_a_target_have_one_holder(journal: &dyn Journal) {
    let (one, two) = (RunId::now(), RunId::now());
    let holder = Holder::this_process("kim");
    let lease = journal.claim(one, &["t2".into(), "t3".into()], &holder).await.unwrap();
    for (run, target) in [(one, "other"), (two, "t3")] {
        match journal.claim(run, &["free".into(), target.into()], &holder).await {
            Err(JournalError::Held { holder: by, run, .. }) => {
                assert_eq!((*by, run), (holder.clone(), one));
            }
            other => panic!("{other:?}"),
        }
    }
    // All or none: what was free above is free still.
    let free = journal.claim(two, &["free".into()], &holder).await.unwrap();
    journal.release(&free).await.unwrap();
    journal.release(&lease).await.unwrap();
    let next = journal.claim(two, &["t3".into()], &holder).await.unwrap();
    assert!(next.epoch > lease.epoch);
    journal.release(&next).await.unwrap();
}

async fn a_batch_is_written_whole_or_not_at_all(journal: &dyn Journal) {
    let run = RunId::now();
    let lease = journal.claim(run, &[], &Holder::this_process("kim")).await.unwrap();
    let twice = [started(run, lease.epoch), started(run, lease.epoch)];
    assert!(journal.append(&lease, &twice).await.is_err());
    assert!(matches!(load(journal, run).await, Err(JournalError::NoSuchRun { .. })));
    journal.append(&lease, &twice[..1]).await.unwrap();
    journal.release(&lease).await.unwrap();
}

async fn blobs_come_back_under_their_name(journal: &dyn Journal) {
    let name = journal.put("graph".into()).await.unwrap();
    assert_eq!(journal.put("graph".into()).await.unwrap(), name);
    assert_eq!(&journal.get(&name).await.unwrap()[..], b"graph");
    let other = crate::digest::Digest::blake3(b"other");
    assert!(matches!(journal.get(&other).await, Err(JournalError::NoSuchBlob { .. })));
}

async fn a_request_is_answered_once_and_with_its_events(journal: &dyn Journal) {
    let run = RunId::now();
    let lease = journal.claim(run, &["t9".into()], &Holder::this_process("kim")).await.unwrap();
    let who = samples::ask("lee").actor;
    let new = |kind, step: Option<&str>| NewRequest {
        kind,
        step: step.map(|step| step.parse().unwrap()),
        actor: who.clone(),
        reason: "because \u{e9}".into(),
    };
    let asked = [new(AskKind::Pause, None), new(AskKind::Skip, Some("a"))];
    assert_eq!(journal.ask(run, &asked[0]).await.unwrap(), 1);
    assert_eq!(journal.ask(run, &asked[1]).await.unwrap(), 2);
    assert_eq!(journal.ask(RunId::now(), &asked[1]).await.unwrap(), 1, "numbered by run");
    let open = journal.requests(run).await.unwrap();
    assert_eq!(
        open.iter().map(|r| (r.seq, &r.asked)).collect::<Vec<_>>(),
        [(1, &asked[0]), (2, &asked[1])]
    );
    let done = Answer { seq: 1, refused: None };
    // The event cannot be written, so the answer is not either.
    let twice = [started(run, lease.epoch), started(run, lease.epoch)];
    assert!(journal.record(&lease, &twice, std::slice::from_ref(&done)).await.is_err());
    assert_eq!(journal.answer(run, 1).await.unwrap(), None);
    let no = Answer { seq: 2, refused: Some("no".into()) };
    journal.record(&lease, &twice[..1], &[done.clone(), no.clone()]).await.unwrap();
    assert_eq!(journal.answer(run, 1).await.unwrap(), Some(done.clone()));
    assert_eq!(journal.answer(run, 2).await.unwrap(), Some(no));
    assert_eq!(journal.requests(run).await.unwrap(), Vec::new());
    assert!(journal.record(&lease, &[], &[done]).await.is_err(), "answered twice");
    let after: Vec<Event> = journal.replay_after(run, 1).try_collect().await.unwrap();
    assert_eq!(after, Vec::new());
    journal.release(&lease).await.unwrap();
}

/// A journal of the first format gets the table of requests and keeps its runs.
#[tokio::test]
async fn a_journal_of_the_first_format_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(dir.path()).await.unwrap();
    let run = RunId::now();
    let lease = journal.claim(run, &[], &Holder::this_process("kim")).await.unwrap();
    journal.append(&lease, &[started(run, lease.epoch)]).await.unwrap();
    drop(journal);
    let file =
        sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("journal.sqlite"));
    let pool = sqlx::SqlitePool::connect_with(file).await.unwrap();
    sqlx::raw_sql("DROP TABLE request; PRAGMA user_version = 1").execute(&pool).await.unwrap();
    let journal = SqliteJournal::open(dir.path()).await.unwrap();
    assert_eq!(load(&journal, run).await.unwrap().last_seq, 1);
    assert_eq!(journal.requests(run).await.unwrap(), Vec::new());
}

#[tokio::test]
async fn sqlite_does_what_a_journal_must() {
    let dir = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(dir.path()).await.unwrap();
    suite(&journal).await;
}

#[tokio::test]
async fn the_faulty_one_does_too_while_it_lives() {
    let dir = tempfile::tempdir().unwrap();
    let inner = Arc::new(SqliteJournal::open(dir.path()).await.unwrap());
    suite(&FaultyJournal::new(inner, Dies::Never)).await;
}

/// Several processes open the same new file at once, and each drives its own run.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_holders_share_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let drive = |path: std::path::PathBuf, target: String| async move {
        let journal = SqliteJournal::open(&path).await.unwrap();
        let run = RunId::now();
        let lease = journal.claim(run, &[target], &Holder::this_process("kim")).await.unwrap();
        journal.append(&lease, &[started(run, lease.epoch)]).await.unwrap();
        for seq in 2..40 {
            let kind = EventKind::Unknown { kind: "Later".into(), body: seq.into() };
            let event = Event { seq, at: samples::time(1), epoch: lease.epoch, kind };
            journal.append(&lease, &[event]).await.unwrap();
            journal.renew(&lease).await.unwrap();
        }
        assert_eq!(load(&journal, run).await.unwrap().last_seq, 39);
        lease.epoch
    };
    let tasks = (0..6).map(|i| tokio::spawn(drive(dir.path().to_owned(), format!("t{i}"))));
    let mut epochs = futures::future::try_join_all(tasks).await.unwrap();
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), 6, "an epoch was given twice");
}

#[tokio::test]
async fn a_newer_format_and_a_damaged_blob_are_refused() {
    use crate::model::{Code, Failure};
    let dir = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(dir.path()).await.unwrap();
    let name = journal.put("graph".into()).await.unwrap();
    let mode = std::fs::metadata(dir.path().join("journal.sqlite")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    drop(journal);
    let file =
        sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("journal.sqlite"));
    let pool = sqlx::SqlitePool::connect_with(file).await.unwrap();
    sqlx::raw_sql("UPDATE blob SET bytes = x'00'").execute(&pool).await.unwrap();
    let journal = SqliteJournal::open(dir.path()).await.unwrap();
    assert!(matches!(journal.get(&name).await, Err(JournalError::Damaged { .. })));
    sqlx::raw_sql("PRAGMA user_version = 3").execute(&pool).await.unwrap();
    let newer = SqliteJournal::open(dir.path()).await.unwrap_err();
    assert!(matches!(newer, JournalError::Newer { found: 3, known: 2 }));
    assert_eq!(Failure::from(newer).code, Code::Journal);
}
