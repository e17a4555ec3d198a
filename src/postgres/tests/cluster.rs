use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::*;

fn open_dir() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("cp").tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    dir
}

#[tokio::test]
async fn a_cluster_starts_twice_survives_a_crash_and_stops_for_good() {
    let dir = open_dir();
    // Long enough that the socket must lie elsewhere, and with a name that needs quoting.
    let data = dir.path().join("it's a place").join("x".repeat(90));
    let identity = installed_identity(&data).unwrap();
    let cluster = Cluster::ensure(&data, Durability::Scratch).await.unwrap();
    let pool = open_pool(cluster.options(), 4).await.unwrap();
    assert_eq!(server_identity(&pool).await.unwrap(), identity);
    assert!(system_identity(&pool).await.unwrap().ends_with("/coppice"));
    let (again, other) = tokio::join!(
        Cluster::ensure(&data, Durability::Scratch),
        Cluster::ensure(&data, Durability::Scratch)
    );
    assert!(again.is_ok() && other.is_ok());
    pool.close().await;

    // Killed; then its number belongs to another process (this one).
    let pid_file = data.join("pgdata/postmaster.pid");
    let pid = || std::fs::read_to_string(&pid_file).unwrap().lines().next().unwrap().to_owned();
    let killed = pid();
    let raw = rustix::process::Pid::from_raw(killed.parse().unwrap()).unwrap();
    rustix::process::kill_process(raw, rustix::process::Signal::KILL).unwrap();
    while std::path::Path::new("/proc").join(&killed).join("cwd").exists() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let text = std::fs::read_to_string(&pid_file).unwrap();
    let ours = std::process::id().to_string();
    std::fs::write(&pid_file, text.replacen(&killed, &ours, 1)).unwrap();
    let cluster = Cluster::ensure(&data, Durability::Scratch).await.unwrap();
    assert_ne!(pid(), ours);
    let last = pid();
    cluster.stop().await.unwrap();
    cluster.stop().await.unwrap();
    assert!(!pid_file.exists());
    assert!(!std::path::Path::new("/proc").join(last).join("cwd").exists());
    assert!(cluster.options().connect().await.is_err());
    Cluster::find(&data).unwrap().unwrap().remove().await.unwrap();
    assert!(!data.exists());
    assert!(Cluster::find(dir.path()).unwrap().is_none());
}

#[tokio::test]
async fn a_marker_stays_as_it_was_first_written() {
    let pool = database().await;
    assert_eq!(read_marker(&pool).await.unwrap(), None);
    let (one, two) = tokio::join!(ensure_registry(&pool), ensure_registry(&pool));
    one.unwrap();
    two.unwrap();
    let first = write_marker(&pool, "dev", "postgres:1/x").await.unwrap();
    assert_eq!(write_marker(&pool, "prod", "postgres:2/y").await.unwrap(), first);
    assert_eq!((first.environment.as_str(), first.identity.as_str()), ("dev", "postgres:1/x"));
    assert_eq!(read_marker(&pool).await.unwrap(), Some(first));
}

#[tokio::test]
async fn one_run_holds_a_database_until_it_is_gone() {
    let pool = database().await;
    let (run, other) = (RunId::now(), RunId::now());
    let mut lock = TargetLock::take(&pool, run, "me@here", 7).await.unwrap();
    lock.check().await.unwrap();
    let failure = Failure::from(TargetLock::take(&pool, other, "you", 1).await.unwrap_err());
    assert_eq!((failure.kind, failure.code), (FailureKind::Fenced, Code::Locked));
    assert!(failure.message.contains(&run.to_string()) && failure.message.contains("me@here"));
    // Dropped without a word, as by a crash: the server frees it when it sees the end.
    drop(lock);
    let mut tries = 0;
    let mut lock = loop {
        match TargetLock::take(&pool, other, "you", 8).await {
            Ok(lock) => break lock,
            Err(error) => {
                tries += 1;
                assert!(tries < 100, "{error}");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
    };
    lock.check().await.unwrap();
    lock.release().await;
}

#[tokio::test]
async fn a_lock_that_is_lost_is_fenced() {
    let pool = database().await;
    let mut unlocked = TargetLock::take(&pool, RunId::now(), "me@here", 1).await.unwrap();
    // As by a pooler that gives the session to somebody else.
    unlocked.unlock_behind_its_back().await;
    let failure = Failure::from(unlocked.check().await.unwrap_err());
    assert_eq!((failure.kind, failure.code), (FailureKind::Fenced, Code::Locked));
    unlocked.release().await;

    let mut cut = TargetLock::take(&pool, RunId::now(), "me@here", 2).await.unwrap();
    let kill = "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d \
                ON d.oid = l.database WHERE locktype = 'advisory' AND datname = current_database()";
    sqlx::query(kill).execute(&pool).await.unwrap();
    let failure = Failure::from(cut.check().await.unwrap_err());
    assert_eq!((failure.kind, failure.code), (FailureKind::Fenced, Code::Locked));
}

/// The connection of the lock is gone, and another of the same run is in the middle of a switch.
#[tokio::test]
async fn a_former_holder_that_has_not_let_go_is_named_and_not_waited_for_without_end() {
    let pool = database().await;
    let (former, run) = (RunId::now(), RunId::now());
    let lock = TargetLock::take(&pool, former, "me@here", 7).await.unwrap();
    let mut open = pool.begin().await.unwrap();
    let pid: i32 =
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *open).await.unwrap();
    sqlx::query("SELECT FROM coppice.holder FOR SHARE").execute(&mut *open).await.unwrap();
    lock.release().await;
    let wait = Duration::from_millis(300);
    let failure = loop {
        let taken = TargetLock::take_within(wait, &pool, run, "you", 8).await;
        let failure = Failure::from(taken.unwrap_err());
        // The server needs a moment to see that the connection of the lock was closed.
        if failure.message.contains("not over yet") {
            break failure;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((failure.kind, failure.code), (FailureKind::Fenced, Code::Locked));
    assert!(failure.message.contains(&format!("run {former} (me@here)")), "{failure}");
    assert!(failure.message.contains(&format!("pg_terminate_backend({pid})")), "{failure}");
    open.rollback().await.unwrap();
    // By now the connection of the try before is closed, or soon.
    while TargetLock::take(&pool, run, "you", 8).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
