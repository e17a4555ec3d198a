use std::collections::BTreeMap;

use chrono::{TimeDelta, Utc};
use futures::TryStreamExt;
use tokio_util::sync::CancellationToken;

use super::scene::{ARTIFACT, Scene, VERSION, all_keys, brief, store_at};
use crate::canonical::*;
use crate::digest::{Digest, digest_json};
use crate::model::{Code, FindingKind, Meter, PolicyLabel, RunId, Severity, Zone};
use crate::store::{Location, Store};

#[tokio::test]
async fn what_is_sealed_is_proven_restored_and_proven_again() {
    let scene = Scene::new();
    let sealed = scene.seal().await;
    let unknown = (FindingKind::UnknownZone, Severity::Warns, "README.md");
    assert_eq!(brief(&sealed.findings), [unknown]);
    assert_eq!(sealed.state, State::Clean);
    let keys = all_keys(scene.stores("canonical").default_store()).await;
    assert_eq!(sealed.objects, keys.len() as u64);
    assert_eq!(sealed.objects_copied + sealed.objects_reused, sealed.objects);

    let verified = scene.verify_backup(&sealed.snapshot).await;
    assert!(verified.ok, "{:?}", verified.findings);
    let plan = 18;
    assert_eq!(
        (verified.objects_checked, verified.bytes_checked),
        (sealed.objects + 1, sealed.bytes + plan)
    );
    let verified = scene.verify("canonical", &sealed.snapshot).await;
    assert!(verified.ok, "{:?}", verified.findings);

    let done = scene.restore("target", &sealed.snapshot, Existing::List).await.unwrap();
    assert_eq!((done.restored, done.bytes), (sealed.objects, sealed.bytes));
    assert!(done.findings.is_empty() && done.conflicts.is_empty());
    assert_eq!(all_keys(scene.stores("target").default_store()).await, keys);
    assert!(scene.verify("target", &sealed.snapshot).await.ok);
    for key in &keys {
        let restored = std::fs::read(scene.folder.path().join("target").join(key)).unwrap();
        assert_eq!(restored, std::fs::read(scene.path(key)).unwrap(), "{key}");
    }
    // Twice equals once.
    let again = scene.restore("target", &sealed.snapshot, Existing::List).await.unwrap();
    assert_eq!((again.kept, again.restored, again.bytes), (sealed.objects, 0, 0));
}

#[tokio::test]
async fn an_unchanged_store_copies_nothing_and_names_the_same_content() {
    let scene = Scene::new();
    let first = scene.seal().await;
    assert!(first.bytes_copied > 40_000_000);
    let second = scene.seal().await;
    assert_eq!((second.objects_copied, second.bytes_copied), (0, 0));
    assert_eq!(second.objects_reused, second.objects);
    let (a, b) = (scene.manifest(&first.snapshot).await, scene.manifest(&second.snapshot).await);
    assert_eq!(a.shards, b.shards);
    let same_time = Manifest { as_of: a.as_of, sealed_at: a.sealed_at, ..b };
    assert_eq!(Digest::blake3(&same_time.bytes().unwrap()), first.snapshot);

    // Once the files have settled, they are not even read.
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    for key in all_keys(scene.stores("canonical").default_store()).await {
        let file = std::fs::File::options().write(true).open(scene.path(&key)).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    scene.seal().await;
    // Which shows by a change that leaves inode, size and time as they were.
    std::fs::write(scene.path(ARTIFACT), b"x,y\n7,8\n").unwrap();
    let file = std::fs::File::options().write(true).open(scene.path(ARTIFACT)).unwrap();
    file.set_modified(long_ago).unwrap();
    let unread = scene.seal().await;
    assert_eq!((unread.state, unread.bytes_copied), (State::Clean, 0));
    std::fs::write(scene.path(ARTIFACT), b"a,b\n1,2\n").unwrap();
    file.set_modified(long_ago).unwrap();
    let entry = scene.entry(&first.snapshot, ARTIFACT).await;
    std::fs::remove_file(scene.blob(&entry.digest)).unwrap();
    let healed = scene.seal().await;
    assert_eq!(
        (healed.objects_copied, healed.bytes_copied),
        (1, entry.size),
        "a lost blob is read again"
    );
    // One that is there in another size is damaged, and put right while the source has it.
    std::fs::write(scene.blob(&entry.digest), b"short").unwrap();
    let healed = scene.seal().await;
    assert_eq!(healed.bytes_copied, entry.size);
    assert!(scene.verify_backup(&first.snapshot).await.ok);
}

#[tokio::test]
async fn snapshots_are_listed_and_chosen() {
    let scene = Scene::new();
    let first = scene.seal().await;
    scene.write(ARTIFACT, b"a,b\n1,3\n");
    let second = scene.seal().await;
    assert_eq!(second.state, State::Suspect);
    let backup = scene.backup().await;
    let listing = backup.list().await.unwrap();
    let order: Vec<Digest> = listing.snapshots.iter().map(|listed| listed.snapshot).collect();
    assert_eq!(order, [second.snapshot, first.snapshot]);

    let dev = Accepts::Only { environments: vec!["dev".to_owned()], unnamed: false };
    let prod = Accepts::Only { environments: vec!["prod".to_owned()], unnamed: true };
    let choose = async |choice: Choice, accepts: &Accepts| {
        backup.choose(&choice, accepts).await.map(|(snapshot, _)| snapshot)
    };
    assert_eq!(choose(Choice::NewestClean, &dev).await.unwrap(), first.snapshot);
    assert_eq!(choose(Choice::AsOf(Utc::now()), &dev).await.unwrap(), first.snapshot);
    let short = Choice::Named(second.snapshot.hex()[..8].to_owned());
    assert_eq!(choose(short.clone(), &Accepts::Any).await.unwrap(), second.snapshot);
    for (choice, accepts) in [
        (Choice::NewestClean, &prod),
        (short, &prod),
        (Choice::AsOf(first.as_of - TimeDelta::seconds(1)), &dev),
        (Choice::Named("ffffffffffffffff".to_owned()), &dev),
        (Choice::Named(String::new()), &dev),
    ] {
        let failure = crate::model::Failure::from(choose(choice, accepts).await.unwrap_err());
        assert_eq!(failure.code, Code::SnapshotMissing);
    }
}

#[tokio::test]
async fn a_snapshot_tells_what_it_holds() {
    let scene = Scene::new();
    let sealed = scene.seal().await;
    let manifest = scene.manifest(&sealed.snapshot).await;
    let content =
        snapshot_content(&scene.backup().await, &manifest, &Withdrawals::default()).await.unwrap();
    let [version] = &content.versions[..] else { panic!("{:?}", content.versions) };
    assert_eq!((version.dataset.as_str(), version.version.as_str()), ("d", VERSION));
    assert_eq!((version.released, version.policy_label), (true, Some(PolicyLabel::Public)));
    let artifact = Digest::blake3(b"a,b\n1,2\n");
    assert_eq!(version.artifacts, digest_json(&[(ARTIFACT, artifact)]).unwrap());
    assert_eq!(content.zones[&Zone::Processed].objects, 2);
    assert_eq!(content.zones.values().map(|zone| zone.objects).sum::<u64>(), sealed.objects);
    let prefixes: Vec<&str> =
        content.zones[&Zone::Catalog].shards.iter().map(|shard| shard.prefix.as_str()).collect();
    assert_eq!(prefixes, ["releases/", "catalog/d/2026-02.abcd1234/"]);
}

#[tokio::test]
async fn a_filter_and_a_held_back_version_stay_out() {
    let scene = Scene::new();
    let sealed = scene.seal().await;
    let (backup, manifest) = (scene.backup().await, scene.manifest(&sealed.snapshot).await);
    let stores = scene.stores("target");
    let filter = Filter { datasets: ["d".to_owned()].into(), ..Filter::default() };
    let restore = Restore {
        near: None,
        backup: &backup,
        stores: &stores,
        filter: &filter,
        hold_back: &|entry| entry.zone == Zone::Catalog,
        withdrawals: &Withdrawals::default(),
        existing: Existing::List,
        run: RunId::now(),
        at_once: 2,
        meter: &Meter::default(),
        cancel: &scene.cancel,
    };
    let mut all = RestoredShard::default();
    for shard in manifest.shards.iter().filter(|shard| filter.may_hold(shard)) {
        all.merge(restore.shard(shard).await.unwrap());
    }
    assert_eq!((all.objects, all.restored, all.held_back), (5, 3, 2));
    let keys = all_keys(stores.default_store()).await;
    assert_eq!(
        keys,
        [
            "processed/d/2026-02.abcd1234/artifacts/data.csv",
            "processed/d/2026-02.abcd1234/checksums.json",
            "raw/d/acq/artifacts/large.bin",
        ]
    );
}

#[tokio::test]
async fn places_that_make_no_sense_are_refused() {
    let scene = Scene::new();
    scene.seal().await;
    let root = scene.folder.path();
    // Exchanged, or something else there: nothing may be written into it.
    let error = BackupStore::init(store_at(&root.join("canonical"))).await.unwrap_err();
    assert!(matches!(error, BackupError::Occupied { .. }));
    let seal_from = async |from: &str, to: &str| {
        let to = BackupStore::init(store_at(&root.join(to))).await.unwrap();
        let (options, meter) = (SealOptions::default(), Meter::default());
        seal(&scene.stores(from), &to, options, &meter, &scene.cancel).await
    };
    for (from, to) in
        [("backup", "other"), ("nothing", "other"), ("a", "a/b"), ("fresh/b", "fresh")]
    {
        let failure = seal_from(from, to).await.unwrap_err();
        assert_eq!(failure.code, Code::Usage, "{from} {to}: {failure}");
    }
    let error = BackupStore::open(store_at(&root.join("canonical"))).await.unwrap_err();
    assert!(matches!(error, BackupError::NotABackup { .. }));
}

#[tokio::test]
async fn a_key_that_a_target_cannot_hold_is_named_before_and_others_go_on() {
    let scene = Scene { folder: tempfile::tempdir().unwrap(), cancel: CancellationToken::new() };
    let url = format!("memory://wide-{}", RunId::now());
    let wide = Store::open(&Location::new(url)).unwrap();
    let long = format!("raw/d/{}", "k".repeat(300));
    for key in ["raw/d/a/x", "raw/d/a/x/y", "raw/d/a/x-z", long.as_str()] {
        wide.create(key, key.to_owned().into()).await.unwrap();
    }
    let from = CanonicalStores::new(wide, BTreeMap::new());
    let backup = scene.backup().await;
    let options = SealOptions::default();
    let sealed = seal(&from, &backup, options, &Meter::default(), &scene.cancel).await.unwrap();
    let manifest = scene.manifest(&sealed.snapshot).await;
    let (target, filter) = (scene.stores("target"), Filter::default());
    let found =
        preflight(&backup, &manifest, &target, &filter, &Withdrawals::default()).await.unwrap();
    let kinds = [
        (FindingKind::Unreadable, Severity::Blocks, "raw/d/a/x"),
        (FindingKind::Unreadable, Severity::Blocks, long.as_str()),
    ];
    let mut named = brief(&found.findings);
    named.sort_by_key(|(_, _, key)| key.to_string());
    assert_eq!(named, kinds);
    assert!(!scene.folder.path().join("target").exists());
    let done = scene.restore("target", &sealed.snapshot, Existing::List).await.unwrap();
    assert_eq!((done.restored, done.findings.len()), (2, 2));
    let there = target.default_store().walk("").try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(there.len(), 2);
}
