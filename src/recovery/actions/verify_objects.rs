//! Reads restored objects back and holds them against the manifest; what is right is pinned.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::canonical::{Existing, VerifiedShard, Verify, version_of};
use crate::engine::{Action, StepContext};
use crate::model::{DatasetVersionId, Failure, Output, VerifyOutput};
use crate::plan::{StepSpec, VerifyObjectsParams};
use crate::recovery::{PinnedShard, VerifiedOutput, World, params, pins, shards};

struct VerifyObjects {
    params: VerifyObjectsParams,
    world: Arc<World>,
}

/// Binds a `VerifyObjects` step.
pub(crate) fn bind(spec: &StepSpec, world: &Arc<World>) -> Result<Arc<dyn Action>, Failure> {
    Ok(Arc::new(VerifyObjects { params: params(spec)?, world: world.clone() }))
}

#[async_trait]
impl Action for VerifyObjects {
    async fn run(&self, cx: &StepContext) -> Result<Output, Failure> {
        let world = &self.world;
        let VerifyObjectsParams { snapshot, zone, part } = self.params;
        let all = shards::of(world, &snapshot, zone, part).await?;
        if cx.unit.shard == 0 {
            let bytes = all.iter().map(|shard| shard.bytes).sum();
            let objects = all.iter().map(|shard| shard.objects).sum();
            cx.meter.set_totals(Some(bytes), Some(objects));
        }
        let withdrawals = world.withdrawals().await?;
        let verify = Verify {
            backup: world.backup()?,
            withdrawals,
            shards: &all,
            stores: &world.canonical,
            filter: &world.setting.filter,
            at_once: world.setting.limits.transfers as usize,
            meter: &cx.meter,
            cancel: &cx.cancel,
        };
        let meant = shards::nth(&all, cx)?;
        let mut shard = verify.shard(meant).await?;
        if world.setting.existing == Some(Existing::Keep) {
            shard.keep_existing();
        }
        // The first shard of a version's folder looks for what is there beside all of them.
        let of_folder: Vec<_> = all.iter().filter(|s| s.prefix == meant.prefix).collect();
        if of_folder.first().is_some_and(|first| std::ptr::eq(*first, meant)) {
            shard.findings.extend(verify.extra_in_version(&of_folder).await?);
        }
        let pins = keep(cx, world, &shard).await?;
        let read = VerifyOutput { objects: shard.objects, bytes: shard.bytes };
        Ok(Output::of(&VerifiedOutput { read, pins })?.with_findings(shard.findings))
    }

    async fn join(&self, _cx: &StepContext, shards: Vec<Output>) -> Result<Output, Failure> {
        super::join_verified(shards)
    }
}

/// Keeps what was proven, by dataset version; objects of no version are pinned by nobody.
async fn keep(
    cx: &StepContext,
    world: &World,
    shard: &VerifiedShard,
) -> Result<Vec<PinnedShard>, Failure> {
    let mut by_version: BTreeMap<DatasetVersionId, Vec<_>> = BTreeMap::new();
    for pinned in &shard.pins {
        if let Some((_, version)) = version_of(&pinned.key) {
            by_version.entry(version).or_default().push(pinned.clone());
        }
    }
    let mut kept = Vec::new();
    for (version, objects) in by_version {
        let blob = pins::keep(cx, &world.redactor, objects).await?;
        kept.push(PinnedShard { version: Some(version), blob });
    }
    Ok(kept)
}
