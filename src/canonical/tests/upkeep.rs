//! Snapshots that come, are held, forgotten and pruned, also at once and killed: what a listed
//! snapshot names is there.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use futures::TryStreamExt;
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::scene::store_at;
use crate::canonical::*;
use crate::digest::Digest;
use crate::model::{Code, Failure, FailureKind, Meter, RunId};
use crate::store::{Holder, Location, Store, TargetLock};

/// A canonical store and a backup store of the same kind.
#[derive(Clone)]
struct House {
    origin: Store,
    backup: BackupStore,
}

impl House {
    async fn in_memory() -> Self {
        let open = |name: &str| {
            Store::open(&Location::new(format!("memory://{name}-{}", RunId::now()))).unwrap()
        };
        let backup = BackupStore::init(open("backup")).await.unwrap();
        Self { origin: open("origin"), backup }
    }

    async fn at(folder: &Path) -> Self {
        let backup = BackupStore::init(store_at(&folder.join("backup"))).await.unwrap();
        Self { origin: store_at(&folder.join("origin")), backup }
    }

    async fn write(&self, key: &str, content: &str) {
        let pin = self.origin.head(key).await.unwrap().map(|meta| meta.pin);
        let bytes = content.to_owned().into();
        assert!(self.origin.compare_and_swap(key, bytes, pin.as_ref()).await.unwrap());
    }

    async fn seal_until(&self, cancel: &CancellationToken) -> Result<Sealed, Failure> {
        let from = CanonicalStores::new(self.origin.clone(), BTreeMap::new());
        let options = SealOptions { environment: Some("dev".to_owned()), ..SealOptions::default() };
        seal(&from, &self.backup, options, &Meter::default(), cancel).await
    }

    async fn seal(&self) -> Sealed {
        self.seal_until(&CancellationToken::new()).await.unwrap()
    }

    async fn keep(&self, last: u32) -> Result<ForgetOutcome, Failure> {
        let keep = Keep { last, ..Keep::default() };
        forget(&self.backup, &What::Policy(keep), "test", false).await
    }

    async fn forget(&self, snapshot: &Digest) -> Result<ForgetOutcome, Failure> {
        forget(&self.backup, &What::Named(vec![snapshot.hex()]), "test", false).await
    }

    async fn prune_with(&self, grace: Duration, dry_run: bool) -> Result<Pruned, Failure> {
        let options = PruneOptions { grace, dry_run, at_once: 4, actor: "test".to_owned() };
        prune(&self.backup, &options, &CancellationToken::new()).await
    }

    async fn prune(&self) -> Result<Pruned, Failure> {
        self.prune_with(Duration::ZERO, false).await
    }

    async fn blobs(&self) -> Vec<String> {
        let walk = self.backup.store().walk("blobs");
        walk.map_ok(|walked| walked.name().to_owned()).try_collect().await.unwrap()
    }

    /// Every snapshot that is listed holds all that it names. Gives how many there are.
    async fn prove(&self) -> usize {
        let listing = self.backup.list().await.unwrap();
        assert_eq!(listing.damaged, []);
        for listed in &listing.snapshots {
            let (meter, cancel) = (Meter::default(), CancellationToken::new());
            let manifest = self.backup.manifest(&listed.snapshot).await.unwrap();
            let verified =
                verify_backup(&self.backup, listed.snapshot, &manifest, 4, &meter, &cancel);
            let verified = verified.await.unwrap();
            assert!(verified.ok, "{:#?}", verified.findings);
        }
        listing.snapshots.len()
    }
}

fn held(until: Option<i64>, legal: bool) -> Hold {
    Hold {
        until: until.map(|hours| Utc::now() + TimeDelta::hours(hours)),
        legal,
        reason: "case 7".to_owned(),
        actor: "counsel".to_owned(),
        at: Utc::now(),
    }
}

/// Three snapshots, each with content of its own: gives them oldest first.
async fn three(house: &House) -> Vec<Digest> {
    let mut all = Vec::new();
    for content in ["one", "two", "three"] {
        house.write("work/a", content).await;
        all.push(house.seal().await.snapshot);
    }
    all
}

async fn forgets_and_prunes(house: House) {
    let all = three(&house).await;
    let before = house.blobs().await.len();
    // Everything is named, so nothing goes.
    assert_eq!(house.prune().await.unwrap().blobs_removed, 0);
    assert_eq!(house.blobs().await.len(), before);

    let keep = What::Policy(Keep { last: 1, ..Keep::default() });
    let dry = forget(&house.backup, &keep, "test", true).await.unwrap();
    assert_eq!((dry.forgotten.len(), dry.kept.len()), (2, 1));
    assert_eq!(house.prove().await, 3, "a look changes nothing");
    let done = house.keep(1).await.unwrap();
    let gone: Vec<Digest> = done.forgotten.iter().map(|gone| gone.snapshot).collect();
    assert_eq!(gone, [all[1], all[0]], "newest first");

    let young = house.prune_with(Duration::from_hours(1), false).await.unwrap();
    assert_eq!((young.blobs_removed, young.blobs_young), (0, 4));
    let dry = house.prune_with(Duration::ZERO, true).await.unwrap();
    assert_eq!(house.blobs().await.len(), before, "a look changes nothing");
    let done = house.prune().await.unwrap();
    // Of each forgotten snapshot the object and the shard.
    assert_eq!((done.blobs_removed, done.complete), (4, true));
    assert_eq!((dry.blobs_removed, dry.bytes_removed), (4, done.bytes_removed));
    assert_eq!(house.blobs().await.len() as u64, done.blobs_named);
    assert_eq!(house.prove().await, 1);
    assert_eq!(house.prune().await.unwrap().blobs_removed, 0);

    let refused = house.forget(&all[2]).await.unwrap_err();
    assert_eq!(refused.code, Code::SnapshotHeld, "the newest clean one stays: {refused}");
    let missing = house.forget(&all[0]).await.unwrap_err();
    assert_eq!(missing.code, Code::SnapshotMissing);
}

#[tokio::test]
async fn what_is_forgotten_is_pruned_and_nothing_else() {
    forgets_and_prunes(House::in_memory().await).await;
    let folder = tempfile::tempdir().unwrap();
    forgets_and_prunes(House::at(folder.path()).await).await;
}

#[tokio::test]
async fn what_is_held_is_not_forgotten_and_a_hold_only_gets_stricter() {
    let house = House::in_memory().await;
    let [first, second, _] = three(&house).await[..] else { panic!("three") };
    hold(&house.backup, &first, held(Some(1), false)).await.unwrap();
    let both = hold(&house.backup, &first, held(None, true)).await.unwrap();
    assert!(both.legal && both.until.is_some(), "{both:?}");
    hold(&house.backup, &second, held(None, true)).await.unwrap();
    for snapshot in [first, second] {
        assert_eq!(house.forget(&snapshot).await.unwrap_err().code, Code::SnapshotHeld);
    }
    assert_eq!(house.keep(1).await.unwrap().forgotten, []);

    let by = || held(None, false);
    let left = release(&house.backup, &first, by()).await.unwrap().unwrap();
    assert!(!left.legal && left.until == both.until, "a retention is not lifted");
    let refused = release(&house.backup, &first, by()).await.unwrap_err();
    assert_eq!(refused.code, Code::SnapshotHeld);
    assert_eq!(house.forget(&first).await.unwrap_err().code, Code::SnapshotHeld);
    assert_eq!(release(&house.backup, &second, by()).await.unwrap(), None);
    let gone = house.keep(1).await.unwrap().forgotten;
    assert_eq!(gone.iter().map(|gone| gone.snapshot).collect::<Vec<_>>(), [second]);
    // A hold of nothing protects nobody.
    assert!(hold(&house.backup, &second, held(None, true)).await.is_err());
    // One that cannot be read may bind.
    let key = format!("holds/{}.json", second.hex());
    house.backup.store().create(&key, "{".into()).await.unwrap();
    assert_eq!(house.keep(1).await.unwrap_err().code, Code::SnapshotHeld);
}

#[tokio::test]
async fn where_it_cannot_be_told_what_is_named_nothing_is_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::at(folder.path()).await;
    let [first, second, _] = three(&house).await[..] else { panic!("three") };
    let backup = folder.path().join("backup");
    let before = house.blobs().await;
    // A shard of a listed snapshot is gone.
    let shard = house.backup.manifest(&second).await.unwrap().shards[0].digest;
    let path = backup.join(BackupStore::blob_key(&shard));
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    house.forget(&first).await.unwrap();
    assert_eq!(house.prune().await.unwrap_err().code, Code::GateShut);
    std::fs::write(&path, bytes).unwrap();
    // A manifest is damaged: no rule forgets it, its whole name does.
    std::fs::write(backup.join(BackupStore::manifest_key(&second)), "{").unwrap();
    assert_eq!(house.prune().await.unwrap_err().code, Code::GateShut);
    assert_eq!(house.blobs().await, before);
    let done = house.keep(1).await.unwrap();
    assert_eq!((done.forgotten.len(), done.findings.len()), (0, 1));
    assert_eq!(house.forget(&second).await.unwrap().forgotten.len(), 1);
    assert_eq!(house.prune().await.unwrap().blobs_removed, 4);
    assert_eq!(house.prove().await, 1);
}

#[tokio::test]
async fn a_snapshot_and_a_prune_see_each_other() {
    let house = House::in_memory().await;
    three(&house).await;
    house.keep(1).await.unwrap();
    let holder = |name: &str| Holder { name: name.to_owned(), run: RunId::now(), epoch: 0 };
    let lease = Duration::from_mins(1);
    let (store, sealing) = (house.backup.store(), ".coppice/sealing/other.json");
    let announced = TargetLock::take_at(store, sealing, &holder("other"), lease).await.unwrap();
    let refused = house.prune().await.unwrap_err();
    assert_eq!((refused.kind, refused.code), (FailureKind::Fenced, Code::Locked));
    announced.release().await.unwrap();
    assert_eq!(house.prune().await.unwrap().blobs_removed, 4);
    assert!(store.head(sealing).await.unwrap().is_none(), "what is over is cleared");

    // While somebody prunes, a snapshot waits, and begins nothing.
    let key = ".coppice/upkeep.json";
    let pruning = TargetLock::take_at(store, key, &holder("prune"), lease).await.unwrap();
    house.write("work/a", "four").await;
    let before = house.blobs().await;
    let cancel = CancellationToken::new();
    let waiting = house.seal_until(&cancel);
    cancel.cancel();
    assert_eq!(waiting.await.unwrap_err().kind, FailureKind::Cancelled);
    assert_eq!(house.blobs().await, before);
    assert_eq!(house.keep(1).await.unwrap_err().code, Code::Locked, "one upkeep at a time");
    pruning.release().await.unwrap();
    house.seal().await;
    assert_eq!(house.prove().await, 2);
}

#[derive(Debug, Clone)]
enum Op {
    Write { key: u8, content: u8 },
    Remove { key: u8 },
    Seal,
    Killed { after: u8 },
    Keep { last: u32 },
    Prune,
    Beside { last: u32, pause: u8 },
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0u8..4, 0u8..3).prop_map(|(key, content)| Op::Write { key, content }),
        1 => (0u8..4).prop_map(|key| Op::Remove { key }),
        2 => Just(Op::Seal),
        1 => (0u8..40).prop_map(|after| Op::Killed { after }),
        1 => (1u32..3).prop_map(|last| Op::Keep { last }),
        1 => Just(Op::Prune),
        4 => (1u32..3, 0u8..40).prop_map(|(last, pause)| Op::Beside { last, pause }),
    ]
}

async fn apply(house: &House, op: &Op) {
    match op {
        Op::Write { key, content } => {
            house.write(&format!("work/{key}"), &format!("content {content}")).await;
        }
        Op::Remove { key } => drop(house.origin.delete(&format!("work/{key}")).await.unwrap()),
        Op::Seal => drop(house.seal().await),
        Op::Killed { after } => {
            let sealer = house.clone();
            let task = tokio::spawn(async move { sealer.seal().await });
            for _ in 0..*after {
                tokio::task::yield_now().await;
            }
            task.abort();
            let _ended = task.await;
            // Its process is gone, which an announcement of this process does not show.
            let store = house.backup.store();
            let left: Vec<_> = store.walk(".coppice/sealing").try_collect().await.unwrap();
            for walked in left {
                store.delete(walked.name()).await.unwrap();
            }
        }
        Op::Keep { last } => drop(house.keep(*last).await.unwrap()),
        Op::Prune => drop(house.prune().await.unwrap()),
        Op::Beside { last, pause } => {
            let (sealer, pruner) = (house.clone(), house.clone());
            let (last, pause) = (*last, *pause);
            let sealing = tokio::spawn(async move { sealer.seal().await });
            let pruning = tokio::spawn(async move {
                for _ in 0..pause {
                    tokio::task::yield_now().await;
                }
                let kept = pruner.keep(last).await;
                (kept, pruner.prune().await)
            });
            let (kept, swept) = pruning.await.unwrap();
            sealing.await.unwrap();
            kept.unwrap();
            assert!(swept.is_ok() || swept.is_err_and(|failure| failure.code == Code::Locked));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_order_of_snapshots_forgetting_and_pruning_loses_a_named_blob(
        ops in proptest::collection::vec(any_op(), 1..25),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let house = House::in_memory().await;
            house.write("work/always", "there").await;
            for op in &ops {
                apply(&house, op).await;
                house.prove().await;
            }
            house.seal().await;
            house.keep(1).await.unwrap();
            house.prune().await.unwrap();
            assert_eq!(house.prove().await, 1);
        });
    }
}

const FOLDER: &str = "COPPICE_TEST_UPKEEP_FOLDER";

/// The process that gets killed; as a test by itself it has nothing to do.
#[tokio::test]
async fn keeps_house_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let house = House::at(Path::new(&folder)).await;
    for round in 0u64.. {
        for key in 0..6 {
            // Few contents, so that what was forgotten comes again.
            house
                .write(&format!("work/{key}"), &format!("content {}", (round * 7 + key) % 9))
                .await;
        }
        house.seal().await;
        house.keep(2).await.unwrap();
        house.prune().await.unwrap();
        tokio::fs::write(Path::new(&folder).join("rounds"), round.to_string()).await.unwrap();
    }
}

#[tokio::test]
async fn killed_at_any_instant_it_has_lost_nothing_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for wait in [0, 37, 71, 113, 190, 260] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "canonical::tests::upkeep::keeps_house_until_it_is_killed"])
            .env(FOLDER, folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Not before it has gone round once.
        while !folder.path().join("rounds").exists() {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        std::fs::remove_file(folder.path().join("rounds")).unwrap();
        let house = House::at(folder.path()).await;
        assert!(house.prove().await >= 1);
        // Nothing has to be waited for: the process that held the locks is gone.
        house.prune().await.unwrap();
        assert!(house.prove().await >= 1);
    }
}
