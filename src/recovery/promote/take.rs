use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use futures::{StreamExt, TryStreamExt};

use super::Rehearsed;
use super::rehearsed::Built;
use crate::engine::StepContext;
use crate::model::{Code, CommandRun, Failure, FailureKind, Promotion, Proof, RebuildOutput, Sink};
use crate::plan::RebuildParams;
use crate::projection::{Generation, Held, Projection};
use crate::proof::{EncodedBatch, tee};
use crate::recovery::World;

/// What became of a generation that a rehearsal may have.
pub(in crate::recovery) enum Taken {
    /// It is at the target now, to be proven there.
    Over(Box<RebuildOutput>),
    /// It is to be built again, and why.
    Not(Promotion),
}

/// Takes a generation over from the run's rehearsal; `None` where the run has none.
pub(in crate::recovery) async fn take(
    world: &World,
    params: &RebuildParams,
    target: &dyn Projection,
    cx: &StepContext,
) -> Result<Option<Taken>, Failure> {
    let (Some(promote), Some(rehearsed)) = (world.setting.promote, &world.rehearsed) else {
        return Ok(None);
    };
    let why = match rehearsed {
        Err(gone) => gone.message.clone(),
        Ok(rehearsed) => match taken(world, rehearsed, params, target, cx).await {
            Ok(Ok(output)) => return Ok(Some(Taken::Over(Box::new(output)))),
            Ok(Err(why)) => why,
            Err(failure) if failure.kind == FailureKind::Cancelled => return Err(failure),
            Err(failure) if failure.kind == FailureKind::Fenced => return Err(failure),
            // Of scratch nothing is asked but to be read: where it cannot, the work is done again.
            Err(failure) => world.redactor.words(&params.job, &failure.message),
        },
    };
    if promote.rebuild {
        tracing::warn!(job = %params.job, why, "not taken over from the rehearsal; built again");
        return Ok(Some(Taken::Not(Promotion { run: promote.run, why_not: Some(why) })));
    }
    let message = format!("{} is not taken over from the rehearsal: {why}", params.job);
    Err(Failure::permanent(Code::StepFailed, message)
        .hint("promote without --no-rebuild, and it is built again"))
}

/// Copies a generation, or says why it cannot be.
async fn taken(
    world: &World,
    rehearsed: &Rehearsed,
    params: &RebuildParams,
    target: &dyn Projection,
    cx: &StepContext,
) -> Result<Result<RebuildOutput, String>, Failure> {
    let built = match rehearsed.of(params) {
        Ok(built) => built,
        Err(why) => return Ok(Err(why)),
    };
    let generation = Generation {
        job: params.job.clone(),
        digest: params.generation,
        sink: params.sink.clone(),
    };
    if let Sink::Graph(_) = &params.sink
        && let Some(why) = kept_otherwise(world, rehearsed)
    {
        return Ok(Err(why.to_owned()));
    }
    let source = rehearsed.targets.of(&params.sink).await?;
    match source.holds(&generation).await? {
        Held::Live(proof) | Held::Complete(proof) if agrees(&proof, built) => {}
        Held::Live(_) | Held::Complete(_) => {
            return Ok(Err("its proof in scratch is not that of the journal".to_owned()));
        }
        Held::Absent | Held::Partial => return Ok(Err("it is not whole in scratch".to_owned())),
    }
    let stage = world.stage_context(cx);
    cx.meter.set_totals(None, Some(built.proven.proof.rows));
    let rows = match (&params.sink, rehearsed.targets.graph()) {
        (Sink::Postgis(_), _) => {
            // The tuples as they were proven; the target makes its indexes and keys of them.
            let nothing = RecordBatch::new_empty(Arc::new(Schema::empty()));
            let rows = source
                .read_back(&generation)
                .await?
                .map_ok(move |rows| EncodedBatch { batch: nothing.clone(), rows: Arc::new(rows) });
            target.stage(&generation, rows.boxed(), &stage).await?
        }
        (Sink::Graph(_), Some(server)) => {
            let quads = server.projection().await?.quads(&generation, world.spill()?).await?;
            let encoding = target.encoding(&params.sink, &quads.schema())?;
            let (rows, digest) = tee(quads, encoding);
            let count = target.stage(&generation, rows, &stage).await?;
            if digest.finish()?.to_string() != built.rebuilt.canonical_digest {
                return Ok(Err("its quads in scratch are not those that were proven".to_owned()));
            }
            count
        }
        _ => {
            let files = world.targets.files();
            files.take(&generation, rehearsed.targets.files(), &stage).await?
        }
    };
    Ok(Ok(taken_over(rehearsed, built, rows)))
}

fn taken_over(rehearsed: &Rehearsed, built: &Built, rows: u64) -> RebuildOutput {
    let promotion = Some(Promotion { run: rehearsed.run, why_not: None });
    // What the program of a command did, it did in the rehearsal; its words stay there.
    let ran = built.rebuilt.ran.clone().map(CommandRun::without_words);
    RebuildOutput { rows, ran, promotion, unchanged: None, ..built.rebuilt.clone() }
}

/// Why a graph that is kept otherwise here than it was rehearsed is not taken over: files and a server
/// are proven in different forms.
fn kept_otherwise(world: &World, rehearsed: &Rehearsed) -> Option<&'static str> {
    match (rehearsed.targets.graph(), world.targets.graph()) {
        (None, Some(_)) => Some("it was rehearsed as files, and here it is on a server"),
        (Some(_), None) => Some("it was rehearsed on a server, and here it is in files"),
        _ => None,
    }
}

/// Whether scratch speaks of the proof that the journal has.
fn agrees(proof: &Proof, built: &Built) -> bool {
    let known = &built.proven.proof;
    let digests = [&proof.canonical_digest, &known.canonical_digest, &known.projection_digest];
    proof.proven && known.proven && digests.iter().all(|it| **it == built.rebuilt.canonical_digest)
}
