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

use super::PostgisError;
use super::readers::{self, Holders};
use crate::model::{Meter, TableSink};
use crate::postgres::{Part, PgError, Sql, execute, sql};

/// How long a lock is asked for while we hold none that readers feel.
const ASK: Duration = Duration::from_secs(2);
/// The longest that readers wait for what we hold already.
const HOLD: Duration = Duration::from_millis(500);
/// Between two tries readers get through.
const PAUSE: Duration = Duration::from_secs(5);
/// How long the server lets a transaction lie without a word from us: should this machine stand
/// still while it has a lock, the connection looks alive for hours. Only the time between two
/// statements counts, in which we do nothing but send the next one. A statement that is slow, or
/// that waits for a lock, is not idle; so a slow switch never meets it, nor does one on a machine
/// that stutters for some seconds.
const IDLE: Duration = Duration::from_secs(15);
/// What the server calls it.
const SILENCE: &str = "idle_in_transaction_session_timeout";

type Result<T> = std::result::Result<T, PostgisError>;

/// The time that one try may take from readers.
#[derive(Debug)]
pub(super) struct Hold {
    longest: Duration,
    since: Option<Instant>,
}

impl Hold {
    /// Asks the server how long a reader waits before it looks for a circle. From here on the
    /// transaction ends by itself should we fall silent.
    pub(super) async fn of(connection: &mut PgConnection) -> Result<Self> {
        Self::with_idle(connection, IDLE).await
    }

    /// The same, with another time of silence.
    pub(super) async fn with_idle(connection: &mut PgConnection, idle: Duration) -> Result<Self> {
        let millis: i64 = sqlx::query_scalar(
            "SELECT (extract(epoch FROM current_setting('deadlock_timeout')::interval) * 1000)::bigint",
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(PgError::sql("ask for deadlock_timeout"))?;
        let half = Duration::from_millis(u64::try_from(millis / 2).unwrap_or(1));
        set(connection, "lock_timeout", ASK).await?;
        set(connection, SILENCE, idle).await?;
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
        set(connection, "lock_timeout", left.max(Duration::from_millis(1))).await
    }

    /// From here on readers wait for us.
    pub(super) fn begin(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }
}

/// Makes a transaction that keeps others out end by itself should we fall silent.
pub(super) async fn bound_silence(
    connection: &mut PgConnection,
) -> std::result::Result<(), PgError> {
    set(connection, SILENCE, IDLE).await
}

/// Bounds something until the transaction ends.
async fn set(
    connection: &mut PgConnection,
    what: &'static str,
    time: Duration,
) -> std::result::Result<(), PgError> {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let bound = sql("SET LOCAL {} = {}", &[Part::Ident(what), Part::Int(millis)]);
    execute(connection, "bound how long locks are waited for and held", &bound).await?;
    Ok(())
}

/// Tries again while others hold what is needed, with longer and longer pauses, until `patience` is
/// over. Then it is told who they are, and to the meter as long as they are waited for.
pub(super) async fn patiently<F>(
    pool: &PgPool,
    tables: &[TableSink],
    patience: Duration,
    (cancel, meter): (&CancellationToken, &Meter),
    attempt: impl Fn() -> F,
) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let began = Instant::now();
    let mut told = Told { meter, named: None };
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
        told.tell(holders);
        let pause = tokio::time::sleep(Duration::from_millis(100 << tries.min(6)).min(PAUSE));
        if cancel.run_until_cancelled(pause).await.is_none() {
            return Err(PostgisError::Cancelled);
        }
    }
    Ok(())
}

/// Whom it was said that we wait for. However the wait ends, it is taken back.
struct Told<'a> {
    meter: &'a Meter,
    named: Option<Holders>,
}

impl Told<'_> {
    /// Says it once, and again only when nobody of those is left: not at each try.
    fn tell(&mut self, holders: Holders) {
        if self.named.as_ref().is_none_or(|named| !named.are_still(&holders)) {
            self.meter.waits_for(Some(holders.holdup()));
            self.named = Some(holders);
        }
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if self.named.is_some() {
            self.meter.waits_for(None);
        }
    }
}
