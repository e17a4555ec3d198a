use std::path::Path;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Row, Sqlite, SqliteConnection, Transaction};

use super::{
    Answer, Event, EventKind, Holder, Journal, JournalError, LEASE_SECONDS, Lease, NewRequest,
    Request, RunSummary,
};
use super::{claims, requests};
use crate::digest::{Algorithm, Digest};
use crate::model::{Outcome, RunId};

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

/// Says what was tried when the database failed.
pub(super) fn failed(doing: &'static str) -> impl Fn(sqlx::Error) -> JournalError {
    move |source| JournalError::Database { doing, source }
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
        sqlx::query(
            "SELECT seq, at, epoch, kind, body FROM event
             WHERE run_id = ? AND seq > ? ORDER BY seq",
        )
        .bind(run.to_string())
        .bind(seq)
        .fetch(&self.pool)
        .map_err(failed("read events"))
        .and_then(async |row| read_event(&row))
        .boxed()
    }

    async fn runs(&self) -> Result<Vec<RunSummary>, JournalError> {
        let rows = sqlx::query(
            "SELECT run.run_id, run.mode, run.environment, run.created_at,
                    event.at AS finished_at, event.body, claim.holder, claim.until
             FROM run
             LEFT JOIN event ON event.run_id = run.run_id AND event.kind = 'RunFinished'
                  AND NOT EXISTS (SELECT 1 FROM event AS later
                      WHERE later.run_id = event.run_id AND later.seq > event.seq
                      AND later.kind IN ('RunFinished', 'RunResumed'))
             LEFT JOIN claim ON claim.target = 'run:' || run.run_id
             ORDER BY run.created_at DESC, run.run_id DESC",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed("list the runs"))?;
        rows.iter().map(read_summary).collect()
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
        let found = match name.algorithm() {
            Algorithm::Blake3 => Digest::blake3(&bytes),
            Algorithm::Sha256 => Digest::sha256(&bytes),
        };
        if found == *name {
            Ok(bytes.into())
        } else {
            Err(JournalError::Damaged { what: format!("blob {name} holds {found}") })
        }
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

fn read_event(row: &SqliteRow) -> Result<Event, JournalError> {
    let get = failed("read an event");
    let body: String = row.try_get("body").map_err(&get)?;
    let kind: String = row.try_get("kind").map_err(&get)?;
    Ok(Event {
        seq: unsigned(row, "seq")?,
        at: row_time(row, "at")?,
        epoch: unsigned(row, "epoch")?,
        kind: EventKind::of_parts(kind, serde_json::from_str(&body)?)?,
    })
}

fn read_summary(row: &SqliteRow) -> Result<RunSummary, JournalError> {
    let get = failed("read a run");
    let text = |name: &str| row.try_get::<Option<String>, _>(name).map_err(&get);
    let run = text("run_id")?.unwrap_or_default();
    let mode = text("mode")?.unwrap_or_default();
    let damaged = |what: &str| JournalError::Damaged { what: format!("{what} of run {run}") };
    let outcome = text("body")?.map(|body| serde_json::from_str::<FinishedBody>(&body));
    let held = text("until")?.is_some_and(|until| until > stamp(Utc::now()));
    let holder: Option<Holder> = match text("holder")? {
        Some(json) if held => Some(serde_json::from_str(&json)?),
        _ => None,
    };
    let finished_at = match text("finished_at")? {
        Some(_) => Some(row_time(row, "finished_at")?),
        None => None,
    };
    Ok(RunSummary {
        run: run.parse().map_err(|_bad: uuid::Error| damaged("id"))?,
        mode: serde_json::from_value(mode.into())?,
        environment: text("environment")?.unwrap_or_default(),
        outcome: outcome.transpose()?.map(|body| body.outcome),
        started_at: row_time(row, "created_at")?,
        finished_at,
        holder: holder.filter(|holder| !holder.is_gone()),
    })
}

#[derive(serde::Deserialize)]
struct FinishedBody {
    outcome: Outcome,
}

/// Times as text of one width, so that their order is that of their bytes.
pub(super) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true)
}

pub(super) fn row_time(row: &SqliteRow, name: &str) -> Result<DateTime<Utc>, JournalError> {
    let text: String = row.try_get(name).map_err(failed("read a time"))?;
    let damaged = |_bad| JournalError::Damaged { what: format!("`{text}` is no time") };
    Ok(DateTime::parse_from_rfc3339(&text).map_err(damaged)?.to_utc())
}

pub(super) fn number(value: u64) -> Result<i64, JournalError> {
    let damaged = |_bad| JournalError::Damaged { what: format!("{value} is out of range") };
    i64::try_from(value).map_err(damaged)
}

pub(super) fn unsigned(row: &SqliteRow, name: &str) -> Result<u64, JournalError> {
    let value: i64 = row.try_get(name).map_err(failed("read a number"))?;
    let damaged = |_bad| JournalError::Damaged { what: format!("{value} is out of range") };
    u64::try_from(value).map_err(damaged)
}
