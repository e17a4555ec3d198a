use std::path::Path;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::Utc;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::values::{self, failed, number, stamp};
use super::{
    Answer, Event, EventKind, Holder, Journal, JournalError, LEASE_SECONDS, Lease, NewRequest,
    Request, RunSummary,
};
use super::{claims, requests};
use crate::digest::Digest;
use crate::model::RunId;

/// The format that this version writes, kept in `PRAGMA user_version`.
const FORMAT: i64 = 2;

/// How long one process waits for another one's transaction.
const BUSY: Duration = Duration::from_secs(20);

/// Each table is of the first format, but for `request`, which came with the second.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS run (
    run_id TEXT PRIMARY KEY, created_at TEXT NOT NULL, mode TEXT NOT NULL,
    environment TEXT NOT NULL, plan_digest TEXT NOT NULL, graph_digest TEXT NOT NULL,
    format INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS event (
    run_id TEXT NOT NULL, seq INTEGER NOT NULL, at TEXT NOT NULL, epoch INTEGER NOT NULL,
    kind TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blob (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS claim (
    target TEXT PRIMARY KEY, run_id TEXT NOT NULL, epoch INTEGER NOT NULL,
    holder TEXT, until TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS request (
    run_id TEXT NOT NULL, seq INTEGER NOT NULL, at TEXT NOT NULL, actor TEXT NOT NULL,
    kind TEXT NOT NULL, step TEXT, reason TEXT NOT NULL, answered_at TEXT, refused TEXT,
    PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;
";

/// A journal in one SQLite file, shared by the processes of one machine.
#[derive(Debug, Clone)]
pub(crate) struct SqliteJournal {
    pool: SqlitePool,
}

impl SqliteJournal {
    /// Opens `journal.sqlite` in the state directory; makes both when they are not there.
    pub(crate) async fn open(state: &Path) -> Result<Self, JournalError> {
        let file = state.join("journal.sqlite");
        make_private(state, &file)
            .map_err(|source| JournalError::Open { path: file.display().to_string(), source })?;
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY);
        let started = Instant::now();
        loop {
            // The change to WAL does not wait as transactions do.
            match Self::connect(options.clone()).await {
                Err(error) if error.is_busy() && started.elapsed() < BUSY => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                done => return done,
            }
        }
    }

    async fn connect(options: SqliteConnectOptions) -> Result<Self, JournalError> {
        let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await;
        let journal = Self { pool: pool.map_err(failed("open the journal"))? };
        let mut tx = journal.begin().await?;
        let found: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut *tx)
            .await
            .map_err(failed("read the journal's format"))?;
        if found > FORMAT {
            return Err(JournalError::Newer { found, known: FORMAT });
        }
        if found < FORMAT {
            let make = async |tx: &mut SqliteConnection| {
                sqlx::raw_sql(TABLES).execute(&mut *tx).await?;
                sqlx::raw_sql("PRAGMA user_version = 2").execute(&mut *tx).await
            };
            make(&mut tx).await.map_err(failed("make the journal's tables"))?;
        }
        tx.commit().await.map_err(failed("make the journal's tables"))?;
        Ok(journal)
    }

    /// Begins to write at once: a transaction that first reads cannot wait for a writer.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, JournalError> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed("begin a transaction"))
    }
}

/// Events may name what only some may see.
fn make_private(state: &Path, file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::create_dir_all(state)?;
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(file).map(drop)
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn claim(
        &self,
        run: RunId,
        targets: &[String],
        holder: &Holder,
    ) -> Result<Lease, JournalError> {
        let mut tx = self.begin().await?;
        let lease = claims::take(&mut tx, run, targets, holder).await?;
        tx.commit().await.map_err(failed("write a claim"))?;
        Ok(lease)
    }

    async fn renew(&self, lease: &Lease) -> Result<(), JournalError> {
        let until = Utc::now() + Duration::from_secs(LEASE_SECONDS);
        let mut tx = self.begin().await?;
        claims::check(&mut tx, lease).await?;
        claims::hold_until(&mut tx, lease, until).await?;
        tx.commit().await.map_err(failed("renew a claim"))
    }

    async fn release(&self, lease: &Lease) -> Result<(), JournalError> {
        let mut tx = self.begin().await?;
        claims::give_back(&mut tx, lease).await?;
        tx.commit().await.map_err(failed("give a claim back"))
    }

    async fn record(
        &self,
        lease: &Lease,
        events: &[Event],
        answers: &[Answer],
    ) -> Result<(), JournalError> {
        let mut tx = self.begin().await?;
        claims::check(&mut tx, lease).await?;
        for event in events {
            if event.epoch != lease.epoch {
                return Err(JournalError::Stale { run: lease.run, epoch: event.epoch });
            }
            insert(&mut tx, lease.run, event).await?;
        }
        for answer in answers {
            requests::answer(&mut tx, lease, answer).await?;
        }
        tx.commit().await.map_err(failed("write events"))
    }

    async fn ask(&self, run: RunId, asked: &NewRequest) -> Result<u64, JournalError> {
        let mut tx = self.begin().await?;
        let seq = requests::write(&mut tx, run, asked).await?;
        tx.commit().await.map_err(failed("write a request"))?;
        Ok(seq)
    }

    async fn requests(&self, run: RunId) -> Result<Vec<Request>, JournalError> {
        requests::open(&self.pool, run).await
    }

    async fn answer(&self, run: RunId, seq: u64) -> Result<Option<Answer>, JournalError> {
        requests::answer_to(&self.pool, run, seq).await
    }

    fn replay_after(&self, run: RunId, seq: u64) -> BoxStream<'_, Result<Event, JournalError>> {
        // A number that no event can have is after all of them.
        let seq = i64::try_from(seq).unwrap_or(i64::MAX);
        sqlx::query_as(
            "SELECT seq, at, epoch, kind, body FROM event
             WHERE run_id = ? AND seq > ? ORDER BY seq",
        )
        .bind(run.to_string())
        .bind(seq)
        .fetch(&self.pool)
        .map_err(failed("read events"))
        .and_then(async |row| values::event(row))
        .boxed()
    }

    async fn runs(&self) -> Result<Vec<RunSummary>, JournalError> {
        let rows: Vec<values::SummaryRow> = sqlx::query_as(
            "SELECT run.run_id, run.mode, run.environment, run.created_at, event.at, event.body,
                    CASE WHEN claim.until > ? THEN claim.holder END
             FROM run
             LEFT JOIN event ON event.run_id = run.run_id AND event.kind = 'RunFinished'
                  AND NOT EXISTS (SELECT 1 FROM event AS later
                      WHERE later.run_id = event.run_id AND later.seq > event.seq
                      AND later.kind IN ('RunFinished', 'RunResumed'))
             LEFT JOIN claim ON claim.target = 'run:' || run.run_id
             ORDER BY run.created_at DESC, run.run_id DESC",
        )
        .bind(stamp(Utc::now()))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("list the runs"))?;
        let living = |line: RunSummary| RunSummary {
            holder: line.holder.filter(|holder| !holder.process.is_gone()),
            ..line
        };
        rows.into_iter().map(|row| values::summary(row).map(living)).collect()
    }

    async fn put(&self, bytes: Bytes) -> Result<Digest, JournalError> {
        let name = Digest::blake3(&bytes);
        sqlx::query("INSERT OR IGNORE INTO blob (digest, bytes) VALUES (?, ?)")
            .bind(name.to_string())
            .bind(&bytes[..])
            .execute(&self.pool)
            .await
            .map_err(failed("write a journal blob"))?;
        Ok(name)
    }

    async fn get(&self, name: &Digest) -> Result<Bytes, JournalError> {
        let bytes: Option<Vec<u8>> = sqlx::query_scalar("SELECT bytes FROM blob WHERE digest = ?")
            .bind(name.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read a journal blob"))?;
        let bytes = bytes.ok_or(JournalError::NoSuchBlob { name: *name })?;
        values::checked(name, bytes)
    }
}

async fn insert(tx: &mut SqliteConnection, run: RunId, event: &Event) -> Result<(), JournalError> {
    let (kind, body) = event.kind.to_parts()?;
    if let EventKind::RunStarted(info) = &event.kind {
        sqlx::query("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(run.to_string())
            .bind(stamp(event.at))
            .bind(info.mode.to_string())
            .bind(&info.environment)
            .bind(info.plan_digest.to_string())
            .bind(info.graph.to_string())
            .bind(FORMAT)
            .execute(&mut *tx)
            .await
            .map_err(failed("write a run"))?;
    }
    sqlx::query("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)")
        .bind(run.to_string())
        .bind(number(event.seq)?)
        .bind(stamp(event.at))
        .bind(number(event.epoch)?)
        .bind(kind)
        .bind(body.to_string())
        .execute(&mut *tx)
        .await
        .map_err(failed("write an event"))?;
    Ok(())
}
