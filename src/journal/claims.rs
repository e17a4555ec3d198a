//! The claim table: who may write to which run and target. Rows are never deleted, so that an
//! epoch is never given twice.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::SqliteConnection;

use super::values::{failed, number, run_id, run_target, stamp, time, unsigned};
use super::{Holder, JournalError, LEASE_SECONDS, Lease};
use crate::model::RunId;

/// Takes the run and its targets, or says who holds one.
pub(super) async fn take(
    tx: &mut SqliteConnection,
    run: RunId,
    targets: &[String],
    holder: &Holder,
) -> Result<Lease, JournalError> {
    let now = Utc::now();
    let mut names = vec![run_target(run)];
    names.extend_from_slice(targets);
    for target in &names {
        refuse_if_held(tx, target, now).await?;
    }
    let newest: Option<i64> = sqlx::query_scalar("SELECT max(epoch) FROM claim")
        .fetch_one(&mut *tx)
        .await
        .map_err(failed("read the newest epoch"))?;
    let epoch = newest.unwrap_or_default() + 1;
    for target in &names {
        sqlx::query("INSERT OR REPLACE INTO claim VALUES (?, ?, ?, ?, ?)")
            .bind(target)
            .bind(run.to_string())
            .bind(epoch)
            .bind(serde_json::to_string(holder)?)
            .bind(stamp(now + Duration::from_secs(LEASE_SECONDS)))
            .execute(&mut *tx)
            .await
            .map_err(failed("write a claim"))?;
    }
    let epoch = unsigned(epoch)?;
    Ok(Lease { run, epoch, targets: targets.to_vec(), holder: holder.clone() })
}

async fn refuse_if_held(
    tx: &mut SqliteConnection,
    target: &str,
    now: DateTime<Utc>,
) -> Result<(), JournalError> {
    type Row = (String, Option<String>, String);
    let row: Option<Row> =
        sqlx::query_as("SELECT run_id, holder, until FROM claim WHERE target = ?")
            .bind(target)
            .fetch_optional(&mut *tx)
            .await
            .map_err(failed("read a claim"))?;
    let Some((run, Some(json), until)) = row else { return Ok(()) };
    let holder: Holder = serde_json::from_str(&json)?;
    if time(&until)? <= now || holder.process.is_gone() {
        return Ok(());
    }
    let run = run_id(&run)?;
    Err(JournalError::Held { target: target.to_owned(), holder: Box::new(holder), run })
}

/// Refuses a lease that is not the newest on its run and on each of its targets.
pub(super) async fn check(tx: &mut SqliteConnection, lease: &Lease) -> Result<(), JournalError> {
    let held: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM claim WHERE run_id = ? AND epoch = ? AND holder IS NOT NULL",
    )
    .bind(lease.run.to_string())
    .bind(number(lease.epoch)?)
    .fetch_one(&mut *tx)
    .await
    .map_err(failed("read the claims of a run"))?;
    if unsigned(held)? == lease.names() {
        Ok(())
    } else {
        Err(JournalError::Stale { run: lease.run, epoch: lease.epoch })
    }
}

/// Moves the end of a lease.
pub(super) async fn hold_until(
    tx: &mut SqliteConnection,
    lease: &Lease,
    until: DateTime<Utc>,
) -> Result<(), JournalError> {
    sqlx::query("UPDATE claim SET until = ? WHERE run_id = ? AND epoch = ?")
        .bind(stamp(until))
        .bind(lease.run.to_string())
        .bind(number(lease.epoch)?)
        .execute(&mut *tx)
        .await
        .map_err(failed("renew a claim"))?;
    Ok(())
}

/// Gives a lease back; one that somebody else took stays theirs.
pub(super) async fn give_back(
    tx: &mut SqliteConnection,
    lease: &Lease,
) -> Result<(), JournalError> {
    sqlx::query("UPDATE claim SET holder = NULL WHERE run_id = ? AND epoch = ?")
        .bind(lease.run.to_string())
        .bind(number(lease.epoch)?)
        .execute(&mut *tx)
        .await
        .map_err(failed("give a claim back"))?;
    Ok(())
}
