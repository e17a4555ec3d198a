use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::digest::Digest;
use crate::model::{Failure, Meter, Output, Preview, Previews, RunId, StepId};
use crate::plan::StepSpec;

/// All that names one piece of work; all that a worker elsewhere would be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unit {
    /// The run.
    pub(crate) run: RunId,
    /// The step.
    pub(crate) step: StepId,
    /// Which of its shards, from 0.
    pub(crate) shard: u32,
    /// Which try, from 1.
    pub(crate) attempt: u32,
    /// The fencing token.
    pub(crate) epoch: u64,
}

/// Where a step keeps what is too large for an event; durable on return.
#[async_trait]
pub(crate) trait Blobs: Send + Sync {
    /// Stores bytes under their BLAKE3.
    async fn put(&self, bytes: Bytes) -> Result<Digest, Failure>;
    /// Reads them back, checked against their name.
    async fn get(&self, name: &Digest) -> Result<Bytes, Failure>;
}

/// What an action works with.
#[derive(Clone)]
pub(crate) struct StepContext {
    /// The piece of work.
    pub(crate) unit: Unit,
    /// What the steps gave that this one waits for; absent where one ended without success.
    pub(crate) inputs: BTreeMap<StepId, Output>,
    /// Asks the work to stop; a cancelled action returns `Failure::cancelled()` soon.
    pub(crate) cancel: CancellationToken,
    /// Where the work says how far it is.
    pub(crate) meter: Meter,
    /// Where large outputs are kept.
    pub(crate) blobs: Arc<dyn Blobs>,
}

/// The work of one kind of step. Found started but not finished, it runs again: twice equals once.
#[async_trait]
pub(crate) trait Action: Send + Sync {
    /// Does one shard.
    async fn run(&self, cx: &StepContext) -> Result<Output, Failure>;

    /// Makes the step's output of its shards' outputs, in their order. By default the only one.
    async fn join(&self, _cx: &StepContext, shards: Vec<Output>) -> Result<Output, Failure> {
        Ok(shards.into_iter().next().unwrap_or_default())
    }

    /// Says what the step would do, after steps that would do what `before` says; writes nothing.
    /// By default there is nothing to be told: the step reads, or decides upon what it is given.
    async fn preview(&self, _before: &Previews) -> Result<Preview, Failure> {
        Ok(Preview::default())
    }
}

/// Finds the action of a step.
pub(crate) trait Bind: Send + Sync {
    /// The action, ready to run; a permanent failure when the step makes no sense.
    fn bind(&self, spec: &StepSpec) -> Result<Arc<dyn Action>, Failure>;
}
