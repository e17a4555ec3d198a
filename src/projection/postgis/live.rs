//! What is live of all jobs of a database, and what was put around it.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use super::PostgisError;
use crate::digest::Digest;
use crate::model::{JobId, Sink, TableSink};
use crate::postgres::PgError;
use crate::projection::{Refusal, StageContext};

type Result<T> = std::result::Result<T, PostgisError>;

/// The live generations, with the tables that they are shown as.
pub(super) type LiveTables = BTreeMap<JobId, (Digest, TableSink)>;

/// Reads what is live of all jobs.
pub(super) async fn live_tables(connection: &mut PgConnection) -> Result<LiveTables> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT g.job, g.generation, g.sink::text FROM coppice.live l \
         JOIN coppice.generations g ON g.job = l.job AND g.generation = l.generation",
    )
    .fetch_all(connection)
    .await
    .map_err(PgError::sql("read what is live"))?;
    let mut live = LiveTables::new();
    for (job, generation, sink) in rows {
        // One that cannot be read is told where its own job is asked for.
        let (Ok(job), Ok(generation)) = (job.parse::<JobId>(), generation.parse::<Digest>()) else {
            continue;
        };
        if let Ok(Sink::Postgis(table)) = serde_json::from_str(&sink) {
            live.insert(job, (generation, table));
        }
    }
    Ok(live)
}

/// Makes sure that no other run, and no later holder of this one, has taken the database since: the
/// row is kept as it is until the transaction ends, and a lock that is taken writes it.
pub(super) async fn fence(connection: &mut PgConnection, cx: &StageContext) -> Result<()> {
    let holder: Option<(String, String, i64)> =
        sqlx::query_as("SELECT run_id::text, holder, epoch FROM coppice.holder FOR SHARE")
            .fetch_optional(connection)
            .await
            .map_err(PgError::sql("ask who holds the database"))?;
    let Some((run, holder, epoch)) = holder else { return Ok(()) };
    if run != cx.run.to_string() {
        return Err(PostgisError::Overtaken { run: cx.run, by: format!("run {run} ({holder})") });
    }
    let theirs = u64::try_from(epoch).unwrap_or(0);
    if theirs > cx.epoch {
        return Err(Refusal::Stale { run: cx.run, ours: cx.epoch, theirs }.into());
    }
    Ok(())
}

/// Records what was put around a generation.
pub(super) async fn record_sink(
    connection: &mut PgConnection,
    job: &JobId,
    generation: &Digest,
    table: &TableSink,
) -> Result<()> {
    let malformed = |_| PostgisError::Malformed { job: job.to_string() };
    let sink = serde_json::to_string(&Sink::Postgis(table.clone())).map_err(malformed)?;
    sqlx::query(
        "UPDATE coppice.generations SET sink = $3::json WHERE job = $1 AND generation = $2",
    )
    .bind(job.as_str())
    .bind(generation.to_string())
    .bind(sink)
    .execute(connection)
    .await
    .map_err(PgError::sql("record what was put around a generation"))?;
    Ok(())
}
