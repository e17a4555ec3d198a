//! All that the actions of one run share: the targets, opened from the run's setting.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{Mutex, OnceCell};

use super::graph_server::GraphServer;
use super::places::{self, Places};
use super::promote::Rehearsed;
use super::setting::Setting;
use super::targets::Targets;
use crate::access::Redactor;
use crate::canonical::{BackupStore, CanonicalStores, Withdrawals, ledger};
use crate::digest::Digest;
use crate::engine::StepContext;
use crate::journal::Journal;
use crate::model::{Code, Failure, RunId, RunMode, Zone};
use crate::projection::StageContext;
use crate::projection::graph::sparql::GraphLock;
use crate::{postgres, store};

/// What the actions of a run work on.
pub(crate) struct World {
    /// The run.
    pub(crate) run: RunId,
    /// What it was asked.
    pub(crate) setting: Setting,
    /// The canonical stores that are restored or read.
    pub(crate) canonical: CanonicalStores,
    /// The backup store; a rebuild and a rollback have none.
    pub(crate) backup: Option<BackupStore>,
    /// Where projections go.
    pub(crate) targets: Targets,
    /// The state directory.
    pub(crate) state: PathBuf,
    /// What was found where.
    pub(crate) places: Places,
    /// The journal of the run.
    pub(crate) journal: Arc<dyn Journal>,
    /// Keeps what is not public out of what leaves the process.
    pub(crate) redactor: Arc<Redactor>,
    /// What was withdrawn, once it was asked for.
    pub(super) withdrawn: OnceCell<Arc<Withdrawals>>,
    /// The rehearsal that the run takes over from, or why there is none any more.
    pub(super) rehearsed: Option<Result<Box<Rehearsed>, Failure>>,
    locks: Mutex<Locks>,
    ledger: OnceCell<ledger::Target>,
}

#[derive(Default)]
struct Locks {
    stores: Vec<store::TargetLock>,
    graph: Option<GraphLock>,
    database: Option<postgres::TargetLock>,
}

impl World {
    /// Opens what a run works on; writes nothing. A rehearsal opens scratch and the backup, and
    /// never resolves the credentials of the environment's own targets.
    pub(crate) async fn open(
        run: RunId,
        setting: Setting,
        state: &Path,
        journal: Arc<dyn Journal>,
        redactor: Arc<Redactor>,
    ) -> Result<Self, Failure> {
        let places = Places::of(&setting, run, state)?;
        let canonical = places::canonical(&places)?;
        let backup = match setting.mode {
            RunMode::Restore | RunMode::Rehearse => {
                Some(BackupStore::open(places::store(&places.backup)?).await?)
            }
            RunMode::Rebuild | RunMode::Rollback => None,
        };
        let rehearsed = match setting.promote {
            Some(promote) => {
                let opened = Rehearsed::open(promote.run, &setting, state, &*journal);
                Some(Box::pin(opened).await.map(Box::new))
            }
            None => None,
        };
        let targets = Targets::new(&places, setting.limits.pool_size())?;
        let stores = canonical.all().chain([targets.store()]);
        let roots = stores.filter_map(store::Store::local_root);
        let ours = [Some(state), setting.plan.parent()].into_iter().flatten();
        ours.chain(roots).for_each(|place| redactor.know_place(place));
        Ok(Self {
            run,
            setting,
            canonical,
            backup,
            targets,
            state: state.to_owned(),
            places,
            journal,
            redactor,
            withdrawn: OnceCell::new(),
            rehearsed,
            locks: Mutex::default(),
            ledger: OnceCell::new(),
        })
    }

    /// The stores that the run writes to.
    pub(crate) fn written(&self) -> Vec<&store::Store> {
        let mut stores: Vec<_> = self.canonical.all().collect();
        let projections = self.targets.store();
        if stores.iter().all(|store| store.identity() != projections.identity()) {
            stores.push(projections);
        }
        stores
    }

    /// The names under which the journal claims the run's targets.
    pub(crate) fn target_names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.written().iter().map(|store| store.identity().to_owned()).collect();
        names.push(self.targets.database_name());
        names.extend(self.targets.graph().map(GraphServer::name));
        names.sort();
        names.dedup();
        names
    }

    /// Takes the lock of every target, all or none.
    pub(crate) async fn lock(&self, holder: &str, epoch: u64) -> Result<(), Failure> {
        let mut locks = self.locks.lock().await;
        let taken = self.take_locks(&mut locks, holder, epoch).await;
        if taken.is_err() {
            let half_taken = std::mem::take(&mut *locks);
            // Who holds the lock is what is to be told.
            if let Err(failure) = give_back(half_taken).await {
                tracing::warn!(error = %failure.message, "a lock was not given back");
            }
            return taken;
        }
        self.sweep().await
    }

    /// Clears what killed runs left in local folders; never what a running one works in.
    async fn sweep(&self) -> Result<(), Failure> {
        for folder in self.swept().await? {
            tracing::info!(folder = %folder.display(), "cleared what a killed run left");
        }
        Ok(())
    }

    /// Removes staging folders without an owner, and what runs that nobody drives have spilled.
    pub(crate) async fn swept(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut swept = self.targets.files().sweep().await?;
        swept.extend(self.sweep_spill().await?);
        Ok(swept)
    }

    async fn sweep_spill(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut swept = Vec::new();
        for run in self.journal.runs().await? {
            let folder = self.state.join("spill").join(run.run.to_string());
            if run.run != self.run && run.holder.is_none() && folder.exists() {
                tokio::fs::remove_dir_all(&folder).await.map_err(|error| {
                    let message = format!("failed to clear {}", folder.display());
                    Failure::permanent(Code::StepFailed, message).because(&error)
                })?;
                swept.push(folder);
            }
        }
        Ok(swept)
    }

    async fn take_locks(&self, locks: &mut Locks, holder: &str, epoch: u64) -> Result<(), Failure> {
        let lease = std::time::Duration::from_secs(crate::journal::LEASE_SECONDS);
        let by = store::Holder { name: holder.to_owned(), run: self.run, epoch };
        for target in self.written() {
            locks.stores.push(store::TargetLock::take(target, &by, lease).await?);
        }
        if let Some(server) = self.targets.graph() {
            locks.graph = Some(server.lock(self.run, holder, epoch).await?);
        }
        let pool = self.targets.pool().await?;
        locks.database = Some(postgres::TargetLock::take(pool, self.run, holder, epoch).await?);
        Ok(())
    }

    /// Makes sure that every lock is still ours: asked before what cannot be taken back.
    pub(crate) async fn still_locked(&self) -> Result<(), Failure> {
        let mut locks = self.locks.lock().await;
        // By the clock too: after a sleep this may be asked before the renewal has run.
        if let Some(lost) = locks.stores.iter().find(|lock| !lock.holds()) {
            return Err(lost.lost_failure());
        }
        if let Some(graph) = &locks.graph {
            graph.check().await?;
        }
        match &mut locks.database {
            Some(database) => Ok(database.check().await?),
            None => Err(postgres::LockError::Lost(None).into()),
        }
    }

    /// Whether no store's lock is known to be lost. A run that halted has none of the database.
    pub(crate) async fn holds_stores(&self) -> bool {
        self.locks.lock().await.stores.iter().all(store::TargetLock::holds)
    }

    /// Lets every lock go.
    pub(crate) async fn give_locks_back(&self) -> Result<(), Failure> {
        let held = std::mem::take(&mut *self.locks.lock().await);
        give_back(held).await
    }

    /// Lets every lock go and closes connections.
    pub(crate) async fn close(&self) -> Result<(), Failure> {
        let given_back = self.give_locks_back().await;
        // What did not fit into memory is of no use to a later try.
        let spill = self.spill_folder();
        if spill.exists() {
            let removed = tokio::fs::remove_dir_all(&spill).await;
            if let Err(error) = removed {
                tracing::warn!(folder = %spill.display(), %error, "spill folder not removed");
            }
        }
        if let Some(Ok(rehearsed)) = &self.rehearsed {
            rehearsed.targets.close().await?;
        }
        self.targets.close().await?;
        given_back
    }

    fn spill_folder(&self) -> PathBuf {
        self.state.join("spill").join(self.run.to_string())
    }

    /// Canonical stores whose bytes may be nearer than the backup's: those of the rehearsal that
    /// the run takes over from.
    pub(crate) fn near(&self) -> Option<&CanonicalStores> {
        let rehearsed = self.rehearsed.as_ref()?.as_ref().ok()?;
        Some(&rehearsed.canonical)
    }

    /// A folder for what does not fit into memory.
    pub(crate) fn spill(&self) -> Result<PathBuf, Failure> {
        let folder = self.spill_folder();
        super::private::folder(&folder)?;
        Ok(folder)
    }

    /// What is to be said of a lock that was lost to another run, if one was.
    pub(crate) async fn lost_lock(&self) -> Option<Failure> {
        let locks = self.locks.lock().await;
        let store = locks.stores.iter().find(|lock| lock.lost().is_cancelled());
        let graph = locks.graph.as_ref().filter(|lock| lock.lost().is_cancelled());
        let graph = graph.map(GraphLock::lost_failure);
        store.map(store::TargetLock::lost_failure).or(graph)
    }

    /// Whether a lock was lost to another run.
    pub(crate) async fn lost_locks(&self) -> Vec<tokio_util::sync::CancellationToken> {
        let locks = self.locks.lock().await;
        let graph = locks.graph.iter().map(GraphLock::lost);
        locks.stores.iter().map(store::TargetLock::lost).chain(graph).collect()
    }

    /// How the ledger at the target stood to a snapshot's before the run wrote to it; looked at
    /// once. After a stop it is the same again: records of the snapshot count as there.
    pub(crate) async fn ledger_at_target(
        &self,
        snapshot: &Digest,
    ) -> Result<&ledger::Target, Failure> {
        let look = || async {
            let backup = self.backup()?;
            let manifest = backup.manifest(snapshot).await?;
            let store = self.canonical.of_zone(Zone::Audit);
            Ok(ledger::target(store, backup, &manifest).await?)
        };
        self.ledger.get_or_try_init(look).await
    }

    /// What a projection needs to know of the run that fills it.
    pub(crate) fn stage_context(&self, cx: &StepContext) -> StageContext {
        StageContext {
            run: self.run,
            epoch: cx.unit.epoch,
            cancel: cx.cancel.clone(),
            meter: cx.meter.clone(),
        }
    }
}

/// Lets all go, also after one that could not be; gives the first failure.
async fn give_back(locks: Locks) -> Result<(), Failure> {
    let mut given_back = Ok(());
    for lock in locks.stores {
        given_back = given_back.and(lock.release().await);
    }
    if let Some(lock) = locks.graph {
        given_back = given_back.and(lock.release().await.map_err(Failure::from));
    }
    if let Some(lock) = locks.database {
        lock.release().await;
    }
    given_back
}
