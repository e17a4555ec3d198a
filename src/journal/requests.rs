//! The table of requests. A request is answered in the transaction that writes what it became, so
//! that a crash between the two loses nothing and does nothing twice.

use chrono::Utc;
use sqlx::{SqliteConnection, SqlitePool};

use super::values::{self, failed, number, stamp, unsigned};
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
    unsigned(seq)
}

/// The requests that have no answer, in order.
pub(super) async fn open(pool: &SqlitePool, run: RunId) -> Result<Vec<Request>, JournalError> {
    let rows: Vec<values::RequestRow> = sqlx::query_as(
        "SELECT seq, at, actor, kind, step, reason FROM request
         WHERE run_id = ? AND answered_at IS NULL ORDER BY seq",
    )
    .bind(run.to_string())
    .fetch_all(pool)
    .await
    .map_err(failed("read requests"))?;
    rows.into_iter().map(values::request).collect()
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
    let refused: Option<Option<String>> = sqlx::query_scalar(
        "SELECT refused FROM request WHERE run_id = ? AND seq = ? AND answered_at IS NOT NULL",
    )
    .bind(run.to_string())
    .bind(number(seq)?)
    .fetch_optional(pool)
    .await
    .map_err(failed("read an answer"))?;
    Ok(refused.map(|refused| Answer { seq, refused }))
}
