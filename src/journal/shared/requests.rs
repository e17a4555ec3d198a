//! The table of requests. A request is answered in the transaction that writes what it became.

use chrono::Utc;
use sqlx::{PgConnection, PgPool};

use crate::journal::values::{self, failed, number, stamp, unsigned};
use crate::journal::{Answer, JournalError, Lease, NewRequest, Request};
use crate::model::RunId;

/// Writes a request, and gives its number; one with the same token is written once.
pub(super) async fn write(
    tx: &mut PgConnection,
    run: RunId,
    asked: &NewRequest,
    token: &str,
) -> Result<u64, JournalError> {
    // So that two who ask at once do not take one number.
    sqlx::query("LOCK TABLE coppice_journal.request IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *tx)
        .await
        .map_err(failed("lock the requests"))?;
    let seq: i64 = sqlx::query_scalar(
        "INSERT INTO coppice_journal.request (run_id, seq, at, actor, kind, step, reason, token)
         VALUES ($1, (SELECT coalesce(max(seq), 0) + 1 FROM coppice_journal.request
             WHERE run_id = $1), $2, $3, $4, $5, $6, $7)
         ON CONFLICT (token) DO UPDATE SET token = excluded.token RETURNING seq",
    )
    .bind(run.to_string())
    .bind(stamp(Utc::now()))
    .bind(serde_json::to_string(&asked.actor)?)
    .bind(asked.kind.name())
    .bind(asked.step.as_ref().map(ToString::to_string))
    .bind(&asked.reason)
    .bind(token)
    .fetch_one(&mut *tx)
    .await
    .map_err(failed("write a request"))?;
    unsigned(seq)
}

/// The requests that have no answer, in order.
pub(super) async fn open(pool: &PgPool, run: RunId) -> Result<Vec<Request>, JournalError> {
    let rows: Vec<values::RequestRow> = sqlx::query_as(
        "SELECT seq, at, actor, kind, step, reason FROM coppice_journal.request
         WHERE run_id = $1 AND answered_at IS NULL ORDER BY seq",
    )
    .bind(run.to_string())
    .fetch_all(pool)
    .await
    .map_err(failed("read requests"))?;
    rows.into_iter().map(values::request).collect()
}

/// Answers a request, once.
pub(super) async fn answer(
    tx: &mut PgConnection,
    lease: &Lease,
    answer: &Answer,
) -> Result<(), JournalError> {
    let done = sqlx::query(
        "UPDATE coppice_journal.request SET answered_at = $1, refused = $2
         WHERE run_id = $3 AND seq = $4 AND answered_at IS NULL",
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
    connection: &mut PgConnection,
    run: RunId,
    seq: u64,
) -> Result<Option<Answer>, JournalError> {
    let refused: Option<Option<String>> = sqlx::query_scalar(
        "SELECT refused FROM coppice_journal.request
         WHERE run_id = $1 AND seq = $2 AND answered_at IS NOT NULL",
    )
    .bind(run.to_string())
    .bind(number(seq)?)
    .fetch_optional(connection)
    .await
    .map_err(failed("read an answer"))?;
    Ok(refused.map(|refused| Answer { seq, refused }))
}
