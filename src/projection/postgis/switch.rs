//! Puts a set of generations live, or proves that it could be done, in one transaction.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection, PgPool};

use super::{PostgisError, readers, registry, show, table};
use crate::digest::Digest;
use crate::model::{JobId, Sink, TableSink};
use crate::postgres::{PgError, execute, has_registry, sql};
use crate::projection::{Change, Refusal, StageContext};

/// How long locks that others hold are waited for before the decision, when giving up is free.
const BEFORE: Duration = Duration::from_secs(30);
/// How long after it: a reader in the middle of a long query delays a switch, and stops none.
const AFTER: Duration = Duration::from_mins(15);
/// Between two tries readers get through.
const PAUSE: Duration = Duration::from_secs(5);

type Result<T> = std::result::Result<T, PostgisError>;

/// Does the whole switch and takes it back: what could be in its way has then shown.
pub(super) async fn prepare(pool: &PgPool, set: &[Change]) -> Result<()> {
    if !has_registry(pool).await? {
        return match set.iter().find_map(|change| Some((&change.job, change.to.or(change.from)?))) {
            Some((job, generation)) => Err(Refusal::absent(job, &generation).into()),
            None => Ok(()),
        };
    }
    patiently(pool, set, None).await
}

/// Puts the set live.
pub(super) async fn switch(pool: &PgPool, set: &[Change], cx: &StageContext) -> Result<()> {
    crate::postgres::ensure_registry(pool).await?;
    patiently(pool, set, Some(cx)).await
}

/// A lock is waited for shortly and tried again, because readers that come after a waiting switch
/// wait behind it.
async fn patiently(pool: &PgPool, set: &[Change], cx: Option<&StageContext>) -> Result<()> {
    let (began, patience) = (Instant::now(), if cx.is_some() { AFTER } else { BEFORE });
    for tries in 1u32.. {
        let error = match attempt(pool, set, cx).await {
            Err(error) if error.is_lock() => error,
            ended => return ended,
        };
        let holders = readers::of(pool, set).await?;
        if began.elapsed() > patience {
            return Err(PostgisError::Held { holders, source: Box::new(error) });
        }
        tracing::warn!(%holders, tries, "what is live cannot be locked yet; trying again");
        let pause = tokio::time::sleep(Duration::from_millis(100 << tries.min(6)).min(PAUSE));
        let Some(cx) = cx else {
            pause.await;
            continue;
        };
        if cx.cancel.run_until_cancelled(pause).await.is_none() {
            return Err(PostgisError::Cancelled);
        }
    }
    Ok(())
}

async fn attempt(pool: &PgPool, set: &[Change], cx: Option<&StageContext>) -> Result<()> {
    let failed = PgError::sql("switch what is live");
    let mut connection = pool.acquire().await.map_err(&failed)?;
    let mut transaction = connection.begin().await.map_err(&failed)?;
    let lock = sql(
        "SET LOCAL lock_timeout = '2s'; LOCK TABLE coppice.live IN SHARE ROW EXCLUSIVE MODE",
        &[],
    );
    execute(&mut transaction, "lock what is live", &lock).await?;
    let (mut pending, mut standing) = (Vec::new(), Vec::new());
    for change in set {
        let live = registry::live(&mut transaction, &change.job).await?;
        if let Some(cx) = cx {
            live.fence(cx)?;
        }
        if live.generation == change.to {
            standing.extend(change.to.map(|generation| (&change.job, generation)));
            continue;
        }
        if live.generation != change.from {
            let job = change.job.clone();
            return Err(Refusal::NotFormer { job, live: live.generation }.into());
        }
        pending.push(change);
    }
    // Names go first: one job may take the name that another gives up.
    for change in &pending {
        hide(&mut transaction, change).await?;
    }
    for change in &pending {
        if let Some(to) = change.to {
            let table = proven_table(&mut transaction, &change.job, &to).await?;
            show::show(&mut transaction, &change.job, &to, &table).await?;
        }
        if let Some(cx) = cx {
            let (to, from) = (change.to, change.from);
            registry::set_live(&mut transaction, &change.job, to, from, cx).await?;
            registry::mark_shown(&mut transaction, &change.job, [to, from]).await?;
        }
    }
    for (job, generation) in standing {
        // Live by the record, though somebody may have dropped the view.
        let table = proven_table(&mut transaction, job, &generation).await?;
        if !show::is_shown(&mut transaction, job, &generation, &table).await? {
            show::show(&mut transaction, job, &generation, &table).await?;
        }
    }
    match cx {
        Some(_) => transaction.commit().await.map_err(&failed)?,
        None => transaction.rollback().await.map_err(&failed)?,
    }
    Ok(())
}

/// Takes the former name away, where it is not the new one too.
async fn hide(connection: &mut PgConnection, change: &Change) -> Result<()> {
    let Some(from) = change.from else { return Ok(()) };
    let Some(old) = registry::recorded(connection, &change.job, &from).await? else {
        return Ok(());
    };
    let old = table::table_of(&old.sink)?.clone();
    let stays = match change.to {
        Some(to) => {
            let new = proven_table(connection, &change.job, &to).await?;
            (&new.schema, &new.table) == (&old.schema, &old.table)
        }
        None => false,
    };
    if stays { Ok(()) } else { show::remove(connection, &change.job, &old).await }
}

/// The table of a generation that may go live: nothing is live without a proof.
async fn proven_table(
    connection: &mut PgConnection,
    job: &JobId,
    generation: &Digest,
) -> Result<TableSink> {
    let recorded = registry::recorded(connection, job, generation).await?;
    let recorded = recorded.ok_or_else(|| Refusal::absent(job, generation))?;
    if !recorded.proof.as_ref().is_some_and(|proof| proof.proven) {
        return Err(Refusal::unproven(job, generation).into());
    }
    let Sink::Postgis(_) = &recorded.sink else {
        return Err(PostgisError::Malformed { job: job.clone() });
    };
    Ok(table::table_of(&recorded.sink)?.clone())
}
