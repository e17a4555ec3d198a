//! Proves a dataset version where it stands: hashes it, and pins what was read.

use std::sync::Arc;

use async_trait::async_trait;

use crate::canonical::read_in_place;
use crate::engine::{Action, StepContext};
use crate::model::{Failure, Output, VerifyOutput};
use crate::plan::{StepSpec, VerifyVersionParams};
use crate::recovery::{PinnedShard, VerifiedOutput, World, params, pins};

struct VerifyVersion {
    params: VerifyVersionParams,
    world: Arc<World>,
}

/// Binds a `VerifyVersion` step.
pub(crate) fn bind(spec: &StepSpec, world: &Arc<World>) -> Result<Arc<dyn Action>, Failure> {
    Ok(Arc::new(VerifyVersion { params: params(spec)?, world: world.clone() }))
}

#[async_trait]
impl Action for VerifyVersion {
    async fn run(&self, cx: &StepContext) -> Result<Output, Failure> {
        let VerifyVersionParams { dataset, version } = &self.params;
        let at_once = self.world.setting.limits.transfers as usize;
        let stores = &self.world.canonical;
        let withdrawals = self.world.withdrawals().await?;
        let (meter, cancel) = (&cx.meter, &cx.cancel);
        let done =
            read_in_place(stores, dataset, version, withdrawals, at_once, meter, cancel).await?;
        let blob = pins::keep(cx, &self.world.redactor, done.pins).await?;
        let output = VerifiedOutput {
            read: VerifyOutput { objects: done.objects, bytes: done.bytes },
            pins: vec![PinnedShard { version: Some(version.clone()), blob }],
        };
        Ok(Output::of(&output)?.with_findings(done.findings))
    }
}
