//! Clears a rehearsal's scratch: the cluster, the stores, the local folder.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use crate::engine::{Action, StepContext};
use crate::model::{Failure, Output};
use crate::recovery::{World, scratch};

struct CleanUp(Arc<World>);

/// Binds a `CleanUp` step.
pub(crate) fn bind(world: &Arc<World>) -> Arc<dyn Action> {
    Arc::new(CleanUp(world.clone()))
}

#[async_trait]
impl Action for CleanUp {
    async fn run(&self, _cx: &StepContext) -> Result<Output, Failure> {
        let cleared = scratch::clear(&self.0).await?;
        Ok(Output { value: json!({ "cleared": cleared }), ..Output::default() })
    }
}
