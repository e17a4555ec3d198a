use std::path::Path;

use super::scene::{ARTIFACT, Scene, VERSION, all_keys, brief};
use crate::canonical::*;
use crate::model::FindingKind::{self, Altered, Extra, Grown, Missing, Truncated, Unreadable};
use crate::model::Severity::{Blocks, Warns};

const LARGE: &str = "raw/d/acq/artifacts/large.bin";

type Damage = fn(&Path);

/// Each way in which a file can be damaged, and what it is called.
fn damages() -> [(FindingKind, Damage); 4] {
    [
        (Altered, |path| {
            let mut bytes = std::fs::read(path).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }),
        (Truncated, |path| {
            let bytes = std::fs::read(path).unwrap();
            std::fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
        }),
        (Grown, |path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes.push(0);
            std::fs::write(path, bytes).unwrap();
        }),
        (Missing, |path| std::fs::remove_file(path).unwrap()),
    ]
}

#[tokio::test]
async fn each_damage_of_a_store_is_told_apart_and_undone() {
    let scene = Scene::new();
    let sealed = scene.seal().await;
    for (key, version) in [(ARTIFACT, Some(VERSION)), (LARGE, None)] {
        for (kind, damage) in damages() {
            damage(&scene.path(key));
            let verified = scene.verify("canonical", &sealed.snapshot).await;
            assert!(!verified.ok);
            assert_eq!(brief(&verified.findings), [(kind, Blocks, key)]);
            assert_eq!(verified.findings[0].blocks, Vec::from_iter(version));
            // What is restored over it is right, and what was there is kept aside.
            let done = scene.restore("canonical", &sealed.snapshot, Existing::List).await.unwrap();
            assert_eq!((done.restored, done.displaced), (1, u64::from(kind != Missing)));
            assert!(scene.verify("canonical", &sealed.snapshot).await.ok);
        }
    }
    let aside = all_keys_of_own(&scene).await;
    assert_eq!(aside.len(), 6);
}

async fn all_keys_of_own(scene: &Scene) -> Vec<String> {
    use futures::TryStreamExt;
    let stores = scene.stores("canonical");
    let walk = stores.default_store().walk(".coppice/displaced");
    walk.map_ok(|walked| walked.name().to_owned()).try_collect().await.unwrap()
}

#[tokio::test]
async fn each_damage_of_a_backup_is_told_apart_and_kept_out() {
    for (kind, damage) in damages() {
        let scene = Scene::new();
        let sealed = scene.seal().await;
        let small = scene.entry(&sealed.snapshot, ARTIFACT).await;
        let large = scene.entry(&sealed.snapshot, LARGE).await;
        let pieces = scene.backup().await.pieces(&large.pieces.unwrap()).await.unwrap();
        assert_eq!(pieces.len(), 3);
        damage(&scene.blob(&small.digest));
        damage(&scene.blob(&pieces[1].digest));
        let verified = scene.verify_backup(&sealed.snapshot).await;
        assert_eq!(brief(&verified.findings), [(kind, Blocks, ARTIFACT), (kind, Blocks, LARGE)]);

        let done = scene.restore("target", &sealed.snapshot, Existing::List).await.unwrap();
        assert_eq!(brief(&done.findings), [(kind, Blocks, ARTIFACT), (kind, Blocks, LARGE)]);
        assert_eq!(done.restored, sealed.objects - 2, "the others go on");
        let keys = all_keys(scene.stores("target").default_store()).await;
        assert!(!keys.iter().any(|key| key == ARTIFACT || key == LARGE));
        // A damaged blob never displaces what is there.
        let done = scene.restore("canonical", &sealed.snapshot, Existing::List).await.unwrap();
        assert_eq!((done.kept, done.displaced), (sealed.objects, 0));
    }
}

#[tokio::test]
async fn a_damaged_shard_list_or_manifest_is_named() {
    for (kind, damage) in damages() {
        let scene = Scene::new();
        let sealed = scene.seal().await;
        let manifest = scene.manifest(&sealed.snapshot).await;
        let shard = manifest.shards.iter().find(|s| s.prefix.starts_with("processed/")).unwrap();
        damage(&scene.blob(&shard.digest));
        let large = scene.entry_or_skip(&sealed.snapshot, LARGE).await;
        damage(&scene.blob(&large.pieces.unwrap()));
        damage(&scene.blob(&manifest.plan_files[0].digest));
        let verified = scene.verify_backup(&sealed.snapshot).await;
        // A grown zstd frame may still unpack to the right bytes; then nothing is lost.
        let named = |kind: FindingKind| if kind == Missing { Missing } else { Altered };
        let blob = BackupStore::blob_key(&shard.digest);
        let of_shard = verified.findings.iter().find(|f| f.key.as_ref() == Some(&blob));
        if let Some(finding) = of_shard {
            assert_eq!(
                (finding.kind, &finding.blocks[..]),
                (named(kind), &[VERSION.to_owned()][..])
            );
        } else {
            assert_eq!(kind, Grown);
        }
        let rest = brief(&verified.findings);
        assert!(rest.contains(&(named(kind), Blocks, LARGE)), "{kind:?} {rest:?}");
        assert!(rest.contains(&(kind, Blocks, "plan file kansas.yaml")), "{rest:?}");

        let key = BackupStore::manifest_key(&sealed.snapshot);
        damage(&scene.folder.path().join("backup").join(&key));
        let listing = scene.backup().await.list().await.unwrap();
        assert!(listing.snapshots.is_empty());
        let damaged = brief(&listing.damaged);
        if kind == Missing {
            assert!(damaged.is_empty());
        } else {
            assert_eq!(damaged, [(Altered, Blocks, key.as_str())]);
        }
    }
}

impl Scene {
    /// As `entry`, when a shard is damaged already.
    async fn entry_or_skip(&self, snapshot: &crate::digest::Digest, key: &str) -> Entry {
        let backup = self.backup().await;
        for shard in self.manifest(snapshot).await.shards {
            let entries = backup.shard(&shard).await.unwrap_or_default();
            if let Some(entry) = entries.into_iter().find(|entry| entry.key == key) {
                return entry;
            }
        }
        panic!("no {key}");
    }
}

#[tokio::test]
async fn what_is_extra_warns_and_within_a_version_blocks_it() {
    let scene = Scene::new();
    let sealed = scene.seal().await;
    let inside = format!("processed/d/{VERSION}/artifacts/planted.csv");
    scene.write(&inside, b"x");
    scene.write("processed/d/2026-03.00000000/artifacts/later.csv", b"x");
    scene.write("raw/d/acq2/x", b"x");
    scene.write(".coppice/environment.json", b"{}");
    scene.write("audit/ledger/records/2026/r.json", b"{}");
    std::os::unix::fs::symlink("/etc/hostname", scene.path("work/leaves")).unwrap();
    let verified = scene.verify("canonical", &sealed.snapshot).await;
    assert_eq!(
        brief(&verified.findings),
        [
            (Extra, Blocks, inside.as_str()),
            (Extra, Warns, "processed/d/2026-03.00000000/artifacts/later.csv"),
            (Extra, Warns, "raw/d/acq2/x"),
            (Unreadable, Warns, "work/leaves"),
        ]
    );
    assert_eq!(verified.findings[0].blocks, [VERSION]);
}

#[tokio::test]
async fn what_may_never_change_makes_a_snapshot_suspect() {
    let scene = Scene::new();
    let first = scene.seal().await;
    for (kind, damage) in damages() {
        let before = std::fs::read(scene.path(ARTIFACT)).unwrap();
        damage(&scene.path(ARTIFACT));
        scene.write("work/scratch", format!("{kind:?}").as_bytes());
        let sealed = scene.seal().await;
        assert_eq!(sealed.state, State::Suspect);
        assert!(brief(&sealed.findings).contains(&(kind, Blocks, ARTIFACT)));
        // A suspect snapshot is no measure for the next.
        assert_eq!(scene.seal().await.state, State::Suspect);
        scene.write(ARTIFACT, &before);
        assert_eq!(scene.seal().await.state, State::Clean);
    }
    std::fs::remove_dir_all(scene.path("catalog/d")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", scene.path("raw/leaves")).unwrap();
    let sealed = scene.seal().await;
    let found = brief(&sealed.findings);
    assert!(found.contains(&(Missing, Blocks, "catalog/d/2026-02.abcd1234/dcat.jsonld")));
    assert!(found.contains(&(Unreadable, Blocks, "raw/leaves")));
    assert_eq!(scene.manifest(&sealed.snapshot).await.known_findings, sealed.findings);
    assert!(scene.verify_backup(&first.snapshot).await.ok);
}

#[tokio::test]
async fn in_a_place_that_may_change_the_operator_decides() {
    let scene = Scene::new();
    let sealed = scene.seal().await;
    scene.write("work/scratch", b"two");
    let (backup, manifest) = (scene.backup().await, scene.manifest(&sealed.snapshot).await);
    let (stores, filter) = (scene.stores("canonical"), Filter::default());
    let found =
        preflight(&backup, &manifest, &stores, &filter, &Withdrawals::default()).await.unwrap();
    assert_eq!((found.conflicts, found.findings), (vec!["work/scratch".to_owned()], vec![]));
    for (existing, content, conflicts, displaced) in [
        (Existing::List, "two", 1, 0),
        (Existing::Keep, "two", 0, 0),
        (Existing::Replace, "one", 0, 1),
    ] {
        let done = scene.restore("canonical", &sealed.snapshot, existing).await.unwrap();
        assert_eq!((done.conflicts.len(), done.displaced), (conflicts, displaced));
        assert_eq!(std::fs::read_to_string(scene.path("work/scratch")).unwrap(), content);
    }
}
