//! Holds every target against the environment's marker once more, now that the locks are held.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use crate::engine::{Action, StepContext};
use crate::model::{Failure, Output};
use crate::recovery::{World, markers};

struct Fence(Arc<World>);

/// Binds a `Fence` step.
pub(crate) fn bind(world: &Arc<World>) -> Arc<dyn Action> {
    Arc::new(Fence(world.clone()))
}

#[async_trait]
impl Action for Fence {
    async fn run(&self, _cx: &StepContext) -> Result<Output, Failure> {
        markers::check(&self.0).await?;
        Ok(Output { value: json!({ "targets": self.0.target_names() }), ..Output::default() })
    }
}
