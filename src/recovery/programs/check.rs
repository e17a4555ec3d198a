use std::collections::BTreeMap;
use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::inputs::copy_folder;
use super::room::{Declared, Room};
use crate::model::{CheckProgram, Failure, Meter};
use crate::plan::ProveParams;
use crate::projection::Generation;
use crate::projection::files::Copy;
use crate::recovery::World;

/// Runs the check of a job on what was published and read back; it must end with 0.
pub(in crate::recovery) async fn check(
    world: &World,
    params: &ProveParams,
    check: &CheckProgram,
    generation: &Generation,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let base = world.setting.plan.parent().unwrap_or(Path::new("/"));
    let room = Room::new(world, &params.job)?;
    room.bring(&params.files, base)?;
    let read_back = world.targets.files().fetch(generation, Copy::Reuse).await?;
    copy_folder(read_back, room.output(), Meter::default()).await?;
    let declared = Declared {
        program: &check.program,
        args: &check.args,
        env: &BTreeMap::new(),
        limit: check.limit(),
    };
    room.program(&declared, base)?.run(cancel).await?;
    Ok(())
}
