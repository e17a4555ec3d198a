//! The events of runs, as rows.

use sqlx::PgConnection;

use crate::journal::values::{EventRow, failed, number, stamp};
use crate::journal::{Event, EventKind, JournalError};
use crate::model::RunId;

/// Writes an event after those that are there.
pub(super) async fn insert(
    tx: &mut PgConnection,
    run: RunId,
    event: &Event,
) -> Result<(), JournalError> {
    if let EventKind::RunStarted(info) = &event.kind {
        sqlx::query("INSERT INTO coppice_journal.run VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(run.to_string())
            .bind(stamp(event.at))
            .bind(info.mode.to_string())
            .bind(&info.environment)
            .bind(info.plan_digest.to_string())
            .bind(info.graph.to_string())
            .execute(&mut *tx)
            .await
            .map_err(failed("write a run"))?;
    }
    let (seq, at, epoch, kind, body) = columns(event)?;
    sqlx::query("INSERT INTO coppice_journal.event VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(run.to_string())
        .bind(seq)
        .bind(at)
        .bind(epoch)
        .bind(kind)
        .bind(body)
        .execute(&mut *tx)
        .await
        .map_err(failed("write an event"))?;
    Ok(())
}

fn columns(event: &Event) -> Result<EventRow, JournalError> {
    let (kind, body) = event.kind.to_parts()?;
    let at = stamp(event.at);
    Ok((number(event.seq)?, at, number(event.epoch)?, kind, body.to_string()))
}

/// Whether this very event is written.
pub(super) async fn is_written(
    tx: &mut PgConnection,
    run: RunId,
    event: &Event,
) -> Result<bool, JournalError> {
    let found: Option<EventRow> = sqlx::query_as(
        "SELECT seq, at, epoch, kind, body FROM coppice_journal.event
         WHERE run_id = $1 AND seq = $2",
    )
    .bind(run.to_string())
    .bind(number(event.seq)?)
    .fetch_optional(&mut *tx)
    .await
    .map_err(failed("look for an event"))?;
    Ok(found == Some(columns(event)?))
}
