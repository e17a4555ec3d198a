use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use crate::journal::{Journal, JournalError, LEASE_SECONDS, Lease};
use crate::model::{Code, Failure};

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
            let lasts = Duration::from_secs(LEASE_SECONDS);
            let failure = keep(|| journal.renew(&lease), lasts).await;
            // Nobody listens any more when the run just ended.
            drop(tell.send(failure));
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

/// Renews until somebody else holds the lease, or nobody could say so for as long as it lasts: then
/// it is told at once, also where the journal still keeps the question.
async fn keep<F>(renew: impl Fn() -> F, lasts: Duration) -> Failure
where
    F: Future<Output = Result<(), JournalError>>,
{
    let every = lasts / 4;
    let mut until = Instant::now() + lasts;
    loop {
        sleep(every).await;
        let asked = Instant::now();
        // After the end only where this process stood still: then it is asked once more, as by whom
        // it was overtaken is what is to be told.
        let end = if asked < until { until } else { asked + every };
        let failure = match timeout_at(end, renew()).await {
            Ok(Ok(())) => {
                until = asked + lasts;
                continue;
            }
            Ok(Err(error @ JournalError::Stale { .. })) => return error.into(),
            Ok(Err(error)) => Failure::from(error),
            Err(_elapsed) => return silent(lasts),
        };
        tracing::warn!(error = %failure.message, "the lease was not renewed");
        if Instant::now() + every >= until {
            sleep_until(until).await;
            return failure;
        }
    }
}

fn silent(lasts: Duration) -> Failure {
    let seconds = lasts.as_secs();
    let message = format!("the journal did not renew the lease of the run for {seconds} s");
    Failure::transient(Code::Journal, message)
        .hint("see that the journal can be written again, then `coppice resume`")
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::timeout;

    use super::*;
    use crate::model::{FailureKind, RunId};

    /// Far more than any of these leases.
    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_lease_is_lost_with_its_end_while_the_journal_says_nothing() {
        let silent = keep(pending::<Result<(), JournalError>>, Duration::from_millis(100));
        let failure = timeout(LONG, silent).await.unwrap();
        assert_eq!(failure.code, Code::Journal);
        assert_eq!(failure.kind, FailureKind::Transient { retry_after: None }, "an interruption");
    }

    #[tokio::test]
    async fn a_lease_that_cannot_be_renewed_is_lost_with_its_end_and_not_before() {
        let (run, begun) = (RunId::now(), Instant::now());
        let lasts = Duration::from_millis(200);
        let failing = keep(|| ready(Err(JournalError::NoSuchRun { run })), lasts);
        let failure = timeout(LONG, failing).await.unwrap();
        assert!(begun.elapsed() >= lasts);
        assert!(failure.message.contains(&run.to_string()), "why is told: {failure}");
    }

    #[tokio::test]
    async fn a_lease_goes_on_with_each_renewal_until_another_has_it() {
        let (run, times) = (RunId::now(), AtomicU32::new(0));
        let renew = || {
            let stale = times.fetch_add(1, Ordering::SeqCst) == 8;
            ready(if stale { Err(JournalError::Stale { run, epoch: 1 }) } else { Ok(()) })
        };
        let kept = keep(renew, Duration::from_millis(200));
        let failure = timeout(LONG, kept).await.unwrap();
        assert_eq!((failure.kind, failure.code), (FailureKind::Fenced, Code::Locked));
        assert_eq!(times.load(Ordering::SeqCst), 9);
    }
}
