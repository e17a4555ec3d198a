use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::digest::Digest;
use crate::model::{Covers, Failure, JobId, Meter, Proof, RunId, Sink};
use crate::proof::{EncodedStream, RowEncoding, RowsStream};

/// One built version of a projection, named by the digest of all that decides its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Generation {
    /// The job that it is of.
    pub(crate) job: JobId,
    /// BLAKE3 of the RFC 8785 form of `{format, job, sql, inputs, labels, builder, profile,
    /// server}`.
    pub(crate) digest: Digest,
    /// What the job fills.
    pub(crate) sink: Sink,
}

/// What a target holds of a generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Held {
    /// Nothing.
    Absent,
    /// Some of it, or all of it without a proof.
    Partial,
    /// All of it, proven, not live.
    Complete(Proof),
    /// All of it, proven, and live.
    Live(Proof),
}

/// One switch of a cutover: `job` goes from one generation to another. A rollback is the same
/// with the two exchanged; `to: None` takes the job's live name away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// The job.
    pub(crate) job: JobId,
    /// What it fills.
    pub(crate) sink: Sink,
    /// The generation that is live before, if any; the compare of the compare-and-swap.
    pub(crate) from: Option<Digest>,
    /// The generation that is live afterwards.
    pub(crate) to: Option<Digest>,
}

impl Change {
    /// Whether readers get what is live after it, and not only the record says so.
    pub(crate) async fn is_shown(&self, target: &dyn Projection) -> Result<bool, Failure> {
        let Some(digest) = self.to else { return Ok(true) };
        let generation = Generation { job: self.job.clone(), digest, sink: self.sink.clone() };
        Ok(matches!(target.holds(&generation).await?, Held::Live(_)))
    }
}

/// The last switch of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastSwitch {
    /// The generation that would be live after a rollback.
    pub(crate) former: Option<Digest>,
    /// The run that switched.
    pub(crate) run: RunId,
    /// When.
    pub(crate) at: DateTime<Utc>,
}

/// A generation that is at a target, in whatever state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Its digest.
    pub(crate) digest: Digest,
    /// The run that built it, where that can be told.
    pub(crate) run: Option<RunId>,
    /// Whether it is complete and proven.
    pub(crate) complete: bool,
    /// Whether readers were ever shown it, as far as that can be told.
    pub(crate) was_live: bool,
}

/// What a target needs to know of the run that fills it.
#[derive(Debug, Clone)]
pub(crate) struct StageContext {
    /// The run.
    pub(crate) run: RunId,
    /// The fencing token; it goes into staging names.
    pub(crate) epoch: u64,
    /// Asks the work to stop.
    pub(crate) cancel: CancellationToken,
    /// Where the work says how far it is.
    pub(crate) meter: Meter,
}

/// A target of projections. One per target, not per job.
///
/// A target records for each generation that is complete its proof, so that a later run knows
/// it; nothing is live without one.
#[async_trait]
pub(crate) trait Projection: Send + Sync {
    /// Says what the proof of a generation covers.
    fn covers(&self, sink: &Sink) -> Covers;

    /// Gives the row encoding for a query's result, or says why the result does not fit the sink.
    fn encoding(&self, sink: &Sink, schema: &SchemaRef) -> Result<Arc<dyn RowEncoding>, Failure>;

    /// Says what the target holds of a generation.
    async fn holds(&self, generation: &Generation) -> Result<Held, Failure>;

    /// Builds a generation under its own name, invisible to readers; drops a partial one first.
    /// Gives the number of rows written.
    async fn stage(
        &self,
        generation: &Generation,
        rows: EncodedStream,
        cx: &StageContext,
    ) -> Result<u64, Failure>;

    /// Reads a generation back as readers would get it, over a new connection or handle, encoded
    /// as `encoding` does.
    async fn read_back(&self, generation: &Generation) -> Result<RowsStream, Failure>;

    /// Counts the rows that it holds, without reading them all.
    async fn count(&self, generation: &Generation) -> Result<u64, Failure>;

    /// Records the proof in the target: from here on the generation is complete.
    async fn record(&self, generation: &Generation, proof: &Proof) -> Result<(), Failure>;

    /// Takes the recorded proof of a generation away: it was found not to hold. Readers of a live
    /// one are not cut off; a later run builds the job anew under another name.
    async fn revoke(&self, generation: &Generation) -> Result<(), Failure>;

    /// Says which generation of a job is live.
    async fn live(&self, job: &JobId) -> Result<Option<Digest>, Failure>;

    /// Lists what is live of every job, whatever plan put it there.
    async fn all_live(&self) -> Result<BTreeMap<JobId, Digest>, Failure>;

    /// Says by whom the job was switched last, and from what.
    async fn last_switch(&self, job: &JobId) -> Result<Option<LastSwitch>, Failure>;

    /// Proves that `switch` could be done now; changes nothing.
    async fn prepare(&self, set: &[Change]) -> Result<(), Failure>;

    /// Puts a set live, atomically within this target. Idempotent: a set that is already live
    /// succeeds. Fails as fenced when neither `from` nor `to` is what is live.
    async fn switch(&self, set: &[Change], cx: &StageContext) -> Result<(), Failure>;

    /// What others have put on what is live of a job, a sentence each, for who has to decide.
    async fn others(&self, _job: &JobId, _sink: &Sink) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }

    /// Lists the generations of a job.
    async fn stored(&self, job: &JobId) -> Result<Vec<Stored>, Failure>;

    /// Drops a generation that is neither live nor the one to go back to.
    async fn discard(&self, generation: &Generation) -> Result<(), Failure>;
}
