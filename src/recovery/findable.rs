//! Beyond equal digests: what readers will look for is found in the published projection.

use super::source::tables;
use super::world::World;
use crate::model::{Code, Failure, Sink};
use crate::plan::ProveParams;
use crate::projection::Generation;
use crate::projection::search::SearchProjection;
use crate::projection::tiles::TilesProjection;

/// Records of a search index that are looked for.
const SAMPLES: u32 = 50;

/// Tiles: every source feature that has a place on the map is at the highest zoom. Search:
/// sampled records are found through the index.
pub(super) async fn check(
    world: &World,
    params: &ProveParams,
    generation: &Generation,
) -> Result<(), Failure> {
    match &params.sink {
        Sink::Tiles(_) => tiles(world, params, generation).await,
        Sink::Search(_) => search(world, params, generation).await,
        Sink::Postgis(_) | Sink::Graph(_) => Ok(()),
    }
}

async fn search(
    world: &World,
    params: &ProveParams,
    generation: &Generation,
) -> Result<(), Failure> {
    let target = SearchProjection::new(world.targets.files().clone());
    let unfound = target.unfound_samples(generation, SAMPLES).await?.len();
    if unfound == 0 {
        return Ok(());
    }
    // Counted only: a record's id may be confidential.
    let message =
        format!("{unfound} of {SAMPLES} sampled records of {} are not found by search", params.job);
    Err(Failure::permanent(Code::StepFailed, message)
        .hint("the index holds them and does not find them: its tokens do not fit its texts")
        .plain())
}

async fn tiles(
    world: &World,
    params: &ProveParams,
    generation: &Generation,
) -> Result<(), Failure> {
    let target = TilesProjection::new(world.targets.files().clone());
    let pool = world.targets.pool().await?;
    for layer in target.check_ids(generation, pool, &tables(&params.inputs)).await? {
        if layer.missing > 0 {
            let message = format!(
                "{} of {} features of the layer {} are in no tile of the highest zoom of {}",
                layer.missing, layer.eligible, layer.layer, params.job
            );
            return Err(Failure::permanent(Code::StepFailed, message)
                .hint("look for geometries that PostGIS cannot clip")
                .plain());
        }
    }
    Ok(())
}
