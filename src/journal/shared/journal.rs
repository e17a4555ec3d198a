use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use sqlx::{PgPool, Postgres, Transaction};

use super::retry::patiently;
use super::{claims, events, requests};
use crate::digest::Digest;
use crate::journal::values::{self, failed, number};
use crate::journal::{
    Answer, Event, Holder, Journal, JournalError, Lease, NewRequest, Request, RunSummary,
};
use crate::model::RunId;

/// Events that are read at once.
const PAGE: i64 = 500;

/// A journal in a schema of its own of a PostgreSQL database, shared by machines.
#[derive(Debug, Clone)]
pub(crate) struct SharedJournal {
    pub(super) pool: PgPool,
    /// The server and the database; for people.
    pub(super) place: String,
    /// How long the server may be away.
    pub(super) patience: Duration,
}

impl SharedJournal {
    /// Does `work` until it was done, or the server was away for too long.
    async fn keep_at<T, F>(&self, work: impl FnMut(bool) -> F + Send) -> Result<T, JournalError>
    where
        F: Future<Output = Result<T, JournalError>> + Send,
        T: Send,
    {
        patiently(self.patience, work).await.map_err(|error| error.at(&self.place))
    }

    async fn begin(&self) -> Result<Transaction<'static, Postgres>, JournalError> {
        self.pool.begin().await.map_err(failed("begin a transaction"))
    }

    pub(super) async fn claim_once(
        &self,
        run: RunId,
        targets: &[String],
        holder: &Holder,
        again: bool,
    ) -> Result<Lease, JournalError> {
        let mut tx = self.begin().await?;
        let lease = claims::take(&mut tx, run, targets, holder, again).await?;
        tx.commit().await.map_err(failed("write a claim"))?;
        Ok(lease)
    }

    async fn renew_once(&self, lease: &Lease) -> Result<(), JournalError> {
        let mut tx = self.begin().await?;
        claims::renew(&mut tx, lease).await?;
        tx.commit().await.map_err(failed("renew a claim"))
    }

    async fn release_once(&self, lease: &Lease) -> Result<(), JournalError> {
        let mut tx = self.begin().await?;
        claims::give_back(&mut tx, lease).await?;
        tx.commit().await.map_err(failed("give a claim back"))
    }

    pub(super) async fn record_once(
        &self,
        lease: &Lease,
        events: &[Event],
        answers: &[Answer],
        again: bool,
    ) -> Result<(), JournalError> {
        let mut tx = self.begin().await?;
        claims::check(&mut tx, lease).await?;
        if again && is_written(&mut tx, lease, events, answers).await? {
            return Ok(());
        }
        for event in events {
            if event.epoch != lease.epoch {
                return Err(JournalError::Stale { run: lease.run, epoch: event.epoch });
            }
            events::insert(&mut tx, lease.run, event).await?;
        }
        for answer in answers {
            requests::answer(&mut tx, lease, answer).await?;
        }
        tx.commit().await.map_err(failed("write events"))
    }

    pub(super) async fn ask_once(
        &self,
        run: RunId,
        asked: &NewRequest,
        token: &str,
    ) -> Result<u64, JournalError> {
        let mut tx = self.begin().await?;
        let seq = requests::write(&mut tx, run, asked, token).await?;
        tx.commit().await.map_err(failed("write a request"))?;
        Ok(seq)
    }

    async fn answer_once(&self, run: RunId, seq: u64) -> Result<Option<Answer>, JournalError> {
        let mut connection = self.pool.acquire().await.map_err(failed("read an answer"))?;
        requests::answer_to(&mut connection, run, seq).await
    }

    async fn page(&self, run: RunId, after: i64) -> Result<Vec<Event>, JournalError> {
        let rows: Vec<values::EventRow> = sqlx::query_as(
            "SELECT seq, at, epoch, kind, body FROM coppice_journal.event
             WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        )
        .bind(run.to_string())
        .bind(after)
        .bind(PAGE)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read events"))?;
        rows.into_iter().map(values::event).collect()
    }

    async fn runs_once(&self) -> Result<Vec<RunSummary>, JournalError> {
        let rows: Vec<values::SummaryRow> = sqlx::query_as(
            "SELECT run.run_id, run.mode, run.environment, run.created_at, event.at, event.body,
                    CASE WHEN claim.until > clock_timestamp() THEN claim.holder END
             FROM coppice_journal.run
             LEFT JOIN coppice_journal.event
                  ON event.run_id = run.run_id AND event.kind = 'RunFinished'
                  AND NOT EXISTS (SELECT FROM coppice_journal.event AS later
                      WHERE later.run_id = event.run_id AND later.seq > event.seq
                      AND later.kind IN ('RunFinished', 'RunResumed'))
             LEFT JOIN coppice_journal.claim ON claim.target = 'run:' || run.run_id
             ORDER BY run.created_at DESC, run.run_id DESC",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed("list the runs"))?;
        let living = |line: RunSummary| RunSummary {
            holder: line.holder.filter(|holder| !holder.process.is_gone_from_this_boot()),
            ..line
        };
        rows.into_iter().map(|row| values::summary(row).map(living)).collect()
    }

    async fn put_once(&self, name: Digest, bytes: &Bytes) -> Result<(), JournalError> {
        sqlx::query("INSERT INTO coppice_journal.blob VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(name.to_string())
            .bind(&bytes[..])
            .execute(&self.pool)
            .await
            .map_err(failed("write a journal blob"))?;
        Ok(())
    }

    async fn get_once(&self, name: &Digest) -> Result<Bytes, JournalError> {
        let bytes: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT bytes FROM coppice_journal.blob WHERE digest = $1")
                .bind(name.to_string())
                .fetch_optional(&self.pool)
                .await
                .map_err(failed("read a journal blob"))?;
        values::checked(name, bytes.ok_or(JournalError::NoSuchBlob { name: *name })?)
    }
}

/// Whether a former try was written whole and only its answer lost; all goes in one transaction, so
/// that the last of it tells of the rest.
async fn is_written(
    tx: &mut Transaction<'static, Postgres>,
    lease: &Lease,
    events: &[Event],
    answers: &[Answer],
) -> Result<bool, JournalError> {
    if let Some(last) = events.last() {
        return events::is_written(tx, lease.run, last).await;
    }
    let Some(last) = answers.last() else { return Ok(true) };
    Ok(requests::answer_to(tx, lease.run, last.seq).await?.as_ref() == Some(last))
}

#[async_trait]
impl Journal for SharedJournal {
    async fn claim(
        &self,
        run: RunId,
        targets: &[String],
        holder: &Holder,
    ) -> Result<Lease, JournalError> {
        self.keep_at(|again| self.claim_once(run, targets, holder, again)).await
    }

    async fn renew(&self, lease: &Lease) -> Result<(), JournalError> {
        self.keep_at(|_again| self.renew_once(lease)).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), JournalError> {
        self.keep_at(|_again| self.release_once(lease)).await
    }

    async fn record(
        &self,
        lease: &Lease,
        events: &[Event],
        answers: &[Answer],
    ) -> Result<(), JournalError> {
        self.keep_at(|again| self.record_once(lease, events, answers, again)).await
    }

    async fn ask(&self, run: RunId, asked: &NewRequest) -> Result<u64, JournalError> {
        let token = uuid::Uuid::now_v7().to_string();
        self.keep_at(|_again| self.ask_once(run, asked, &token)).await
    }

    async fn requests(&self, run: RunId) -> Result<Vec<Request>, JournalError> {
        self.keep_at(|_again| requests::open(&self.pool, run)).await
    }

    async fn answer(&self, run: RunId, seq: u64) -> Result<Option<Answer>, JournalError> {
        self.keep_at(|_again| self.answer_once(run, seq)).await
    }

    fn replay_after(&self, run: RunId, seq: u64) -> BoxStream<'_, Result<Event, JournalError>> {
        // A number that no event can have is after all of them.
        let first = Some(i64::try_from(seq).unwrap_or(i64::MAX));
        let pages = stream::try_unfold(first, move |after| async move {
            let Some(after) = after else { return Ok(None) };
            let page = self.keep_at(|_again| self.page(run, after)).await?;
            let next = match page.last() {
                Some(last) => Some(number(last.seq)?),
                None => None,
            };
            Ok::<_, JournalError>(Some((stream::iter(page.into_iter().map(Ok)), next)))
        });
        pages.try_flatten().boxed()
    }

    async fn runs(&self) -> Result<Vec<RunSummary>, JournalError> {
        self.keep_at(|_again| self.runs_once()).await
    }

    async fn put(&self, bytes: Bytes) -> Result<Digest, JournalError> {
        let name = Digest::blake3(&bytes);
        self.keep_at(|_again| self.put_once(name, &bytes)).await?;
        Ok(name)
    }

    async fn get(&self, name: &Digest) -> Result<Bytes, JournalError> {
        self.keep_at(|_again| self.get_once(name)).await
    }
}
