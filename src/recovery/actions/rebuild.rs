//! Fills one generation: the query over verified data, digested on its way into the sink.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use crate::engine::{Action, StepContext};
use crate::model::{
    Code, Failure, Fate, Output, Preview, Previews, Promotion, RebuildOutput, Sink, Thing,
};
use crate::plan::{RebuildParams, StepSpec};
use crate::projection::{Generation, Held, Projection};
use crate::proof::tee;
use crate::recovery::promote::{self, Taken};
use crate::recovery::{World, params, programs, source};

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
                let digest = proof.canonical_digest.clone();
                let made = self.made(proof.rows, digest);
                Output::of(&RebuildOutput { unchanged: Some(proof), ..made })
            }
            Held::Absent | Held::Partial => self.bring(&*target, &generation, cx).await,
        }
    }

    async fn preview(&self, _before: &Previews) -> Result<Preview, Failure> {
        let mut preview = Preview::default();
        if self.world.targets.is_there(&self.params.sink) {
            let target = self.world.targets.of(&self.params.sink).await?;
            if let Held::Live(proof) | Held::Complete(proof) =
                target.holds(&self.generation()).await?
            {
                preview.add(Thing::Projection, Fate::Unchanged, None, Some(proof.rows));
                return Ok(preview);
            }
        }
        if let (Some(promote), Some(Ok(rehearsed))) =
            (self.world.setting.promote, &self.world.rehearsed)
        {
            match rehearsed.of(&self.params) {
                Ok(built) => {
                    let rows = Some(built.rows());
                    preview.add(Thing::Projection, Fate::TakeOver, None, rows);
                    return Ok(preview);
                }
                Err(why) if !promote.rebuild => return Ok(Preview::blocked(why)),
                Err(why) => preview.note = Some(why),
            }
        }
        if let Sink::Command(sink) = &self.params.sink {
            programs::ready(&self.world, sink)?;
        }
        preview.add(Thing::Projection, Fate::Rebuild, None, None);
        Ok(preview)
    }
}

impl Rebuild {
    /// Takes the generation over from a rehearsal where the run has one, or builds it.
    async fn bring(
        &self,
        target: &dyn Projection,
        generation: &Generation,
        cx: &StepContext,
    ) -> Result<Output, Failure> {
        match promote::take(&self.world, &self.params, target, cx).await? {
            Some(Taken::Over(output)) => {
                let read = output.read.iter().any(|input| input.rows + input.refused > 0);
                expected(&self.params, output.rows, read)?;
                Output::of(&*output)
            }
            Some(Taken::Not(promotion)) => {
                self.build(target, generation, Some(promotion), cx).await
            }
            None => self.build(target, generation, None, cx).await,
        }
    }

    async fn build(
        &self,
        target: &dyn Projection,
        generation: &Generation,
        promotion: Option<Promotion>,
        cx: &StepContext,
    ) -> Result<Output, Failure> {
        let source = source::open(&self.world, &self.params, cx).await?;
        let schema: SchemaRef = source.rows.schema();
        let encoding = target.encoding(&self.params.sink, &schema)?;
        let (rows, digest) = tee(source.rows, encoding);
        let stage = self.world.stage_context(cx);
        let staged = target.stage(generation, rows, &stage).await;
        drop(source.holds);
        staged?;
        let digest = digest.finish()?;
        expected(&self.params, digest.count, source.inputs_have_rows)?;
        let made = self.made(digest.count, digest.to_string());
        let (read, ran) = (source.read, source.ran);
        let output = Output::of(&RebuildOutput { read, ran, promotion, ..made })?;
        Ok(output.with_findings(source.findings))
    }

    fn generation(&self) -> Generation {
        Generation {
            job: self.params.job.clone(),
            digest: self.params.generation,
            sink: self.params.sink.clone(),
        }
    }

    fn made(&self, rows: u64, canonical_digest: String) -> RebuildOutput {
        RebuildOutput {
            job: self.params.job.clone(),
            kind: self.params.job.kind().to_owned(),
            generation: self.params.generation,
            rows,
            canonical_digest,
            read: Vec::new(),
            unchanged: None,
            ran: None,
            promotion: None,
        }
    }
}

/// Holds the number of rows against what the job expects.
fn expected(params: &RebuildParams, rows: u64, inputs_have_rows: bool) -> Result<(), Failure> {
    let expect = &params.expect;
    let job = &params.job;
    let message = if rows == 0 && inputs_have_rows && !expect.allow_empty {
        format!("{job} came out empty, and what it reads is not")
    } else if expect.min_rows.is_some_and(|least| rows < least) {
        format!("{job} came out with {rows} rows, fewer than it expects")
    } else if expect.max_rows.is_some_and(|most| rows > most) {
        format!("{job} came out with {rows} rows, more than it expects")
    } else {
        return Ok(());
    };
    Err(Failure::permanent(Code::StepFailed, message)
        .hint("look at its query; where it is right, change `expect` in the job")
        .plain())
}
