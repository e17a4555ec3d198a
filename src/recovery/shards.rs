//! The manifest shards of a step: one resumable piece of work each.

use super::survey::part_of;
use super::world::World;
use crate::canonical::ShardRef;
use crate::digest::Digest;
use crate::engine::StepContext;
use crate::model::{Code, Failure, Zone};
use crate::plan::Part;

/// The shards of a part of a zone, in the manifest's order, as the survey counted them.
pub(super) async fn of(
    world: &World,
    snapshot: &Digest,
    zone: Zone,
    part: Part,
) -> Result<Vec<ShardRef>, Failure> {
    let manifest = world.backup()?.manifest(snapshot).await?;
    let mine = |shard: &ShardRef| {
        shard.zone == zone
            && part_of(zone, &shard.prefix) == part
            && world.setting.filter.may_hold(shard)
    };
    Ok(manifest.shards.into_iter().filter(mine).collect())
}

/// The shard that a context is for.
pub(super) fn nth<'a>(shards: &'a [ShardRef], cx: &StepContext) -> Result<&'a ShardRef, Failure> {
    shards.get(cx.unit.shard as usize).ok_or_else(|| {
        let message = format!("{} has no shard {}", cx.unit.step, cx.unit.shard);
        Failure::permanent(Code::Internal, message)
    })
}
