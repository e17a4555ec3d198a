//! Beyond equal digests: what readers will look for is found in the published projection.

use super::source::tables;
use super::world::World;
use crate::model::{Code, Failure, Sink};
use crate::plan::ProveParams;
use crate::projection::Generation;
use crate::projection::tiles::TilesProjection;

/// Tiles: every source feature that has a place on the map is at the highest zoom. Search:
/// sampled records are found through the index.
pub(super) async fn check(
    world: &World,
    params: &ProveParams,
    generation: &Generation,
) -> Result<(), Failure> {
    match &params.sink {
        Sink::Tiles(_) => tiles(world, params, generation).await,
        Sink::Postgis(_) | Sink::Search(_) | Sink::Graph(_) => Ok(()),
    }
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
                .hint("look for geometries that PostGIS cannot clip"));
        }
    }
    Ok(())
}
