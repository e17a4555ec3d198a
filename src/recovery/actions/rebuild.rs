//! Fills one generation: the query over verified data, digested on its way into the sink.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::execution::SendableRecordBatchStream;

use crate::engine::{Action, StepContext};
use crate::model::{Code, Failure, Output, Proof, RebuildOutput};
use crate::plan::{RebuildParams, StepSpec};
use crate::projection::{Generation, Held, Projection};
use crate::proof::tee;
use crate::recovery::{World, params, source};

struct Rebuild {
    params: RebuildParams,
    world: Arc<World>,
}

/// Binds a `Rebuild` step.
pub(crate) fn bind(spec: &StepSpec, world: &Arc<World>) -> Result<Arc<dyn Action>, Failure> {
    Ok(Arc::new(Rebuild { params: params(spec)?, world: world.clone() }))
}

#[async_trait]
impl Action for Rebuild {
    async fn run(&self, cx: &StepContext) -> Result<Output, Failure> {
        let target = self.world.targets.of(&self.params.sink).await?;
        let generation = self.generation();
        match target.holds(&generation).await? {
            Held::Live(proof) | Held::Complete(proof) => {
                self.output(proof.rows, proof.canonical_digest.clone(), Some(proof))
            }
            Held::Absent | Held::Partial => self.build(&*target, &generation, cx).await,
        }
    }
}

impl Rebuild {
    async fn build(
        &self,
        target: &dyn Projection,
        generation: &Generation,
        cx: &StepContext,
    ) -> Result<Output, Failure> {
        let source = source::open(&self.world, &self.params, cx).await?;
        let schema: SchemaRef = source.rows.schema();
        let encoding = target.encoding(&self.params.sink, &schema)?;
        let (rows, digest) = tee(counted(source.rows, cx), encoding);
        let stage = self.world.stage_context(cx);
        target.stage(generation, rows, &stage).await?;
        let digest = digest.finish()?;
        let findings = source.checks.hold(&self.params, digest.count).await?;
        Ok(self.output(digest.count, digest.to_string(), None)?.with_findings(findings))
    }

    fn generation(&self) -> Generation {
        Generation {
            job: self.params.job.clone(),
            digest: self.params.generation,
            sink: self.params.sink.clone(),
        }
    }

    fn output(
        &self,
        rows: u64,
        canonical_digest: String,
        unchanged: Option<Proof>,
    ) -> Result<Output, Failure> {
        Output::of(&RebuildOutput {
            job: self.params.job.clone(),
            kind: self.params.job.kind().to_owned(),
            generation: self.params.generation,
            rows,
            canonical_digest,
            unchanged,
        })
    }
}
