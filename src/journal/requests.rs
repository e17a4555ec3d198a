//! The table of requests. A request is answered in the transaction that writes what it became, so
//! that a crash between the two loses nothing and does nothing twice.

use chrono::Utc;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};

use super::sqlite::{failed, number, row_time, stamp, unsigned};
use super::{Answer, JournalError, Lease, NewRequest, Request};
use crate::model::RunId;

/// Writes a request, and gives its number.
pub(super) async fn write(
    tx: &mut SqliteConnection,
    run: RunId,
    asked: &NewRequest,
) -> Result<u64, JournalError> {
    let newest: Option<i64> = sqlx::query_scalar("SELECT max(seq) FROM request WHERE run_id = ?")
        .bind(run.to_string())
        .fetch_one(&mut *tx)
        .await
        .map_err(failed("number a request"))?;
    let seq = newest.unwrap_or_default() + 1;
    sqlx::query("INSERT INTO request VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)")
        .bind(run.to_string())
        .bind(seq)
        .bind(stamp(Utc::now()))
        .bind(serde_json::to_string(&asked.actor)?)
        .bind(asked.kind.name())
        .bind(asked.step.as_ref().map(ToString::to_string))
        .bind(&asked.reason)
        .execute(&mut *tx)
        .await
        .map_err(failed("write a request"))?;
    u64::try_from(seq).map_err(|_negative| JournalError::Damaged { what: format!("request {seq}") })
}

/// The requests that have no answer, in order.
pub(super) async fn open(pool: &SqlitePool, run: RunId) -> Result<Vec<Request>, JournalError> {
    let rows = sqlx::query(
        "SELECT seq, at, actor, kind, step, reason FROM request
         WHERE run_id = ? AND answered_at IS NULL ORDER BY seq",
    )
    .bind(run.to_string())
    .fetch_all(pool)
    .await
    .map_err(failed("read requests"))?;
    rows.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<Request, JournalError> {
    let get = failed("read a request");
    let text = |name: &str| row.try_get::<String, _>(name).map_err(&get);
    let seq = unsigned(row, "seq")?;
    let step = match row.try_get::<Option<String>, _>("step").map_err(&get)? {
        None => None,
        Some(id) => Some(id.parse().map_err(|_bad| JournalError::Damaged {
            what: format!("request {seq} names no step: `{id}`"),
        })?),
    };
    let asked = NewRequest {
        kind: serde_json::from_value(text("kind")?.into())?,
        step,
        actor: serde_json::from_str(&text("actor")?)?,
        reason: text("reason")?,
    };
    Ok(Request { seq, at: row_time(row, "at")?, asked })
}

/// Answers a request, once.
pub(super) async fn answer(
    tx: &mut SqliteConnection,
    lease: &Lease,
    answer: &Answer,
) -> Result<(), JournalError> {
    let done = sqlx::query(
        "UPDATE request SET answered_at = ?, refused = ?
         WHERE run_id = ? AND seq = ? AND answered_at IS NULL",
    )
    .bind(stamp(Utc::now()))
    .bind(&answer.refused)
    .bind(lease.run.to_string())
    .bind(number(answer.seq)?)
    .execute(&mut *tx)
    .await
    .map_err(failed("answer a request"))?;
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(JournalError::Damaged { what: format!("request {} is not open", answer.seq) })
    }
}

/// What became of a request; `None`: nobody answered it yet.
pub(super) async fn answer_to(
    pool: &SqlitePool,
    run: RunId,
    seq: u64,
) -> Result<Option<Answer>, JournalError> {
    let row = sqlx::query(
        "SELECT refused FROM request WHERE run_id = ? AND seq = ? AND answered_at IS NOT NULL",
    )
    .bind(run.to_string())
    .bind(number(seq)?)
    .fetch_optional(pool)
    .await
    .map_err(failed("read an answer"))?;
    let Some(row) = row else { return Ok(None) };
    let refused = row.try_get("refused").map_err(failed("read an answer"))?;
    Ok(Some(Answer { seq, refused }))
}
