//! Drops generations that nobody goes back to any more, once a cutover is whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use crate::digest::Digest;
use crate::engine::{Action, StepContext};
use crate::model::{
    DropOutput, Failure, FailureKind, Fate, LiveGeneration, Output, Preview, Previews, StepId,
    Thing,
};
use crate::plan::{Candidate, DecideParams, StepSpec};
use crate::projection::{Generation, Projection};
use crate::recovery::{Journaled, World, params, superfluous};

struct DropFormer {
    params: DecideParams,
    world: Arc<World>,
}

/// Binds a `DropFormer` step.
pub(crate) fn bind(spec: &StepSpec, world: &Arc<World>) -> Result<Arc<dyn Action>, Failure> {
    Ok(Arc::new(DropFormer { params: params(spec)?, world: world.clone() }))
}

#[async_trait]
impl Action for DropFormer {
    async fn run(&self, cx: &StepContext) -> Result<Output, Failure> {
        self.world.still_locked().await?;
        let runs = Journaled::read(&*self.world.journal, self.world.run).await?;
        let mut output = DropOutput::default();
        for candidate in &self.params.jobs {
            let target = self.world.targets.of(&candidate.sink).await?;
            for digest in self.superfluous(candidate, &*target, &runs).await? {
                if cx.cancel.is_cancelled() {
                    return Err(Failure::cancelled());
                }
                let of_job = LiveGeneration { job: candidate.job.clone(), generation: digest };
                match discard(&*target, candidate, digest).await {
                    Ok(()) => output.dropped.push(of_job),
                    Err(failure) if failure.kind == FailureKind::Cancelled => return Err(failure),
                    // What is live is right whether or not an old generation can go: somebody may
                    // have built upon it.
                    Err(failure) => {
                        tracing::warn!(job = %candidate.job, %digest, error = %failure.message,
                            "a former generation stays");
                        output.kept.push(of_job);
                    }
                }
            }
        }
        Output::of(&output)
    }

    async fn preview(&self, before: &Previews) -> Result<Preview, Failure> {
        let mut preview = Preview::default();
        let runs = Journaled::read(&*self.world.journal, self.world.run).await?;
        for candidate in &self.params.jobs {
            let proof = StepId::of(&["prove", candidate.job.as_str()]);
            let blocked = before.why_not(&proof).is_some();
            if blocked || !self.world.targets.is_there(&candidate.sink) {
                continue;
            }
            for _ in self.foreseen(candidate, &runs).await? {
                preview.add(Thing::Generation, Fate::Drop, None, None);
            }
        }
        Ok(preview)
    }
}

impl DropFormer {
    async fn superfluous(
        &self,
        candidate: &Candidate,
        target: &dyn Projection,
        runs: &Journaled,
    ) -> Result<Vec<Digest>, Failure> {
        let job = &candidate.job;
        let former = target.last_switch(job).await?.and_then(|last| last.former);
        let used: BTreeSet<Digest> =
            target.live(job).await?.into_iter().chain(runs.used(job)).collect();
        let keep = self.world.setting.limits.keep_generations;
        Ok(superfluous(target.stored(job).await?, &used, former, keep, |run| runs.has_ended(run)))
    }
}

impl DropFormer {
    /// What nobody would need any more once the job's new generation is live.
    async fn foreseen(
        &self,
        candidate: &Candidate,
        runs: &Journaled,
    ) -> Result<Vec<Digest>, Failure> {
        let job = &candidate.job;
        let target = self.world.targets.of(&candidate.sink).await?;
        let live = target.live(job).await?;
        let next = candidate.generation.or(live);
        let former = if next == live {
            target.last_switch(job).await?.and_then(|last| last.former)
        } else {
            live
        };
        let used: BTreeSet<Digest> = next.into_iter().chain(runs.used(job)).collect();
        let keep = self.world.setting.limits.keep_generations;
        Ok(superfluous(target.stored(job).await?, &used, former, keep, |run| runs.has_ended(run)))
    }
}

async fn discard(
    target: &dyn Projection,
    candidate: &Candidate,
    digest: Digest,
) -> Result<(), Failure> {
    let (job, sink) = (candidate.job.clone(), candidate.sink.clone());
    target.discard(&Generation { job, digest, sink }).await
}
