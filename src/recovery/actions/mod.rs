//! One file per step kind; none of them knows another.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{VerifiedOutput, World};
use crate::canonical::{Existing, Restore, RestoredShard, ShardRef};
use crate::engine::{Action, Bind};
use crate::model::{Failure, Meter, Output, Preview, RestoreOutput};
use crate::plan::{StepKind, StepSpec};

mod clean_up;
mod command;
mod decide;
mod drop_former;
mod fence;
mod gate;
mod go_back;
mod prove;
mod read_back;
mod rebuild;
mod receipt;
mod restore;
mod restore_ledger;
mod switch;
mod verify_catalog;
mod verify_ledger;
mod verify_objects;
mod verify_version;

/// Finds the action of each step kind.
pub(crate) struct Actions(pub(crate) Arc<World>);

impl Bind for Actions {
    fn bind(&self, spec: &StepSpec) -> Result<Arc<dyn Action>, Failure> {
        let world = &self.0;
        match spec.kind {
            StepKind::Fence => Ok(fence::bind(world)),
            StepKind::Command => command::bind(spec, world),
            StepKind::RestoreObjects => restore::bind(spec, world),
            StepKind::RestoreLedger => restore_ledger::bind(spec, world),
            StepKind::VerifyObjects => verify_objects::bind(spec, world),
            StepKind::VerifyVersion => verify_version::bind(spec, world),
            StepKind::VerifyCatalog => verify_catalog::bind(spec, world),
            StepKind::VerifyLedger => verify_ledger::bind(spec, world),
            StepKind::Gate => gate::bind(spec),
            StepKind::Rebuild => rebuild::bind(spec, world),
            StepKind::Prove => prove::bind(spec, world),
            StepKind::Decide => decide::bind(spec, world),
            StepKind::Switch => switch::bind(spec, world),
            StepKind::DropFormer => drop_former::bind(spec, world),
            StepKind::ReadBack => read_back::bind(spec, world),
            StepKind::Receipt => Ok(receipt::bind(world)),
            StepKind::CleanUp => Ok(clean_up::bind(world)),
        }
    }
}

/// Adds up what the shards of a verifying step read.
fn join_verified(shards: Vec<Output>) -> Result<Output, Failure> {
    let mut sum = VerifiedOutput::default();
    let mut findings = Vec::new();
    for shard in shards {
        let one: VerifiedOutput = shard.read()?;
        sum.read.objects += one.read.objects;
        sum.read.bytes += one.read.bytes;
        sum.pins.extend(one.pins);
        findings.extend(shard.findings);
    }
    Ok(Output::of(&sum)?.with_findings(findings))
}

/// What the restoring of a shard came to, as receipts count it.
fn restored(done: &RestoredShard) -> RestoreOutput {
    RestoreOutput {
        objects: done.restored + done.kept,
        bytes: done.bytes,
        restored: done.restored,
        kept: done.kept,
        displaced: done.displaced,
        promoted: done.near,
    }
}

/// Adds up what the shards of a restoring step wrote.
fn join_restored(shards: Vec<Output>) -> Result<Output, Failure> {
    let mut sum = RestoreOutput::default();
    let mut findings = Vec::new();
    for shard in shards {
        let one: RestoreOutput = shard.read()?;
        sum.objects += one.objects;
        sum.bytes += one.bytes;
        sum.restored += one.restored;
        sum.kept += one.kept;
        sum.displaced += one.displaced;
        sum.promoted += one.promoted;
        findings.extend(shard.findings);
    }
    Ok(Output::of(&sum)?.with_findings(findings))
}

/// Says what the restoring of shards would do.
async fn foresee(
    world: &World,
    shards: &[ShardRef],
    existing: Existing,
) -> Result<Preview, Failure> {
    let (meter, cancel) = (Meter::default(), CancellationToken::new());
    let restore = Restore {
        near: None,
        backup: world.backup()?,
        withdrawals: world.withdrawals().await?,
        stores: &world.canonical,
        filter: &world.setting.filter,
        hold_back: &|_| false,
        existing,
        run: world.run,
        at_once: world.setting.limits.transfers as usize,
        meter: &meter,
        cancel: &cancel,
    };
    let mut preview = Preview::default();
    for shard in shards {
        preview.merge(&restore.foresee(shard).await?);
    }
    Ok(preview)
}
