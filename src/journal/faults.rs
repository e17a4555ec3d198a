//! A journal that dies at a chosen append: before it is written, or after.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use super::{Answer, Event, Holder, Journal, JournalError, Lease, NewRequest, Request, RunSummary};
use crate::digest::Digest;
use crate::model::RunId;

/// When the journal dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dies {
    /// The n-th append, from 0, is not written.
    Before(usize),
    /// The n-th append is written, and nobody is told.
    After(usize),
    /// Never.
    Never,
}

/// Wraps a journal; after it died every call fails.
pub(crate) struct FaultyJournal {
    inner: Arc<dyn Journal>,
    dies: Dies,
    appends: AtomicUsize,
}

impl FaultyJournal {
    pub(crate) fn new(inner: Arc<dyn Journal>, dies: Dies) -> Self {
        Self { inner, dies, appends: AtomicUsize::new(0) }
    }

    /// How many appends were asked of it.
    pub(crate) fn appends(&self) -> usize {
        self.appends.load(Ordering::SeqCst)
    }

    fn alive(&self) -> Result<(), JournalError> {
        let dead = match self.dies {
            Dies::Before(n) | Dies::After(n) => self.appends() > n,
            Dies::Never => false,
        };
        if dead { Err(dead_disk()) } else { Ok(()) }
    }
}

fn dead_disk() -> JournalError {
    let source = sqlx::Error::Io(std::io::Error::other("the disk is gone"));
    JournalError::Database { doing: "write events", source }
}

#[async_trait]
impl Journal for FaultyJournal {
    async fn claim(
        &self,
        run: RunId,
        targets: &[String],
        holder: &Holder,
    ) -> Result<Lease, JournalError> {
        self.alive()?;
        self.inner.claim(run, targets, holder).await
    }

    async fn renew(&self, lease: &Lease) -> Result<(), JournalError> {
        self.alive()?;
        self.inner.renew(lease).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), JournalError> {
        self.alive()?;
        self.inner.release(lease).await
    }

    async fn record(
        &self,
        lease: &Lease,
        events: &[Event],
        answers: &[Answer],
    ) -> Result<(), JournalError> {
        self.alive()?;
        let n = self.appends.fetch_add(1, Ordering::SeqCst);
        if self.dies == Dies::Before(n) {
            return Err(dead_disk());
        }
        self.inner.record(lease, events, answers).await?;
        if self.dies == Dies::After(n) { Err(dead_disk()) } else { Ok(()) }
    }

    async fn ask(&self, run: RunId, asked: &NewRequest) -> Result<u64, JournalError> {
        self.inner.ask(run, asked).await
    }

    async fn requests(&self, run: RunId) -> Result<Vec<Request>, JournalError> {
        self.alive()?;
        self.inner.requests(run).await
    }

    async fn answer(&self, run: RunId, seq: u64) -> Result<Option<Answer>, JournalError> {
        self.inner.answer(run, seq).await
    }

    fn replay_after(&self, run: RunId, seq: u64) -> BoxStream<'_, Result<Event, JournalError>> {
        self.inner.replay_after(run, seq)
    }

    async fn runs(&self) -> Result<Vec<RunSummary>, JournalError> {
        self.inner.runs().await
    }

    async fn put(&self, bytes: Bytes) -> Result<Digest, JournalError> {
        self.alive()?;
        self.inner.put(bytes).await
    }

    async fn get(&self, name: &Digest) -> Result<Bytes, JournalError> {
        self.inner.get(name).await
    }
}
