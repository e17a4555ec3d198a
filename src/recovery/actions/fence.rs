//! Holds every target against the environment's marker once more, now that the locks are held.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use crate::engine::{Action, StepContext};
use crate::model::{Failure, FailureKind, Output, Preview, Previews, RunMode};
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

    async fn preview(&self, _before: &Previews) -> Result<Preview, Failure> {
        // Scratch is marked when the run begins.
        if self.0.setting.mode == RunMode::Rehearse {
            return Ok(Preview::default());
        }
        Ok(match markers::look(&self.0).await {
            Err(failure) if failure.kind == FailureKind::Fenced => {
                let hint = failure.hint.map(|hint| format!(": {hint}")).unwrap_or_default();
                let note = format!("would be refused as it is now: {}{hint}", failure.message);
                Preview::noted(note)
            }
            looked => looked.map(|()| Preview::default())?,
        })
    }
}
