//! The claim table: who may write to which run and target, until when by the server's clock.

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::journal::values::{failed, number, run_id, run_target, unsigned};
use crate::journal::{Holder, JournalError, LEASE_SECONDS, Lease};
use crate::model::RunId;

/// Takes the run and its targets, or says who holds one. `again`: a former try may have taken them
/// for this very holder.
pub(super) async fn take(
    tx: &mut PgConnection,
    run: RunId,
    targets: &[String],
    holder: &Holder,
    again: bool,
) -> Result<Lease, JournalError> {
    // One at a time, so that two cannot both find a target free; renewals wait a moment.
    sqlx::query("LOCK TABLE coppice_journal.claim IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *tx)
        .await
        .map_err(failed("lock the claims"))?;
    let mut names = vec![run_target(run)];
    names.extend_from_slice(targets);
    refuse_if_held(tx, &names, run, holder, again).await?;
    let epoch: i64 = sqlx::query_scalar("SELECT nextval('coppice_journal.epoch')")
        .fetch_one(&mut *tx)
        .await
        .map_err(failed("take an epoch"))?;
    sqlx::query(
        "INSERT INTO coppice_journal.claim (target, run_id, epoch, holder, until)
         SELECT DISTINCT name, $2, $3, $4, clock_timestamp() + make_interval(secs => $5)
         FROM unnest($1) AS name
         ON CONFLICT (target) DO UPDATE SET run_id = excluded.run_id, epoch = excluded.epoch,
             holder = excluded.holder, until = excluded.until",
    )
    .bind(&names)
    .bind(run.to_string())
    .bind(epoch)
    .bind(serde_json::to_string(holder)?)
    .bind(seconds())
    .execute(&mut *tx)
    .await
    .map_err(failed("write a claim"))?;
    let epoch = unsigned(epoch)?;
    Ok(Lease { run, epoch, targets: targets.to_vec(), holder: holder.clone() })
}

fn seconds() -> f64 {
    std::time::Duration::from_secs(LEASE_SECONDS).as_secs_f64()
}

async fn refuse_if_held(
    tx: &mut PgConnection,
    names: &[String],
    run: RunId,
    holder: &Holder,
    again: bool,
) -> Result<(), JournalError> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT target, run_id, holder FROM coppice_journal.claim
         WHERE target = ANY($1) AND holder IS NOT NULL AND until > clock_timestamp()",
    )
    .bind(names)
    .fetch_all(&mut *tx)
    .await
    .map_err(failed("read the claims"))?;
    let mut held: HashMap<String, (String, String)> =
        rows.into_iter().map(|(target, run, by)| (target, (run, by))).collect();
    for target in names {
        let Some((of, by)) = held.remove(target) else { continue };
        let by: Holder = serde_json::from_str(&by)?;
        let of = run_id(&of)?;
        let own = again && of == run && by == *holder;
        if !own && !by.process.is_gone_from_this_boot() {
            let holder = Box::new(by);
            return Err(JournalError::Held { target: target.clone(), holder, run: of });
        }
    }
    Ok(())
}

/// Refuses a lease that is not the newest on its run and on each of its targets. Whoever would take
/// one over waits until this transaction has ended.
pub(super) async fn check(tx: &mut PgConnection, lease: &Lease) -> Result<(), JournalError> {
    let held: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT FROM coppice_journal.claim
         WHERE run_id = $1 AND epoch = $2 AND holder IS NOT NULL FOR SHARE) AS held",
    )
    .bind(lease.run.to_string())
    .bind(number(lease.epoch)?)
    .fetch_one(&mut *tx)
    .await
    .map_err(failed("read the claims of a run"))?;
    all_held(lease, unsigned(held)?)
}

fn all_held(lease: &Lease, held: u64) -> Result<(), JournalError> {
    if held == lease.names() {
        Ok(())
    } else {
        Err(JournalError::Stale { run: lease.run, epoch: lease.epoch })
    }
}

/// Moves the end of a lease, all of it or nothing.
pub(super) async fn renew(tx: &mut PgConnection, lease: &Lease) -> Result<(), JournalError> {
    let done = sqlx::query(
        "UPDATE coppice_journal.claim SET until = clock_timestamp() + make_interval(secs => $3)
         WHERE run_id = $1 AND epoch = $2 AND holder IS NOT NULL",
    )
    .bind(lease.run.to_string())
    .bind(number(lease.epoch)?)
    .bind(seconds())
    .execute(&mut *tx)
    .await
    .map_err(failed("renew a claim"))?;
    all_held(lease, done.rows_affected())
}

/// Gives a lease back; one that somebody else took stays theirs.
pub(super) async fn give_back(tx: &mut PgConnection, lease: &Lease) -> Result<(), JournalError> {
    sqlx::query("UPDATE coppice_journal.claim SET holder = NULL WHERE run_id = $1 AND epoch = $2")
        .bind(lease.run.to_string())
        .bind(number(lease.epoch)?)
        .execute(&mut *tx)
        .await
        .map_err(failed("give a claim back"))?;
    Ok(())
}
