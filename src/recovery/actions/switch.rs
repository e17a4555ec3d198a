//! Puts the decided set live: PostGIS first, then pointers. Only goes forward.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;
use futures::future::select_all;
use tokio_util::sync::CancellationToken;

use crate::engine::{Action, StepContext};
use crate::model::{Failure, Output, SwitchOutput};
use crate::plan::{DecideParams, StepSpec};
use crate::projection::Change;
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
        let first_at = Utc::now();
        let lost = self.world.lost_locks().await;
        let Some(switched) = unless_lost(&lost, self.put_live(&set, cx)).await else {
            let failure = self.world.lost_lock().await;
            return Err(failure.unwrap_or_else(Failure::cancelled));
        };
        switched?;
        Output::of(&SwitchOutput { first_at, last_at: Utc::now() })
    }
}

impl Switch {
    async fn put_live(&self, set: &[Change], cx: &StepContext) -> Result<(), Failure> {
        let stage = self.world.stage_context(cx);
        for (target, changes) in self.world.targets.grouped(set).await? {
            self.world.still_locked().await?;
            target.switch(&changes, &stage).await?;
        }
        Ok(())
    }
}

/// Works for as long as no lock is lost. `None`: one was, and the work was given up where it stood:
/// a request that hangs must not go out when the target is another run's.
async fn unless_lost<T>(lost: &[CancellationToken], work: impl Future<Output = T>) -> Option<T> {
    let any_lost = async {
        if lost.is_empty() {
            std::future::pending::<()>().await;
        }
        select_all(lost.iter().map(|token| Box::pin(token.cancelled()))).await;
    };
    tokio::select! {
        biased;
        () = any_lost => None,
        done = work => Some(done),
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn a_switch_that_hangs_is_given_up_when_any_lock_is_lost() {
        let locks = [CancellationToken::new(), CancellationToken::new()];
        let (lose, held) = (locks[1].clone(), locks.clone());
        let hangs = tokio::spawn(async move { unless_lost(&held, pending::<()>()).await });
        tokio::task::yield_now().await;
        assert!(!hangs.is_finished());
        lose.cancel();
        assert_eq!(hangs.await.unwrap(), None);
        assert_eq!(unless_lost(&locks, ready(1)).await, None, "none begins after it");
    }

    #[tokio::test]
    async fn a_switch_comes_to_its_end_while_all_locks_are_held() {
        assert_eq!(unless_lost(&[CancellationToken::new()], ready(1)).await, Some(1));
        assert_eq!(unless_lost(&[], ready(1)).await, Some(1), "where there is none to lose");
    }
}
