//! What the target itself remembers: the generations with their proofs, and which are live.

use std::collections::BTreeMap;

use chrono::DateTime;
use sqlx::PgConnection;

use super::PostgisError;
use crate::digest::Digest;
use crate::model::{JobId, Proof, RunId, Sink};
use crate::postgres::PgError;
use crate::projection::{Generation, LastSwitch, Refusal, StageContext, Stored};

type Result<T> = std::result::Result<T, PostgisError>;

/// What is recorded of a generation.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    /// What it was built for; the plan's sink may by now be another.
    pub(super) sink: Sink,
    /// There once the generation is complete.
    pub(super) proof: Option<Proof>,
    run_id: String,
    epoch: i64,
}

/// What is live of a job.
#[derive(Debug, Clone, Default)]
pub(super) struct Live {
    pub(super) generation: Option<Digest>,
    former: Option<Digest>,
    run_id: String,
    epoch: i64,
    micros: i64,
}

impl Recorded {
    pub(super) fn fence(&self, cx: &StageContext) -> Result<()> {
        fence(&self.run_id, self.epoch, cx)
    }
}

impl Live {
    /// By whom it was switched; `None` where it never was.
    pub(super) fn last_switch(&self) -> Option<LastSwitch> {
        let run = self.run_id.parse().ok()?;
        let at = DateTime::from_timestamp_micros(self.micros)?;
        Some(LastSwitch { former: self.former, run, at })
    }

    pub(super) fn fence(&self, cx: &StageContext) -> Result<()> {
        fence(&self.run_id, self.epoch, cx)
    }
}

/// A process that lost its run to a later one is stopped by the fencing token. Tokens of two runs
/// come from two journals and say nothing about each other; those are kept apart by the lock on
/// the database and by the compare on what is live.
fn fence(run_id: &str, epoch: i64, cx: &StageContext) -> Result<()> {
    let theirs = u64::try_from(epoch).unwrap_or(0);
    if run_id == cx.run.to_string() && theirs > cx.epoch {
        return Err(Refusal::Stale { run: cx.run, ours: cx.epoch, theirs }.into());
    }
    Ok(())
}

fn digest(job: &JobId, text: Option<String>) -> Result<Option<Digest>> {
    let malformed = || PostgisError::Malformed { job: job.to_string() };
    text.map(|text| text.parse().ok().ok_or_else(malformed)).transpose()
}

fn epoch_of(cx: &StageContext) -> i64 {
    i64::try_from(cx.epoch).unwrap_or(i64::MAX)
}

/// Reads what is recorded of a generation.
pub(super) async fn recorded(
    connection: &mut PgConnection,
    job: &JobId,
    generation: &Digest,
) -> Result<Option<Recorded>> {
    let row: Option<(String, Option<String>, String, i64)> = sqlx::query_as(
        "SELECT sink::text, CASE state WHEN 'complete' THEN proof::text END, run_id::text, epoch \
         FROM coppice.generations WHERE job = $1 AND generation = $2",
    )
    .bind(job.as_str())
    .bind(generation.to_string())
    .fetch_optional(connection)
    .await
    .map_err(PgError::sql("read the record of a generation"))?;
    let Some((sink, proof, run_id, epoch)) = row else { return Ok(None) };
    let malformed = || PostgisError::Malformed { job: job.to_string() };
    let sink = serde_json::from_str(&sink).ok().ok_or_else(malformed)?;
    let proof = proof.map(|text| serde_json::from_str(&text).ok().ok_or_else(malformed));
    Ok(Some(Recorded { sink, proof: proof.transpose()?, run_id, epoch }))
}

/// Records a generation that is staged.
pub(super) async fn record_staged(
    connection: &mut PgConnection,
    generation: &Generation,
    cx: &StageContext,
) -> Result<()> {
    let malformed = |_| PostgisError::Malformed { job: generation.job.to_string() };
    let sink = serde_json::to_string(&generation.sink).map_err(malformed)?;
    sqlx::query(
        "INSERT INTO coppice.generations (job, generation, sink, state, run_id, epoch) \
         VALUES ($1, $2, $3::json, 'staged', $4::uuid, $5)",
    )
    .bind(generation.job.as_str())
    .bind(generation.digest.to_string())
    .bind(sink)
    .bind(cx.run.to_string())
    .bind(epoch_of(cx))
    .execute(connection)
    .await
    .map_err(PgError::sql("record a staged generation"))?;
    Ok(())
}

/// Records the proof of a staged generation; says whether there was one to record it of.
pub(super) async fn record_proof(
    connection: &mut PgConnection,
    generation: &Generation,
    proof: &Proof,
) -> Result<bool> {
    let malformed = |_| PostgisError::Malformed { job: generation.job.to_string() };
    let proof = serde_json::to_string(proof).map_err(malformed)?;
    let done = sqlx::query(
        "UPDATE coppice.generations SET state = 'complete', proof = $3::json \
         WHERE job = $1 AND generation = $2",
    )
    .bind(generation.job.as_str())
    .bind(generation.digest.to_string())
    .bind(proof)
    .execute(connection)
    .await
    .map_err(PgError::sql("record a proof"))?;
    Ok(done.rows_affected() == 1)
}

/// Takes the proof of a generation away.
pub(super) async fn revoke_proof(
    connection: &mut PgConnection,
    job: &JobId,
    generation: &Digest,
) -> Result<()> {
    sqlx::query(
        "UPDATE coppice.generations SET state = 'staged', proof = NULL \
         WHERE job = $1 AND generation = $2",
    )
    .bind(job.as_str())
    .bind(generation.to_string())
    .execute(connection)
    .await
    .map_err(PgError::sql("take a proof away"))?;
    Ok(())
}

/// Lists the generations of a job.
pub(super) async fn stored(connection: &mut PgConnection, job: &JobId) -> Result<Vec<Stored>> {
    let rows: Vec<(String, String, bool, bool)> = sqlx::query_as(
        "SELECT generation, run_id::text, state = 'complete', was_live \
         FROM coppice.generations WHERE job = $1",
    )
    .bind(job.as_str())
    .fetch_all(connection)
    .await
    .map_err(PgError::sql("list the generations of a job"))?;
    let malformed = || PostgisError::Malformed { job: job.to_string() };
    let stored = rows.into_iter().map(|(generation, run, complete, was_live)| {
        let digest = generation.parse().ok().ok_or_else(malformed)?;
        let run = Some(run.parse::<RunId>().ok().ok_or_else(malformed)?);
        Ok(Stored { digest, run, complete, was_live })
    });
    stored.collect()
}

/// Forgets a generation.
pub(super) async fn forget(
    connection: &mut PgConnection,
    job: &JobId,
    generation: &Digest,
) -> Result<()> {
    sqlx::query("DELETE FROM coppice.generations WHERE job = $1 AND generation = $2")
        .bind(job.as_str())
        .bind(generation.to_string())
        .execute(connection)
        .await
        .map_err(PgError::sql("forget a generation"))?;
    Ok(())
}

type LiveRow = (Option<String>, Option<String>, String, i64, i64);

/// Reads what is live of a job.
pub(super) async fn live(connection: &mut PgConnection, job: &JobId) -> Result<Live> {
    let row: Option<LiveRow> = sqlx::query_as(
        "SELECT generation, former, run_id::text, epoch, \
         (extract(epoch FROM at) * 1000000)::bigint FROM coppice.live WHERE job = $1",
    )
    .bind(job.as_str())
    .fetch_optional(connection)
    .await
    .map_err(PgError::sql("read what is live"))?;
    let Some((generation, former, run_id, epoch, micros)) = row else {
        return Ok(Live::default());
    };
    let (generation, former) = (digest(job, generation)?, digest(job, former)?);
    Ok(Live { generation, former, run_id, epoch, micros })
}

/// Lists what is live of every job.
pub(super) async fn all_live(connection: &mut PgConnection) -> Result<BTreeMap<JobId, Digest>> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT job, generation FROM coppice.live WHERE generation IS NOT NULL ORDER BY job",
    )
    .fetch_all(connection)
    .await
    .map_err(PgError::sql("list what is live"))?;
    let live = rows.into_iter().map(|(job, generation)| {
        let malformed = || PostgisError::Malformed { job: job.clone() };
        let id: JobId = job.parse().ok().ok_or_else(malformed)?;
        let digest = generation.parse().ok().ok_or_else(malformed)?;
        Ok((id, digest))
    });
    live.collect()
}

/// Records that readers were shown a generation: it was a live one, whoever built it.
pub(super) async fn mark_shown(
    connection: &mut PgConnection,
    job: &JobId,
    generations: [Option<Digest>; 2],
) -> Result<()> {
    let shown: Vec<String> = generations.iter().flatten().map(ToString::to_string).collect();
    sqlx::query(
        "UPDATE coppice.generations SET was_live = true WHERE job = $1 AND generation = ANY($2)",
    )
    .bind(job.as_str())
    .bind(shown)
    .execute(connection)
    .await
    .map_err(PgError::sql("record what was live"))?;
    Ok(())
}

/// Records what is live of a job from here on.
pub(super) async fn set_live(
    connection: &mut PgConnection,
    job: &JobId,
    generation: Option<Digest>,
    former: Option<Digest>,
    cx: &StageContext,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO coppice.live (job, generation, former, epoch, run_id) \
         VALUES ($1, $2, $3, $4, $5::uuid) ON CONFLICT (job) DO UPDATE SET \
         generation = excluded.generation, former = excluded.former, epoch = excluded.epoch, \
         run_id = excluded.run_id, at = now()",
    )
    .bind(job.as_str())
    .bind(generation.map(|digest| digest.to_string()))
    .bind(former.map(|digest| digest.to_string()))
    .bind(epoch_of(cx))
    .bind(cx.run.to_string())
    .execute(connection)
    .await
    .map_err(PgError::sql("record what is live"))?;
    Ok(())
}
