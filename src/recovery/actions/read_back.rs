//! Reads every live name back after the switch, also after one that failed half way.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;

use crate::digest::Digest;
use crate::engine::{Action, StepContext};
use crate::model::{Code, Failure, JobId, LiveGeneration, Output, ReadBackOutput, SwitchOutput};
use crate::plan::{DecideParams, StepSpec};
use crate::recovery::{World, decided, params};

struct ReadBack {
    params: DecideParams,
    world: Arc<World>,
}

/// Binds a `ReadBack` step.
pub(crate) fn bind(spec: &StepSpec, world: &Arc<World>) -> Result<Arc<dyn Action>, Failure> {
    Ok(Arc::new(ReadBack { params: params(spec)?, world: world.clone() }))
}

#[async_trait]
impl Action for ReadBack {
    async fn run(&self, cx: &StepContext) -> Result<Output, Failure> {
        let set = decided(&self.params, cx)?;
        // After a switch that failed this says what is live; what was decided is not.
        let switched = cx.inputs.values().any(|output| output.read::<SwitchOutput>().is_ok());
        let mut live = Vec::new();
        for candidate in &self.params.jobs {
            let target = self.world.targets.of(&candidate.sink).await?;
            let found = target.live(&candidate.job).await?;
            let change = set.iter().find(|change| change.job == candidate.job);
            if let Some(change) = change.filter(|_| switched)
                && (change.to != found || !change.is_shown(&*target).await?)
            {
                return Err(elsewhere(&candidate.job, change.to, found));
            }
            if let Some(generation) = found {
                live.push(LiveGeneration { job: candidate.job.clone(), generation });
            }
        }
        Output::of(&ReadBackOutput { live, at: Utc::now() })
    }
}

fn elsewhere(job: &JobId, decided: Option<Digest>, found: Option<Digest>) -> Failure {
    let name =
        |digest: Option<Digest>| digest.map_or("nothing".to_owned(), |digest| digest.to_string());
    Failure::permanent(
        Code::StepFailed,
        format!("{job} was switched to {}, and {} is live", name(decided), name(found)),
    )
    .hint("another run may have switched it; `coppice runs` lists them")
}
