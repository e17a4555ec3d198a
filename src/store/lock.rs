//! Locks on stores: a lease that is renewed, and taken over when its holder is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Pin, Store, StoreError};
use crate::model::{Code, Failure, ProcessIdentity, RunId};

const KEY: &str = ".coppice/lock.json";
const LIMIT: u64 = 64 * 1024;

/// Who wants a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The person.
    pub(crate) name: String,
    /// The run.
    pub(crate) run: RunId,
    /// The fencing token.
    pub(crate) epoch: u64,
}

/// The lock as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    holder: String,
    run: RunId,
    epoch: u64,
    #[serde(flatten)]
    process: ProcessIdentity,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    /// For how long it is renewed each time.
    #[serde(default)]
    lease_ms: u64,
    /// A lock is let go by writing this: a late deletion could hit the next holder's.
    released: bool,
}

/// A lock that is held; let go by `release`, else it ends with its lease.
#[derive(Debug)]
pub(crate) struct TargetLock {
    store: Store,
    key: String,
    record: Record,
    until: Arc<AtomicI64>,
    renewal: JoinHandle<()>,
    lost: CancellationToken,
}

impl TargetLock {
    /// Takes the lock of a store for `lease`, renewed until released. `Locked` while another run,
    /// or another process of the same run, holds it.
    pub(crate) async fn take(
        store: &Store,
        holder: &Holder,
        lease: Duration,
    ) -> Result<Self, Failure> {
        Self::take_at(store, KEY, holder, lease).await
    }

    /// Takes a lock under a key of its own, such as one that only says that somebody is at work.
    pub(crate) async fn take_at(
        store: &Store,
        key: &str,
        holder: &Holder,
        lease: Duration,
    ) -> Result<Self, Failure> {
        let record = Record::new(holder, lease);
        let found = read(store, key).await?;
        let late = found.as_ref().map(|(found, _)| found.later(found.skew()));
        if let Some(held) = late.filter(|late| !late.may_be_taken()) {
            return Err(held.refusal(store));
        }
        let pin = found.as_ref().map(|(_, pin)| pin);
        if !store.compare_and_swap(key, record.bytes()?, pin).await? {
            return Err(match read(store, key).await? {
                Some((winner, _)) => winner.refusal(store),
                None => Failure::fenced(Code::Locked, format!("{} is locked", store.url())),
            });
        }
        let lost = CancellationToken::new();
        let until = Arc::new(AtomicI64::new(record.until.timestamp_millis()));
        let renewal = Renewal {
            store: store.clone(),
            key: key.to_owned(),
            lease,
            until: until.clone(),
            lost: lost.clone(),
        };
        let renewal = tokio::spawn(renewal.keep_up(record.clone()));
        let (store, key) = (store.clone(), key.to_owned());
        Ok(Self { store, key, record, until, renewal, lost })
    }

    /// Whether the lease is running, and was without a break: one that ran out while this
    /// process slept may have been taken for gone, and is not taken up again.
    pub(crate) fn holds(&self) -> bool {
        let until = DateTime::from_timestamp_millis(self.until.load(Ordering::SeqCst));
        !self.lost.is_cancelled() && until.is_some_and(|until| Utc::now() < until)
    }

    /// Cancelled when the lock is no longer ours: stop writing.
    pub(crate) fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }

    /// What a holder that was lost has to say.
    pub(crate) fn lost_failure(&self) -> Failure {
        let message = format!(
            "the lock on {} was lost: another run has it, or it was not renewed in time",
            self.store.url()
        );
        Failure::fenced(Code::Locked, message)
            .hint("nothing more was written; look at `coppice runs`, then `coppice resume`")
    }

    /// Lets the lock go; does nothing to one that another run has taken since.
    pub(crate) async fn release(mut self) -> Result<(), Failure> {
        self.renewal.abort();
        // A renewal that was under way must not come after.
        let _aborted = (&mut self.renewal).await;
        // What is another's, or has ended by itself, is not to be let go: a store that fell silent
        // would keep the run from its end.
        if self.lost.is_cancelled() {
            return Ok(());
        }
        let Some((found, pin)) = read(&self.store, &self.key).await? else { return Ok(()) };
        if found.is_of(&self.record) {
            let released = Record { released: true, until: Utc::now(), ..found };
            self.store.compare_and_swap(&self.key, released.bytes()?, Some(&pin)).await?;
        }
        Ok(())
    }
}

impl Drop for TargetLock {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

impl Record {
    fn new(holder: &Holder, lease: Duration) -> Self {
        let now = Utc::now();
        Self {
            holder: holder.name.clone(),
            run: holder.run,
            epoch: holder.epoch,
            process: ProcessIdentity::own(),
            since: now,
            until: now + lease,
            lease_ms: u64::try_from(lease.as_millis()).unwrap_or(u64::MAX),
            released: false,
        }
    }

    /// Whether the holder is gone: let go, run out, or a process of this machine that is dead.
    fn may_be_taken(&self) -> bool {
        self.released || self.until < Utc::now() || self.process.is_gone_from_this_boot()
    }

    /// By how much the clock of the machine that holds it may be behind ours: half a lease.
    fn skew(&self) -> Duration {
        Duration::from_millis(self.lease_ms / 2)
    }

    /// The record as it counts where clocks are apart by so much.
    fn later(&self, grace: Duration) -> Self {
        Self { until: self.until + grace, ..self.clone() }
    }

    /// For how long it holds from now on.
    fn left(&self) -> Duration {
        (self.until - Utc::now()).to_std().unwrap_or_default()
    }

    fn is_of(&self, other: &Self) -> bool {
        (self.run, self.epoch, self.process.pid, self.since)
            == (other.run, other.epoch, other.process.pid, other.since)
    }

    fn bytes(&self) -> Result<bytes::Bytes, Failure> {
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| {
            Failure::permanent(Code::Internal, "failed to write a lock").because(&error)
        })?;
        Ok(bytes.into())
    }

    fn refusal(&self, store: &Store) -> Failure {
        let at = |time: DateTime<Utc>| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let message = format!(
            "{} is locked by run {} of {} since {}, process {} on {}",
            store.url(),
            self.run,
            self.holder,
            at(self.since),
            self.process.pid,
            self.process.host
        );
        Failure::fenced(Code::Locked, message).hint(format!(
            "wait for that run, or stop it; if its process is gone, the lock ends by itself at {}",
            at(self.until)
        ))
    }
}

async fn read(store: &Store, key: &str) -> Result<Option<(Record, Pin)>, Failure> {
    let Some((bytes, meta)) = store.read(key, LIMIT).await? else { return Ok(None) };
    let record = serde_json::from_slice(&bytes).map_err(|error| {
        Failure::fenced(Code::Locked, format!("failed to read the lock of {}", store.url()))
            .because(&error)
            .hint(format!("look at {key} there by hand"))
    })?;
    Ok(Some((record, meta.pin)))
}

/// Says who holds the lock under a key, if anybody does; one whose lease ran out is held by
/// nobody. `grace` is for clocks that are apart.
pub(crate) async fn standing(
    store: &Store,
    key: &str,
    grace: Duration,
) -> Result<Option<Failure>, Failure> {
    let Some((found, _)) = read(store, key).await? else { return Ok(None) };
    let late = found.later(grace);
    Ok((!late.may_be_taken()).then(|| late.refusal(store)))
}

/// Says which run holds a store, if one does; changes nothing.
pub(crate) async fn held(store: &Store) -> Result<Option<Failure>, Failure> {
    let Some((found, _)) = read(store, KEY).await? else { return Ok(None) };
    let late = found.later(found.skew());
    Ok((!late.may_be_taken()).then(|| late.refusal(store)))
}

/// Keeps a lease running.
struct Renewal {
    store: Store,
    key: String,
    lease: Duration,
    until: Arc<AtomicI64>,
    lost: CancellationToken,
}

impl Renewal {
    /// Renews four times per lease. Lost when another has it, or when the lease ran out because
    /// the store could not be reached or this process slept.
    async fn keep_up(self, mut record: Record) {
        while let Some(renewed) = self.in_time(&record).await {
            self.until.store(renewed.until.timestamp_millis(), Ordering::SeqCst);
            record = renewed;
        }
        self.lost.cancel();
    }

    /// The record as it was renewed; `None`: another has the lock, or the lease ended before. A
    /// store that hangs, and tries that go on for minutes, are waited for no longer.
    async fn in_time(&self, record: &Record) -> Option<Record> {
        // A clock that was put back makes no lease longer.
        let left = record.left().min(self.lease);
        let renewed = tokio::time::timeout(left, self.tries(record)).await;
        renewed.unwrap_or_else(|_elapsed| {
            tracing::warn!(store = self.store.url(), "the lease of the lock ended unrenewed");
            None
        })
    }

    /// Tries until it is known whether the lock is still ours.
    async fn tries(&self, record: &Record) -> Option<Record> {
        loop {
            tokio::time::sleep(self.lease / 4).await;
            // One that hangs leaves time to ask again.
            let error = match tokio::time::timeout(self.lease / 3, self.once(record)).await {
                Ok(Ok(renewed)) => return renewed,
                Ok(Err(error)) => error.message,
                Err(_elapsed) => "no answer in time".to_owned(),
            };
            tracing::warn!(store = self.store.url(), error, "lock not renewed");
        }
    }

    async fn once(&self, record: &Record) -> Result<Option<Record>, Failure> {
        let Some((found, pin)) = read(&self.store, &self.key).await? else { return Ok(None) };
        let over = found.until < Utc::now() && self.key != KEY;
        if !found.is_of(record) || found.released || over {
            return Ok(None);
        }
        let renewed = Record { until: Utc::now() + self.lease, ..found };
        let bytes = renewed.bytes()?;
        let done: Result<bool, StoreError> =
            self.store.compare_and_swap(&self.key, bytes, Some(&pin)).await;
        Ok(done?.then_some(renewed))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::model::FailureKind;
    use crate::store::Location;

    fn holder(epoch: u64) -> Holder {
        Holder { name: "ops".to_owned(), run: RunId::now(), epoch }
    }

    fn places() -> (tempfile::TempDir, [Store; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let memory = format!("memory://lock-{}", RunId::now());
        let stores = [Location::of_path(folder.path()).unwrap(), Location::new(memory)]
            .map(|location| Store::open(&location).unwrap());
        (folder, stores)
    }

    #[tokio::test]
    async fn one_holds_and_the_other_is_told_who() {
        let (_folder, stores) = places();
        let bucket = crate::store::remote::testing::bucket("lock");
        for store in stores.into_iter().chain([bucket]) {
            let lease = Duration::from_mins(1);
            let (first, second) = (holder(1), holder(2));
            let lock = TargetLock::take(&store, &first, lease).await.unwrap();
            let refused = TargetLock::take(&store, &second, lease).await.unwrap_err();
            assert_eq!((refused.kind, refused.code), (FailureKind::Fenced, Code::Locked));
            assert!(refused.message.contains(&first.run.to_string()), "{refused}");
            lock.release().await.unwrap();
            TargetLock::take(&store, &second, lease).await.unwrap().release().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_lease_is_renewed_and_a_dead_or_silent_holder_is_replaced() {
        let (_folder, [local, memory]) = places();
        tokio::join!(is_renewed_and_replaced(&local), is_renewed_and_replaced(&memory));
    }

    async fn is_renewed_and_replaced(store: &Store) {
        // Long enough that a machine at its limits renews it in time.
        let lease = Duration::from_secs(1);
        let kept = TargetLock::take(store, &holder(1), lease).await.unwrap();
        tokio::time::sleep(lease * 2).await;
        assert!(TargetLock::take(store, &holder(2), lease).await.is_err());
        // The holder falls silent, as when its machine is cut off.
        kept.renewal.abort();
        tokio::time::sleep(lease * 2).await;
        let taken = TargetLock::take(store, &holder(3), lease * 100).await.unwrap();
        kept.release().await.unwrap();
        let (record, pin) = read(store, KEY).await.unwrap().unwrap();
        assert!(record.is_of(&taken.record) && !record.released);
        // A process of this machine that is gone need not be waited for.
        let process = ProcessIdentity { born: Some(1), ..record.process.clone() };
        let dead = Record { process, ..record };
        assert!(store.compare_and_swap(KEY, dead.bytes().unwrap(), Some(&pin)).await.unwrap());
        // One of another machine may live, though it has the same name and number.
        let boot = Some("another".to_owned());
        let process = ProcessIdentity { boot, ..dead.process.clone() };
        assert!(dead.may_be_taken() && !Record { process, ..dead }.may_be_taken());
        TargetLock::take(store, &holder(4), lease).await.unwrap();
    }

    #[tokio::test]
    async fn a_holder_learns_that_it_lost_the_lock() {
        let (_folder, [store, _]) = places();
        let lock = TargetLock::take(&store, &holder(1), Duration::from_secs(1)).await.unwrap();
        let (record, pin) = read(&store, KEY).await.unwrap().unwrap();
        let other = Record { run: RunId::now(), epoch: 2, ..record };
        assert!(store.compare_and_swap(KEY, other.bytes().unwrap(), Some(&pin)).await.unwrap());
        tokio::time::timeout(Duration::from_secs(5), lock.lost().cancelled()).await.unwrap();
    }

    /// Whatever its client has the patience for: a server that takes requests and says nothing.
    #[tokio::test]
    async fn a_holder_whose_store_falls_silent_learns_it_when_its_lease_ends() {
        use crate::store::remote::testing::{Answer, by_way_of, location};
        let silent = Arc::new(AtomicBool::new(false));
        let hangs = silent.clone();
        let (place, _server) = by_way_of(&location("silent"), move |_, _| {
            while hangs.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(10));
            }
            Answer::Pass
        });
        let store = Store::open(&place).unwrap();
        let lock = TargetLock::take(&store, &holder(1), Duration::from_secs(2)).await.unwrap();
        silent.store(true, Ordering::SeqCst);
        let lost = lock.lost();
        // One request alone is waited for a minute.
        tokio::time::timeout(Duration::from_secs(30), lost.cancelled()).await.unwrap();
        assert!(lock.until.load(Ordering::SeqCst) <= Utc::now().timestamp_millis(), "not before");
        assert!(!lock.holds());
        let released = tokio::time::timeout(Duration::from_secs(30), lock.release()).await;
        released.expect("it is not asked to let go what has ended").unwrap();
        silent.store(false, Ordering::SeqCst);
    }
}
