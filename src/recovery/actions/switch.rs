//! Puts the decided set live: PostGIS first, then pointers. Only goes forward.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;

use crate::engine::{Action, StepContext};
use crate::model::{Failure, Output, SwitchOutput};
use crate::plan::{DecideParams, StepSpec};
use crate::recovery::{World, decided, params};

struct Switch {
    params: DecideParams,
    world: Arc<World>,
}

/// Binds a `Switch` step.
pub(crate) fn bind(spec: &StepSpec, world: &Arc<World>) -> Result<Arc<dyn Action>, Failure> {
    Ok(Arc::new(Switch { params: params(spec)?, world: world.clone() }))
}

#[async_trait]
impl Action for Switch {
    async fn run(&self, cx: &StepContext) -> Result<Output, Failure> {
        let set = decided(&self.params, cx)?;
        let stage = self.world.stage_context(cx);
        let first_at = Utc::now();
        for (target, changes) in self.world.targets.grouped(&set).await? {
            self.world.still_locked().await?;
            target.switch(&changes, &stage).await?;
        }
        Output::of(&SwitchOutput { first_at, last_at: Utc::now() })
    }
}
