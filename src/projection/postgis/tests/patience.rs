//! Readers delay a switch, and none is ended or kept waiting for long.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use super::*;
use crate::postgres::{execute, sql};
use crate::projection::postgis::patience::Hold;

/// Waits until a query gives true: never for a time.
async fn until(pool: &PgPool, query: &'static str) {
    loop {
        let yes: bool = sqlx::query_scalar(query).fetch_one(pool).await.unwrap();
        if yes {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

const WE_WAIT: &str = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted \
     AND mode = 'AccessExclusiveLock' AND relation IN (SELECT oid FROM pg_class WHERE relkind = 'v'))";

#[tokio::test]
async fn a_long_reader_delays_the_switch_and_survives_it() {
    let pool = database().await;
    let target = PostgisProjection::new(pool.clone(), Roles::Given);
    let cx = context(RunId::now(), 1);
    let one = complete(&target, "1", 10, &cx).await;
    let two = complete(&target, "2", 20, &cx).await;
    target.switch(&[change(None, Some(&one))], &cx).await.unwrap();
    let mut reader = pool.begin().await.unwrap();
    sqlx::query(LIVE).fetch_one(&mut *reader).await.unwrap();
    let pid: i32 =
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *reader).await.unwrap();
    let set = [change(Some(&one), Some(&two))];
    let reads = async {
        // While the switch waits, and after it has given up once, others get through.
        for _ in 0..2 {
            until(&pool, WE_WAIT).await;
            assert_eq!(count(&pool, LIVE).await, 10);
        }
        // What it sees stays what it saw, and nobody has ended it.
        let again: i64 = sqlx::query_scalar(LIVE).fetch_one(&mut *reader).await.unwrap();
        assert_eq!(again, 10);
        let holders = readers::of(&pool, &[places()]).await.unwrap().to_string();
        assert!(holders.contains(&format!("pid {pid} of coppice (coppice) since 20")), "{holders}");
        reader.commit().await.unwrap();
    };
    let (switched, ()) = tokio::join!(target.switch(&set, &cx), reads);
    switched.unwrap();
    assert_eq!(count(&pool, LIVE).await, 20);
    let gone = readers::of(&pool, &[places()]).await.unwrap();
    assert_eq!(gone.to_string(), "sessions that have gone meanwhile");
}

#[tokio::test]
async fn who_is_in_the_way_for_too_long_is_named_without_what_it_asked() {
    let pool = database().await;
    let target = PostgisProjection::new(pool.clone(), Roles::Given);
    let cx = context(RunId::now(), 1);
    let one = complete(&target, "1", 10, &cx).await;
    let two = complete(&target, "2", 20, &cx).await;
    target.switch(&[change(None, Some(&one))], &cx).await.unwrap();
    let options = pool.connect_options().as_ref().clone().application_name("night report");
    let mut reader = PgConnection::connect_with(&options).await.unwrap();
    let mut reader = reader.begin().await.unwrap();
    let asked = r#"SELECT count(*), 'secret words' FROM kansas."The ""places""""#;
    sqlx::query(asked).fetch_one(&mut *reader).await.unwrap();
    let set = [change(Some(&one), Some(&two))];
    let held = switch::switch(&pool, &set, &cx, Roles::Given, Duration::ZERO).await;
    let failure = Failure::from(held.unwrap_err());
    assert!(failure.message.contains("(night report) since 20"), "{failure:?}");
    assert!(!format!("{failure:?}").contains("secret"), "{failure:?}");
    assert!(matches!(failure.kind, FailureKind::Transient { .. }), "{failure:?}");
    assert_eq!(target.live(&one.job).await.unwrap(), Some(one.digest));
    // The reader was not touched, and whoever waits can be asked to stop.
    sqlx::query(LIVE).fetch_one(&mut *reader).await.unwrap();
    let stopped = context(cx.run, 1);
    stopped.cancel.cancel();
    let failure = target.switch(&set, &stopped).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Cancelled);
}

/// A reader of several tables who comes to wait for us while we wait for him: PostgreSQL ends the
/// one that finds the circle, which must never be him.
#[tokio::test]
async fn a_reader_in_a_circle_with_the_switch_is_not_the_one_that_is_ended() {
    let pool = database().await;
    let target = PostgisProjection::new(pool.clone(), Roles::Given);
    let cx = context(RunId::now(), 1);
    let (mut set, mut next) = (Vec::new(), Vec::new());
    for name in ["first", "second", "third"] {
        let table = TableSink { table: name.to_owned(), ..places() };
        let job: JobId = format!("postgis/{name}").parse().unwrap();
        let mut both = Vec::new();
        for seed in ["1", "2"] {
            let seed = format!("{name}{seed}");
            let one = Generation { job: job.clone(), ..generation(table.clone(), &seed) };
            let proof = build(&target, &one, vec![batch(0..5)], &cx).await.unwrap();
            target.record(&one, &proof).await.unwrap();
            both.push(one);
        }
        set.push(change(None, Some(&both[0])));
        next.push(change(Some(&both[0]), Some(&both[1])));
    }
    target.switch(&set, &cx).await.unwrap();
    let (mut short, mut long) = (pool.begin().await.unwrap(), pool.begin().await.unwrap());
    sqlx::query("SELECT FROM kansas.second").execute(&mut *short).await.unwrap();
    sqlx::query("SELECT FROM kansas.third").execute(&mut *long).await.unwrap();
    let readers = async {
        // We have the first table and wait for the second: he waits for the first now, and only
        // after some time we for the third, which he holds.
        until(
            &pool,
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted \
                      AND relation = 'kansas.second'::regclass)",
        )
        .await;
        let ask = async {
            sqlx::query("SELECT FROM kansas.first").execute(&mut *long).await.unwrap();
            long.commit().await.unwrap();
        };
        let release = async {
            tokio::time::sleep(Duration::from_millis(600)).await;
            short.commit().await.unwrap();
        };
        tokio::join!(ask, release);
    };
    let (switched, ()) = tokio::join!(target.switch(&next, &cx), readers);
    switched.unwrap();
    for change in &next {
        assert_eq!(target.live(&change.job).await.unwrap(), change.to);
    }
}

/// As when the machine that switches stands still: its connection looks alive, and its locks stay.
#[tokio::test]
async fn a_switch_that_falls_silent_lets_readers_through() {
    let pool = database().await;
    let target = PostgisProjection::new(pool.clone(), Roles::Given);
    let cx = context(RunId::now(), 1);
    let one = complete(&target, "1", 10, &cx).await;
    target.switch(&[change(None, Some(&one))], &cx).await.unwrap();
    let mut silent = pool.begin().await.unwrap();
    Hold::of(&mut silent).await.unwrap();
    let bound: String = sqlx::query_scalar("SHOW idle_in_transaction_session_timeout")
        .fetch_one(&mut *silent)
        .await
        .unwrap();
    assert_eq!(bound, "15s");
    let mut hold = Hold::with_idle(&mut silent, Duration::from_secs(2)).await.unwrap();
    let lock = sql(r#"LOCK TABLE kansas."The ""places""" IN ACCESS EXCLUSIVE MODE"#, &[]);
    hold.execute(&mut silent, "lock what readers see", &lock).await.unwrap();
    let read = tokio::time::timeout(Duration::from_mins(1), count(&pool, LIVE));
    assert_eq!(read.await.unwrap(), 10);
    let woken = execute(&mut silent, "go on", &lock).await.unwrap_err();
    assert!(matches!(Failure::from(woken).kind, FailureKind::Transient { .. }));
}

#[tokio::test]
async fn whom_a_switch_waits_for_is_told_while_it_waits() {
    let pool = database().await;
    let target = PostgisProjection::new(pool.clone(), Roles::Given);
    let cx = context(RunId::now(), 1);
    let one = complete(&target, "1", 10, &cx).await;
    let two = complete(&target, "2", 20, &cx).await;
    target.switch(&[change(None, Some(&one))], &cx).await.unwrap();
    assert_eq!(cx.meter.holdup(), None, "nobody was in the way");
    let mut reader = pool.begin().await.unwrap();
    let pid: i32 =
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *reader).await.unwrap();
    let asked = r#"SELECT count(*), 'secret words' FROM kansas."The ""places""""#;
    sqlx::query(asked).fetch_one(&mut *reader).await.unwrap();
    let told = async {
        let told = loop {
            match cx.meter.holdup() {
                Some(told) => break told,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        reader.commit().await.unwrap();
        told
    };
    let set = [change(Some(&one), Some(&two))];
    let (switched, told) = tokio::join!(target.switch(&set, &cx), told);
    switched.unwrap();
    assert!(told.by.contains(&format!("pid {pid} of coppice (coppice) since 20")), "{told:?}");
    assert!(told.unblock.contains(&format!("SELECT pg_terminate_backend({pid})")), "{told:?}");
    assert!(!format!("{told:?}").contains("secret"), "{told:?}");
    assert_eq!(cx.meter.holdup(), None, "it waits no more");
}
