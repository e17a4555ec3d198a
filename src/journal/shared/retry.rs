use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::journal::JournalError;

/// How long one try may take: a connection that was cut without a word never answers.
const EACH: Duration = Duration::from_secs(15);

/// The longest pause between two tries.
const PAUSE: Duration = Duration::from_secs(3);

/// Tries again for as long as `patience` while the database cannot be reached; `work` is told
/// whether it was tried before, because then a former try may have been written and only its
/// answer lost.
pub(super) async fn patiently<T, F>(
    patience: Duration,
    mut work: impl FnMut(bool) -> F + Send,
) -> Result<T, JournalError>
where
    F: Future<Output = Result<T, JournalError>> + Send,
    T: Send,
{
    let until = Instant::now() + patience;
    let mut pause = Duration::from_millis(100);
    let mut again = false;
    loop {
        let error = match timeout(EACH, work(again)).await {
            Ok(Err(error)) if error.is_lost() => error,
            Ok(done) => return done,
            Err(_elapsed) => JournalError::silent(EACH),
        };
        if Instant::now() + pause >= until {
            return Err(error);
        }
        tracing::warn!(%error, "the shared journal does not answer; trying again");
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE);
        again = true;
    }
}
