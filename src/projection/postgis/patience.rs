//! How long others are waited for, and how long they are made to wait.
//!
//! Who asks for a lock that readers hold stands in a queue, and all readers that come later stand
//! behind him. So a lock is asked for shortly and, between two tries, let go: a long reader delays
//! us, and us alone. Once we hold a first lock that readers feel, everything else must come within
//! less than `deadlock_timeout`: a reader who waits for us looks for a circle only after that time,
//! and would be the one that is ended.

use std::time::{Duration, Instant};

use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use super::{PostgisError, readers};
use crate::model::TableSink;
use crate::postgres::{Part, PgError, Sql, execute, sql};

/// How long a lock is asked for while we hold none that readers feel.
const ASK: Duration = Duration::from_secs(2);
/// The longest that readers wait for what we hold already.
const HOLD: Duration = Duration::from_millis(500);
/// Between two tries readers get through.
const PAUSE: Duration = Duration::from_secs(5);

type Result<T> = std::result::Result<T, PostgisError>;

/// The time that one try may take from readers.
#[derive(Debug)]
pub(super) struct Hold {
    longest: Duration,
    since: Option<Instant>,
}

impl Hold {
    /// Asks the server how long a reader waits before it looks for a circle.
    pub(super) async fn of(connection: &mut PgConnection) -> Result<Self> {
        let millis: i64 = sqlx::query_scalar(
            "SELECT (extract(epoch FROM current_setting('deadlock_timeout')::interval) * 1000)::bigint",
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(PgError::sql("ask for deadlock_timeout"))?;
        let half = Duration::from_millis(u64::try_from(millis / 2).unwrap_or(1));
        set(connection, ASK).await?;
        Ok(Self { longest: half.min(HOLD), since: None })
    }

    /// Runs a statement that takes a lock which readers feel, in what is left of the time.
    pub(super) async fn execute(
        &mut self,
        connection: &mut PgConnection,
        what: &'static str,
        statement: &Sql,
    ) -> std::result::Result<(), PgError> {
        self.bound(connection).await?;
        execute(connection, what, statement).await?;
        self.begin();
        Ok(())
    }

    /// Makes the next statements wait no longer than is left.
    pub(super) async fn bound(
        &self,
        connection: &mut PgConnection,
    ) -> std::result::Result<(), PgError> {
        let left = match self.since {
            // The first is asked for while we hold nothing.
            None => ASK,
            Some(since) => self.longest.saturating_sub(since.elapsed()),
        };
        set(connection, left.max(Duration::from_millis(1))).await
    }

    /// From here on readers wait for us.
    pub(super) fn begin(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }
}

async fn set(connection: &mut PgConnection, wait: Duration) -> std::result::Result<(), PgError> {
    let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    let timeout = sql("SET LOCAL lock_timeout = {}", &[Part::Int(millis)]);
    execute(connection, "bound the wait for a lock", &timeout).await?;
    Ok(())
}

/// Tries again while others hold what is needed, with longer and longer pauses, until `patience` is
/// over. Then it is told who they are.
pub(super) async fn patiently<F>(
    pool: &PgPool,
    tables: &[TableSink],
    patience: Duration,
    cancel: &CancellationToken,
    attempt: impl Fn() -> F,
) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let began = Instant::now();
    for tries in 1u32.. {
        let error = match attempt().await {
            Err(error) if error.is_lock() => error,
            ended => return ended,
        };
        let holders = readers::of(pool, tables).await?;
        if began.elapsed() > patience {
            return Err(PostgisError::Held { holders, source: Box::new(error) });
        }
        tracing::warn!(%holders, tries, "what is live cannot be locked yet; trying again");
        let pause = tokio::time::sleep(Duration::from_millis(100 << tries.min(6)).min(PAUSE));
        if cancel.run_until_cancelled(pause).await.is_none() {
            return Err(PostgisError::Cancelled);
        }
    }
    Ok(())
}
