use std::time::Duration;

use sqlx::PgPool;

use super::SharedJournal;
use super::open::known;
use crate::journal::{
    Answer, AskKind, Event, EventKind, Holder, Journal, JournalError, Lease, NewRequest, load,
    samples, suite,
};
use crate::model::{Code, Failure, FailureKind, RunId};
use crate::postgres::testing::database;

const PATIENCE: Duration = Duration::from_secs(20);

async fn journal() -> (SharedJournal, PgPool) {
    let pool = database().await;
    let options = pool.connect_options().as_ref().clone();
    (SharedJournal::open_with(options, PATIENCE).await.unwrap(), pool)
}

/// The same journal as another process has it.
async fn another(pool: &PgPool) -> SharedJournal {
    let options = pool.connect_options().as_ref().clone();
    SharedJournal::open_with(options, PATIENCE).await.unwrap()
}

fn elsewhere(user: &str) -> Holder {
    let mut holder = Holder::this_process(user);
    holder.process.host = "elsewhere".to_owned();
    holder.process.boot = Some("another".to_owned());
    holder
}

async fn run_out(pool: &PgPool) {
    let statement = "UPDATE coppice_journal.claim SET until = clock_timestamp()";
    sqlx::raw_sql(statement).execute(pool).await.unwrap();
}

fn later(lease: &Lease, seq: u64) -> Event {
    let kind = EventKind::Unknown { kind: "Later".into(), body: seq.into() };
    Event { seq, at: samples::time(1), epoch: lease.epoch, kind }
}

#[tokio::test]
async fn postgres_does_what_a_journal_must() {
    let (journal, _pool) = journal().await;
    suite::suite(&journal).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_holders_share_one_database() {
    let (_, pool) = journal().await;
    let drive = |pool: PgPool, target: String| async move {
        let journal = another(&pool).await;
        let run = RunId::now();
        let lease = journal.claim(run, &[target], &Holder::this_process("kim")).await.unwrap();
        journal.append(&lease, &[suite::started(run, lease.epoch)]).await.unwrap();
        for seq in 2..20 {
            journal.append(&lease, &[later(&lease, seq)]).await.unwrap();
            journal.renew(&lease).await.unwrap();
            journal.ask(run, &pause()).await.unwrap();
        }
        assert_eq!(load(&journal, run).await.unwrap().last_seq, 19);
        assert_eq!(journal.requests(run).await.unwrap().len(), 18);
        lease.epoch
    };
    let tasks = (0..4).map(|i| tokio::spawn(drive(pool.clone(), format!("t{i}"))));
    let mut epochs = futures::future::try_join_all(tasks).await.unwrap();
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), 4, "an epoch was given twice");
}

fn pause() -> NewRequest {
    let actor = samples::ask("lee").actor;
    NewRequest { kind: AskKind::Pause, step: None, actor, reason: "wait".into() }
}

/// Several open a new database at once: one makes the tables, the others find them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_journal_is_made_once() {
    let pool = database().await;
    let open = |pool: PgPool| async move { another(&pool).await };
    let opened = (0..5).map(|_| tokio::spawn(open(pool.clone())));
    futures::future::try_join_all(opened).await.unwrap();
    let count = "SELECT count(*) FROM coppice_journal.migration";
    let migrations: i64 = sqlx::query_scalar(count).fetch_one(&pool).await.unwrap();
    assert_eq!(migrations, known());
}

#[tokio::test]
async fn two_operators_are_told_who_holds_and_time_takes_a_lease() {
    let (theirs, pool) = journal().await;
    let ours = another(&pool).await;
    let (run, holder) = (RunId::now(), Holder::this_process("lee"));
    let former = elsewhere("kim");
    let targets = ["postgres:1/gis".to_owned()];
    let old = theirs.claim(run, &targets, &former).await.unwrap();
    theirs.append(&old, &[suite::started(run, old.epoch)]).await.unwrap();
    assert_eq!(ours.runs().await.unwrap()[0].holder.as_ref(), Some(&former));

    // The run itself, and another run on its targets. A process elsewhere may live, whatever its
    // number means here.
    for (claimed, target) in [(run, &[][..]), (RunId::now(), &targets[..])] {
        let failure = Failure::from(ours.claim(claimed, target, &holder).await.unwrap_err());
        assert_eq!((failure.code, failure.kind), (Code::Locked, FailureKind::Fenced));
        let told = [former.process.host.clone(), former.user.clone(), run.to_string()];
        assert!(told.iter().all(|word| failure.message.contains(word)), "{}", failure.message);
        assert!(failure.message.contains(&former.since.format("%Y-%m-%d").to_string()));
    }

    // A lease that ran out is its holder's until another takes it.
    run_out(&pool).await;
    assert_eq!(ours.runs().await.unwrap()[0].holder, None);
    theirs.renew(&old).await.unwrap();
    assert!(ours.claim(run, &targets, &holder).await.is_err());
    run_out(&pool).await;
    let new = ours.claim(run, &targets, &holder).await.unwrap();
    assert!(new.epoch > old.epoch);

    // The former holder wakes up.
    let late = theirs.append(&old, &[later(&old, 2)]).await.unwrap_err();
    assert!(matches!(late, JournalError::Stale { .. }), "{late}");
    assert!(matches!(theirs.renew(&old).await, Err(JournalError::Stale { .. })));
    theirs.release(&old).await.unwrap();
    ours.append(&new, &[later(&new, 2)]).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(ours.runs().await.unwrap()[0].holder.as_ref(), Some(&holder));
}

/// A lease cannot be taken over between the look at its epoch and the end of the transaction.
#[tokio::test]
async fn a_takeover_waits_for_what_is_being_written() {
    let (journal, pool) = journal().await;
    let run = RunId::now();
    let old = journal.claim(run, &[], &elsewhere("kim")).await.unwrap();
    run_out(&pool).await;
    let mut tx = pool.begin().await.unwrap();
    super::claims::check(&mut tx, &old).await.unwrap();
    let taking = tokio::spawn({
        let journal = journal.clone();
        async move { journal.claim(run, &[], &Holder::this_process("lee")).await }
    });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
        AND datname = current_database()";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&pool).await.unwrap() == 0 {
        assert!(!taking.is_finished(), "the lease was taken from under a transaction");
        tokio::task::yield_now().await;
    }
    super::events::insert(&mut tx, run, &suite::started(run, old.epoch)).await.unwrap();
    tx.commit().await.unwrap();
    let new = taking.await.unwrap().unwrap();
    assert!(new.epoch > old.epoch);
    assert_eq!(load(&journal, run).await.unwrap().last_seq, 1);
}

#[tokio::test]
async fn what_was_written_before_its_answer_was_lost_is_not_written_twice() {
    let (journal, _pool) = journal().await;
    let (run, holder) = (RunId::now(), Holder::this_process("kim"));
    let targets = ["t".to_owned()];
    journal.claim_once(run, &targets, &holder, false).await.unwrap();
    assert!(journal.claim_once(run, &targets, &holder, false).await.is_err());
    let lease = journal.claim_once(run, &targets, &holder, true).await.unwrap();
    let first = journal.ask_once(run, &pause(), "one").await.unwrap();
    assert_eq!(journal.ask_once(run, &pause(), "one").await.unwrap(), first);
    assert_eq!(journal.ask_once(run, &pause(), "two").await.unwrap(), first + 1);

    let events = [suite::started(run, lease.epoch), later(&lease, 2)];
    let answers = [Answer { seq: first, refused: None }];
    journal.record_once(&lease, &events, &answers, false).await.unwrap();
    journal.record_once(&lease, &events, &answers, true).await.unwrap();
    journal.record_once(&lease, &[], &answers, true).await.unwrap();
    // What another has written under the same number is not ours.
    let other = [Event { at: samples::time(2), ..later(&lease, 2) }];
    assert!(journal.record_once(&lease, &other, &[], true).await.is_err());
    assert_eq!(load(&journal, run).await.unwrap().last_seq, 2);
}

#[tokio::test]
async fn a_connection_that_is_cut_is_made_anew() {
    let (journal, pool) = journal().await;
    let run = RunId::now();
    let lease = journal.claim(run, &[], &Holder::this_process("kim")).await.unwrap();
    journal.append(&lease, &[suite::started(run, lease.epoch)]).await.unwrap();
    for seq in 2..8 {
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        sqlx::raw_sql(cut).execute(&pool).await.unwrap();
        journal.append(&lease, &[later(&lease, seq)]).await.unwrap();
    }
    assert_eq!(load(&journal, run).await.unwrap().last_seq, 7);
}

#[tokio::test]
async fn a_server_that_stays_away_is_told_and_its_password_is_not() {
    let (journal, pool) = journal().await;
    let run = RunId::now();
    let lease = journal.claim(run, &[], &Holder::this_process("kim")).await.unwrap();
    let gone = crate::postgres::connect_options("postgres://u:hunter2@127.0.0.1:1/gis").unwrap();
    let lost = SharedJournal {
        pool: sqlx::postgres::PgPoolOptions::new()
            .acquire_timeout(Duration::from_millis(300))
            .connect_lazy_with(gone.clone()),
        place: "127.0.0.1:1/gis".into(),
        patience: Duration::from_secs(1),
    };
    let error = lost.append(&lease, &[suite::started(run, lease.epoch)]).await.unwrap_err();
    let failure = Failure::from(error);
    assert_eq!(failure.code, Code::Journal);
    assert!(matches!(failure.kind, FailureKind::Transient { .. }));
    assert!(failure.message.contains("127.0.0.1:1/gis"), "{}", failure.message);
    let never = SharedJournal::open_with(gone, Duration::from_millis(300)).await.unwrap_err();
    let told = format!("{failure:?} {:?}", Failure::from(never));
    assert!(!told.contains("hunter2"), "{told}");
    drop(pool);
}

#[tokio::test]
async fn a_newer_format_is_refused_and_a_role_needs_no_tables_of_its_own() {
    let (journal, pool) = journal().await;
    let blob = journal.put("graph".into()).await.unwrap();
    let role = format!("member_{}", uuid::Uuid::now_v7().simple());
    let grants = format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA coppice_journal TO {role};
         GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA coppice_journal TO {role};
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA coppice_journal TO {role}"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(grants)).execute(&pool).await.unwrap();
    // The test cluster lets in its own user alone, so the role is put on after the way in.
    let options = pool.connect_options().as_ref().clone().options([("role", role)]);
    let member = SharedJournal::open_with(options.clone(), PATIENCE).await.unwrap();
    suite::suite(&member).await;

    sqlx::raw_sql("UPDATE coppice_journal.blob SET bytes = '\\x00'").execute(&pool).await.unwrap();
    assert!(matches!(journal.get(&blob).await, Err(JournalError::Damaged { .. })));
    let newer = "INSERT INTO coppice_journal.migration
        SELECT 99, 'later', now(), true, checksum, 0 FROM coppice_journal.migration LIMIT 1";
    sqlx::raw_sql(newer).execute(&pool).await.unwrap();
    let refused = SharedJournal::open_with(options, PATIENCE).await.unwrap_err();
    assert!(matches!(refused, JournalError::Newer { found: 99, .. }), "{refused}");
}
