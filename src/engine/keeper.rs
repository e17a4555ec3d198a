use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use crate::journal::{Journal, JournalError, LEASE_SECONDS, Lease};
use crate::model::Failure;

const RENEW_EVERY: Duration = Duration::from_secs(LEASE_SECONDS / 4);

/// Renews a lease in the background for as long as it is not dropped.
pub(crate) struct Keeper {
    lost: oneshot::Receiver<Failure>,
    _task: AbortOnDropHandle<()>,
}

impl Keeper {
    /// Begins to renew.
    pub(crate) fn start(journal: Arc<dyn Journal>, lease: Lease) -> Self {
        let (tell, lost) = oneshot::channel();
        let task = tokio::spawn(async move {
            let error = keep(journal.as_ref(), &lease).await;
            // Nobody listens any more when the run just ended.
            drop(tell.send(error.into()));
        });
        Self { lost, _task: AbortOnDropHandle::new(task) }
    }

    /// Returns when the lease is lost, and why.
    pub(crate) async fn lost(&mut self) -> Failure {
        match (&mut self.lost).await {
            Ok(failure) => failure,
            Err(_closed) => std::future::pending().await,
        }
    }
}

/// Renews until somebody else holds the lease, or nobody could say so for as long as it lasts.
async fn keep(journal: &dyn Journal, lease: &Lease) -> JournalError {
    let mut renewed = Instant::now();
    loop {
        sleep(RENEW_EVERY).await;
        match journal.renew(lease).await {
            Ok(()) => renewed = Instant::now(),
            Err(error @ JournalError::Stale { .. }) => return error,
            Err(error) if renewed.elapsed() >= Duration::from_secs(LEASE_SECONDS) => return error,
            Err(error) => tracing::warn!(%error, "the lease was not renewed; trying again"),
        }
    }
}
