//! Reads a generation back and holds it against what went in. No projection vouches for itself.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;

use crate::digest::MultisetDigest;
use crate::engine::{Action, StepContext};
use crate::model::{Code, Failure, MadeOf, Output, Proof, ProveOutput, RebuildOutput};
use crate::plan::{ProveParams, StepSpec};
use crate::projection::{Generation, Projection};
use crate::proof;
use crate::recovery::{World, evidence, params};

struct Prove {
    params: ProveParams,
    world: Arc<World>,
}

/// Binds a `Prove` step.
pub(crate) fn bind(spec: &StepSpec, world: &Arc<World>) -> Result<Arc<dyn Action>, Failure> {
    Ok(Arc::new(Prove { params: params(spec)?, world: world.clone() }))
}

#[async_trait]
impl Action for Prove {
    async fn run(&self, cx: &StepContext) -> Result<Output, Failure> {
        let rebuilt = self.rebuilt(cx)?;
        let target = self.world.targets.of(&self.params.sink).await?;
        let generation = self.generation();
        // One that does not say what it was made of is made anew.
        let on_record = rebuilt.unchanged.filter(|proof| proof.made_of.is_some());
        if let Some(proof) = on_record.filter(|_| self.params.trust_record)
            && target.count(&generation).await? == proof.rows
        {
            return Output::of(&ProveOutput { job: self.params.job.clone(), proof });
        }
        let mut proof = self.compare(&*target, &generation, &rebuilt.canonical_digest, cx).await?;
        if !proof.proven {
            // What is on record is wrong by now: no later run may trust it.
            target.revoke(&generation).await?;
            return Err(differs(&self.params, &proof));
        }
        let evidence = evidence::gather(&self.world, &self.params, &generation, &cx.cancel).await?;
        evidence.add_to(&mut proof.covers);
        let withdrawals = self.world.setting.withdrawals.as_ref().map_or(0, |list| list.entries);
        proof.made_of = Some(MadeOf { versions: self.params.labels.clone(), withdrawals });
        target.record(&generation, &proof).await?;
        Output::of(&ProveOutput { job: self.params.job.clone(), proof })
    }
}

impl Prove {
    fn rebuilt(&self, cx: &StepContext) -> Result<RebuildOutput, Failure> {
        let mine = |output: &&Output| {
            output.read::<RebuildOutput>().is_ok_and(|rebuilt| rebuilt.job == self.params.job)
        };
        let output = cx.inputs.values().find(mine).ok_or_else(|| {
            Failure::permanent(
                Code::Internal,
                format!("the step that proves {} has nothing to hold against", self.params.job),
            )
        })?;
        output.read()
    }

    fn generation(&self) -> Generation {
        Generation {
            job: self.params.job.clone(),
            digest: self.params.generation,
            sink: self.params.sink.clone(),
        }
    }

    async fn compare(
        &self,
        target: &dyn Projection,
        generation: &Generation,
        canonical: &str,
        cx: &StepContext,
    ) -> Result<Proof, Failure> {
        let canonical: MultisetDigest = canonical.parse().map_err(|error| {
            Failure::permanent(Code::Internal, "failed to read the digest of what went in")
                .because(&error)
        })?;
        cx.meter.set_totals(None, Some(canonical.count));
        let encoding = canonical.encoding.trim_end_matches("-v1").to_owned();
        let rows = target.read_back(generation).await?;
        let projected = proof::digest_rows(rows, &encoding, &cx.meter).await?;
        Ok(proof::compare(&canonical, &projected, target.covers(&self.params.sink), Utc::now()))
    }
}

fn differs(params: &ProveParams, proof: &Proof) -> Failure {
    Failure::permanent(
        Code::StepFailed,
        format!("{} does not hold what the canonical data say", params.job),
    )
    .because(&Failure::permanent(
        Code::StepFailed,
        format!("went in: {}; read back: {}", proof.canonical_digest, proof.projection_digest),
    ))
    .hint(
        "run it again: the job is built anew under another name; if it differs again look for \
         what else writes to the target",
    )
    .plain()
}
