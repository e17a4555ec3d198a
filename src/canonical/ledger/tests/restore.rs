//! How a ledger at a target stands to a snapshot's, before and after its records are restored.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::canonical::{
    BackupStore, CanonicalStores, Entry, Existing, Filter, Manifest, Restore, SealOptions,
    Withdrawals, seal,
};
use crate::model::{Meter, RunId};
use crate::store::{Location, Store};

/// A ledger, a backup of it, and a target.
struct Scene {
    origin: Closed,
    _dir: tempfile::TempDir,
    backup: BackupStore,
    snapshot: Manifest,
    target: Platform,
}

fn store(path: &std::path::Path) -> Store {
    Store::open(&Location::of_path(path).unwrap()).unwrap()
}

impl Scene {
    /// A snapshot of three days of four records.
    async fn new() -> Self {
        let origin = Closed::new(3, 4).await;
        fs::write(origin.platform.path(SIGNATURE), b"signed").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let backup = BackupStore::init(store(dir.path())).await.unwrap();
        let stores = CanonicalStores::new(origin.platform.store.clone(), BTreeMap::new());
        let (meter, cancel) = (Meter::default(), CancellationToken::new());
        let sealed = seal(&stores, &backup, SealOptions::default(), &meter, &cancel).await.unwrap();
        let snapshot = backup.manifest(&sealed.snapshot).await.unwrap();
        assert_eq!(snapshot.ledger_head, Some(origin.name(11)));
        Self { origin, _dir: dir, backup, snapshot, target: Platform::empty() }
    }

    /// Makes the target's ledger a copy of the origin's.
    fn copy(&self) {
        for key in self.origin.platform.keys("audit") {
            let to = self.target.path(&key);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(self.origin.platform.path(&key), to).unwrap();
        }
    }

    fn closed(self) -> (Closed, Self) {
        let Self { origin, target, .. } = &self;
        let closed = Closed {
            platform: Platform::at(target),
            keys: origin.keys.clone(),
            checkpoints: origin.checkpoints.clone(),
        };
        (closed, self)
    }

    async fn look(&self) -> Target {
        target(&self.target.store, &self.backup, &self.snapshot).await.unwrap()
    }

    async fn restore(&self, hold_back: &(dyn Fn(&Entry) -> bool + Sync), existing: Existing) {
        let stores = CanonicalStores::new(self.target.store.clone(), BTreeMap::new());
        let (meter, cancel) = (Meter::default(), CancellationToken::new());
        let restore = Restore {
            near: None,
            backup: &self.backup,
            stores: &stores,
            filter: &Filter::default(),
            withdrawals: &Withdrawals::default(),
            hold_back,
            existing,
            run: RunId::now(),
            at_once: 4,
            meter: &meter,
            cancel: &cancel,
        };
        for shard in &self.snapshot.shards {
            restore.shard(shard).await.unwrap();
        }
    }

    /// Restores the records, verifies, and moves the head as a run does.
    async fn recover(&self) -> (LedgerReport, Option<HeadMove>) {
        assert_eq!(self.look().await.forked, vec![]);
        let is_head = |entry: &Entry| entry.key.starts_with("audit/ledger/heads/");
        self.restore(&is_head, Existing::Keep).await;
        let report = self.verify().await;
        if report.findings.iter().any(crate::model::Finding::blocks) {
            return (report, None);
        }
        let proven = report.head.as_ref().map(|head| head.event_hash);
        let head = self.snapshot.ledger_head;
        let next = head_move(&self.target.store, head, report.standing, proven).await.unwrap();
        match &next {
            HeadMove::Write => self.restore(&|entry| entry.key != HEAD, Existing::Keep).await,
            HeadMove::Replace(pin) => {
                for shard in &self.snapshot.shards {
                    for entry in self.backup.shard(shard).await.unwrap() {
                        if entry.key == HEAD {
                            let (store, run) = (&self.target.store, RunId::now());
                            move_head(store, &self.backup, &entry, pin, run).await.unwrap();
                        }
                    }
                }
            }
            HeadMove::Same | HeadMove::Keep => {}
        }
        (report, Some(next))
    }

    async fn verify(&self) -> LedgerReport {
        let anchor = AnchoredHead::of(&self.snapshot);
        verify(&self.target.store, anchor.as_ref(), HeadDocument::YetToCome).await.unwrap()
    }

    async fn in_place(&self) -> LedgerReport {
        let anchor = AnchoredHead::of(&self.snapshot);
        verify(&self.target.store, anchor.as_ref(), HeadDocument::Expected).await.unwrap()
    }

    async fn head(&self) -> Option<Digest> {
        let head = super::super::append::head(&self.target.store).await.unwrap();
        head.map(|head| head.event_hash)
    }
}

#[tokio::test]
async fn an_absent_ledger_is_restored_to_the_snapshots_head() {
    let scene = Scene::new().await;
    assert_eq!(scene.look().await, Target::default());
    let (report, next) = scene.recover().await;
    assert_eq!((report.findings, report.standing), (vec![], Standing::Absent));
    assert_eq!(next, Some(HeadMove::Write));
    assert_eq!(scene.in_place().await.findings, vec![]);
}

#[tokio::test]
async fn a_longer_ledger_is_kept_and_never_rewound() {
    let scene = Scene::new().await;
    scene.copy();
    for at in [5000, 6000, 6001] {
        append(&scene.target.store, &new(at)).await.unwrap();
    }
    let grown = scene.head().await;
    scene.target.remove(&scene.origin.keys[2]);
    let (report, next) = scene.recover().await;
    assert_eq!((report.findings, report.standing), (vec![], Standing::Ahead));
    assert_eq!((next, scene.head().await), (Some(HeadMove::Keep), grown));
    assert_eq!(scene.in_place().await.findings, vec![]);
}

#[tokio::test]
async fn a_head_that_was_lost_with_its_tail_is_moved_forward() {
    for cut in [1, 4, 6, 11] {
        let (target, scene) = {
            let scene = Scene::new().await;
            scene.copy();
            scene.closed()
        };
        target.rewind(cut - 1);
        target.remove(&target.keys[cut..]);
        let older = scene.head().await;
        let (report, next) = scene.recover().await;
        assert_eq!((report.findings, report.standing), (vec![], Standing::Behind));
        assert!(matches!(next, Some(HeadMove::Replace(_))));
        assert_eq!(scene.head().await, scene.snapshot.ledger_head);
        assert_eq!(scene.in_place().await.findings, vec![]);
        let aside: Vec<String> = scene.target.keys(".coppice/displaced");
        assert_eq!(aside.len(), 1, "the former head was not copied aside");
        assert!(
            fs::read_to_string(scene.target.path(&aside[0]))
                .unwrap()
                .contains(&older.unwrap().to_string())
        );
        append(&scene.target.store, &new(9000)).await.unwrap();
        assert_eq!(scene.in_place().await.findings, vec![]);
    }
}

#[tokio::test]
async fn a_head_that_moves_before_it_could_be_moved_stops_the_restore() {
    let (target, scene) = {
        let scene = Scene::new().await;
        scene.copy();
        scene.closed()
    };
    target.rewind(3);
    let store = &scene.target.store;
    let (head, proven) = (scene.snapshot.ledger_head, scene.head().await);
    let next = head_move(store, head, Standing::Behind, proven).await.unwrap();
    let HeadMove::Replace(pin) = next else { panic!("{next:?}") };
    target.rewind(5);
    assert!(head_move(store, head, Standing::Behind, proven).await.is_err());
    for shard in &scene.snapshot.shards {
        for entry in scene.backup.shard(shard).await.unwrap() {
            if entry.key == HEAD {
                let moved = move_head(store, &scene.backup, &entry, &pin, RunId::now()).await;
                assert!(moved.is_err());
            }
        }
    }
    assert_eq!(scene.head().await, Some(target.name(5)));
}

#[tokio::test]
async fn a_damaged_head_is_replaced() {
    let scene = Scene::new().await;
    scene.copy();
    fs::write(scene.target.path(HEAD), b"{").unwrap();
    let (report, next) = scene.recover().await;
    assert_eq!((report.findings, report.standing), (vec![], Standing::Damaged));
    assert!(matches!(next, Some(HeadMove::Replace(_))));
    assert_eq!(scene.in_place().await.findings, vec![]);
}

#[tokio::test]
async fn records_beyond_the_snapshot_that_no_head_names_keep_the_gate_shut() {
    let (target, scene) = {
        let scene = Scene::new().await;
        scene.copy();
        scene.closed()
    };
    for at in [5000, 6000] {
        append(&scene.target.store, &new(at)).await.unwrap();
    }
    target.rewind(7);
    let (report, next) = scene.recover().await;
    let kinds: Vec<_> = report.findings.iter().map(|f| (f.kind, f.severity)).collect();
    assert_eq!((kinds, next), (vec![(K::LedgerHeadMismatch, Blocks)], None));
    scene.target.remove(HEAD);
    let (report, next) = scene.recover().await;
    let kinds: Vec<_> = report.findings.iter().map(|f| (f.kind, f.severity)).collect();
    assert_eq!((kinds, next), (vec![(K::LedgerHeadMismatch, Blocks)], None));
}

#[tokio::test]
async fn a_history_that_left_the_snapshots_is_told_before_anything_is_written() {
    // One record, several, and another beginning.
    for (from, count, later) in
        [(11, 1, 0), (11, 2, 0), (8, 1, 0), (5, 3, 0), (2, 2, 9000), (0, 2, 0), (0, 1, 9000)]
    {
        let (target, scene) = {
            let scene = Scene::new().await;
            scene.copy();
            scene.closed()
        };
        let others = from..;
        let mut lost = target.keys[others].to_vec();
        if from == 0 {
            target.platform.remove(HEAD);
        } else {
            target.rewind(from - 1);
        }
        // The checkpoints of another history are not those of this one.
        lost.extend(scene.target.keys("audit/checkpoints"));
        target.remove(&lost);
        for at in 0..count {
            append(&scene.target.store, &new(5000 + later + at)).await.unwrap();
        }
        let before = scene.target.keys("audit");
        let look = scene.look().await;
        assert!(!look.forked.is_empty(), "{from} {count}");
        assert!(look.forked.iter().all(|f| f.kind == K::LedgerForked && f.blocks()));
        assert_eq!(scene.target.keys("audit"), before);
    }
}

/// Records that came after the snapshot are lost; the checkpoint of their day was not.
async fn after_a_loss() -> (Scene, Digest) {
    let mut scene = Scene::new().await;
    scene.copy();
    let mut target =
        Closed { platform: Platform::at(&scene.target), keys: Vec::new(), checkpoints: Vec::new() };
    target.day(3, 2).await;
    target.day(4, 3).await;
    let lost = scene.head().await.unwrap();
    let records: Vec<String> = scene.target.keys(RECORDS);
    target.remove(&records);
    scene.target.remove(HEAD);
    scene.target = target.platform;
    (scene, lost)
}

#[tokio::test]
async fn a_loss_that_only_checkpoints_know_is_told_put_on_record_and_then_warns() {
    let (scene, lost) = after_a_loss().await;
    assert_eq!(scene.look().await.lost_head, Some(lost));
    let (report, next) = scene.recover().await;
    let expected = [(K::LedgerDayMissing, Warns), (K::LedgerDayMissing, Warns)];
    let kinds: Vec<_> = report.findings.iter().map(|f| (f.kind, f.severity)).collect();
    assert_eq!((&kinds[..], report.lost_head), (&expected[..], Some(lost)));
    assert_eq!(next, Some(HeadMove::Write));

    // Until it is on record it blocks whoever asks in place.
    assert!(scene.in_place().await.findings.iter().all(crate::model::Finding::blocks));
    let mut entry = new(9000);
    entry.extra.insert("last_lost_head".into(), json!(lost));
    append(&scene.target.store, &entry).await.unwrap();
    append(&scene.target.store, &new(9001)).await.unwrap();
    let findings = scene.in_place().await.findings;
    let kinds: Vec<_> = findings.iter().map(|f| (f.kind, f.severity)).collect();
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn a_loss_that_the_snapshot_should_have_had_blocks() {
    let (scene, _) = after_a_loss().await;
    // A checkpoint that goes on from another record than the snapshot's head.
    let checkpoints = scene.target.keys("audit/checkpoints");
    let manifest = checkpoints.iter().find(|key| key.contains("02-15.manifest")).unwrap();
    scene.target.edit(manifest, |text| {
        let mut manifest: Value = serde_json::from_str(&text).unwrap();
        manifest["prev_hash"] = json!(scene.origin.name(9));
        manifest.to_string()
    });
    let (report, next) = scene.recover().await;
    assert!(report.findings.iter().all(|f| f.kind == K::LedgerDayMissing && f.blocks()));
    assert_eq!((report.findings.len(), next), (2, None));
}
