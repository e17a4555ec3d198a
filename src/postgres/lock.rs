//! Keeps two runs off one database: an advisory lock that lives as long as its connection, so a
//! dead run frees it.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection, PgPool};

use super::connect::{PgError, execute};
use super::environment::ensure_registry;
use super::quote::{Part, sql};
use crate::model::{Code, Failure, RunId};

/// One lock for the database.
const RUN_LOCK: i64 = 0x636f_7070_6963_6502;
/// How long a transaction of a former holder, which outlives its lock, is waited for. Longer than
/// the server bears one whose process stands still: such a one is over by then.
const FORMER: Duration = Duration::from_secs(20);

/// Why a run may not use the database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Another run has it.
    #[error("another run holds the database: {0}")]
    Held(String),
    /// It was ours, and is not any more.
    #[error("the lock on the database was lost")]
    Lost(#[source] Option<sqlx::Error>),
    /// The database does not answer as it should.
    #[error(transparent)]
    Server(#[from] PgError),
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held(_) => Self::fenced(Code::Locked, error.to_string())
                .hint("wait for that run, or stop it, then try again"),
            LockError::Lost(_) => Self::fenced(Code::Locked, error.to_string())
                .because(&error)
                .hint("nothing more was written; `coppice resume` takes the lock anew"),
            LockError::Server(error) => error.into(),
        }
    }
}

/// The right of one run to write to a database. Dropped, it ends with its connection.
#[derive(Debug)]
pub(crate) struct TargetLock {
    connection: PgConnection,
}

impl TargetLock {
    /// Takes the lock, or says who holds it. Waits for nobody but a former holder whose last
    /// transaction is not over yet, and for him not long.
    pub(crate) async fn take(
        pool: &PgPool,
        run: RunId,
        holder: &str,
        epoch: u64,
    ) -> Result<Self, LockError> {
        Self::take_within(FORMER, pool, run, holder, epoch).await
    }

    /// The same, with another time for the former holder.
    pub(super) async fn take_within(
        wait: Duration,
        pool: &PgPool,
        run: RunId,
        holder: &str,
        epoch: u64,
    ) -> Result<Self, LockError> {
        let failed = PgError::sql("lock the database for the run");
        ensure_registry(pool).await?;
        // A connection outside the pool: it is never given back while the lock is held.
        let options = pool.connect_options();
        let mut connection = PgConnection::connect_with(&options).await.map_err(&failed)?;
        let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(RUN_LOCK)
            .fetch_one(&mut connection)
            .await
            .map_err(&failed)?;
        if !taken {
            return Err(LockError::Held(held_by(&mut connection).await?));
        }
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let bound = sql("SET lock_timeout = {}", &[Part::Int(millis)]);
        execute(&mut connection, "bound the wait for a former holder", &bound).await?;
        let written = sqlx::query(
            "INSERT INTO coppice.holder (run_id, holder, epoch) VALUES ($1::uuid, $2, $3) \
             ON CONFLICT (one) DO UPDATE SET run_id = excluded.run_id, \
             holder = excluded.holder, epoch = excluded.epoch, since = now()",
        )
        .bind(run.to_string())
        .bind(holder)
        .bind(i64::try_from(epoch).unwrap_or(i64::MAX))
        .execute(&mut connection)
        .await
        .map_err(&failed);
        match written {
            Ok(_) => Ok(Self { connection }),
            Err(error) if error.sqlstate().as_deref() == Some("55P03") => {
                Err(LockError::Held(not_let_go(&mut connection).await?))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes sure that the lock is still there. Asked of the server and not of the connection: one
    /// that was cut, or a pooler between, may have lost it without a word.
    pub(crate) async fn check(&mut self) -> Result<(), LockError> {
        let held = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted \
             AND pid = pg_backend_pid() AND objsubid = 1 \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
             AND ((classid::bigint << 32) | objid::bigint) = $1)",
        )
        .bind(RUN_LOCK)
        .fetch_one(&mut self.connection)
        .await;
        match held {
            Ok(true) => Ok(()),
            Ok(false) => Err(LockError::Lost(None)),
            Err(error) => Err(LockError::Lost(Some(error))),
        }
    }

    #[cfg(test)]
    pub(crate) async fn unlock_behind_its_back(&mut self) {
        sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut self.connection).await.unwrap();
    }

    /// Gives the lock back. With a connection that is gone the lock is gone too.
    pub(crate) async fn release(self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "the connection of the lock was gone already");
        }
    }
}

/// Says which run holds the database, if one does; changes nothing.
pub(crate) async fn held(pool: &PgPool) -> Result<Option<String>, PgError> {
    let failed = PgError::sql("ask who holds the database");
    let mut connection = pool.acquire().await.map_err(&failed)?;
    let held: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted \
         AND objsubid = 1 \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND ((classid::bigint << 32) | objid::bigint) = $1)",
    )
    .bind(RUN_LOCK)
    .fetch_one(&mut *connection)
    .await
    .map_err(&failed)?;
    if held { Ok(Some(held_by(&mut connection).await?)) } else { Ok(None) }
}

async fn held_by(connection: &mut PgConnection) -> Result<String, PgError> {
    let row: Option<String> = sqlx::query_scalar(
        "SELECT 'run ' || run_id || ' (' || holder || ') since ' || \
         to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM coppice.holder",
    )
    .fetch_optional(connection)
    .await
    .map_err(PgError::sql("ask who holds the database"))?;
    Ok(row.unwrap_or_else(|| "a run that has not yet said which".to_owned()))
}

/// Who keeps the record of who holds the database, after his lock went: his run, the sessions, and
/// how they are ended. While he keeps it, it names him.
async fn not_let_go(connection: &mut PgConnection) -> Result<String, PgError> {
    let pids: Vec<i32> = sqlx::query_scalar(
        "SELECT DISTINCT pid FROM pg_locks WHERE granted AND pid <> pg_backend_pid() \
         AND relation = 'coppice.holder'::regclass AND mode <> 'AccessShareLock' \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         ORDER BY 1",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(PgError::sql("ask who holds the database"))?;
    let run = held_by(connection).await?;
    let ends: Vec<_> =
        pids.iter().map(|pid| format!("SELECT pg_terminate_backend({pid})")).collect();
    let ends = match ends.as_slice() {
        [] => "it is over by now".to_owned(),
        _ => format!("if its process is gone or hangs: {}", ends.join("; ")),
    };
    Ok(format!("{run}, whose last transaction is not over yet; {ends}"))
}
