//! What comes back beside the bytes: what a store keeps of an object, and what was known of it.

use std::collections::BTreeMap;

use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::scene::{ARTIFACT, Scene, VERSION, brief};
use crate::canonical::fixture::Platform;
use crate::canonical::*;
use crate::digest::Digest;
use crate::model::{Finding, FindingKind, Meter, RunId, Severity};
use crate::store::{Attributes, Expected, Location, OnConflict, Store};

const ITEM: &str = "stac_extensions";

#[tokio::test]
async fn what_a_store_keeps_of_an_object_is_restored_with_it() {
    let open = |name: &str| {
        Store::open(&Location::new(format!("memory://{name}-{}", RunId::now()))).unwrap()
    };
    let (origin, target) = (open("origin"), open("target"));
    let attributes = Attributes {
        content_type: Some("application/x-odd".to_owned()),
        content_encoding: Some("gzip".to_owned()),
        headers: [("cache-control".to_owned(), "no-store".to_owned())].into(),
        metadata: [("origin".to_owned(), "census".to_owned())].into(),
    };
    let large = vec![7; 40_000_000];
    for (key, bytes) in [("raw/d/a/small", &b"x"[..]), ("raw/d/a/large", &large)] {
        let expected = Expected { digest: Digest::blake3(bytes), size: bytes.len() as u64 };
        let parts = bytes.chunks(1 << 20).map(|part| Ok(bytes::Bytes::copy_from_slice(part)));
        let parts = futures::stream::iter(parts.collect::<Vec<_>>()).boxed();
        let put = origin.publish_as(key, parts, &expected, &attributes, OnConflict::Keep);
        put.await.unwrap();
    }
    origin.create("raw/d/a/plain.csv", "1".into()).await.unwrap();
    let (from, to) = (
        CanonicalStores::new(origin, BTreeMap::new()),
        CanonicalStores::new(target, BTreeMap::new()),
    );
    let backup = BackupStore::init(open("backup")).await.unwrap();
    let (meter, cancel) = (Meter::default(), CancellationToken::new());
    let sealed = seal(&from, &backup, SealOptions::default(), &meter, &cancel).await.unwrap();
    // The second one reuses what the first one read, attributes too.
    let again = seal(&from, &backup, SealOptions::default(), &meter, &cancel).await.unwrap();
    let manifest = backup.manifest(&again.snapshot).await.unwrap();
    assert_eq!(manifest.shards, backup.manifest(&sealed.snapshot).await.unwrap().shards);
    let restore = Restore {
        near: None,
        backup: &backup,
        stores: &to,
        filter: &Filter::default(),
        withdrawals: &Withdrawals::default(),
        hold_back: &|_| false,
        existing: Existing::List,
        run: RunId::now(),
        at_once: 4,
        meter: &meter,
        cancel: &cancel,
    };
    for shard in &manifest.shards {
        assert_eq!(restore.shard(shard).await.unwrap().findings, []);
    }
    let kept =
        async |key: &str| to.default_store().stream(key, None).await.unwrap().unwrap().0.attributes;
    assert_eq!(kept("raw/d/a/small").await, attributes);
    assert_eq!(kept("raw/d/a/large").await, attributes);
    let by_name = Attributes { content_type: Some("text/csv".to_owned()), ..Attributes::default() };
    assert_eq!(kept("raw/d/a/plain.csv").await, by_name);
}

#[tokio::test]
async fn what_stood_there_is_put_aside_once_even_if_a_try_was_killed_before_it_was_replaced() {
    let scene = Scene::new();
    let sealed = scene.seal().await;
    scene.write(ARTIFACT, b"tampered");
    let (backup, stores) = (scene.backup().await, scene.stores("canonical"));
    let (filter, meter, run) = (Filter::default(), Meter::default(), RunId::now());
    let restore = Restore {
        near: None,
        backup: &backup,
        stores: &stores,
        filter: &filter,
        withdrawals: &Withdrawals::default(),
        hold_back: &|_| false,
        existing: Existing::List,
        run,
        at_once: 4,
        meter: &meter,
        cancel: &scene.cancel,
    };
    let aside = |suffix: &str| scene.path(&format!(".coppice/displaced/{run}{suffix}/{ARTIFACT}"));
    let manifest = scene.manifest(&sealed.snapshot).await;
    let shard = manifest.shards.iter().find(|s| s.prefix.starts_with("processed/")).unwrap();
    for (content, first, second) in [("tampered", true, false), ("again", true, true)] {
        scene.write(ARTIFACT, content.as_bytes());
        // As a killed try of the same run leaves it: copied, and not replaced.
        std::fs::create_dir_all(aside("").parent().unwrap()).unwrap();
        std::fs::write(aside(""), b"tampered").unwrap();
        let done = restore.shard(shard).await.unwrap();
        assert_eq!(done.displaced, 1);
        let kind = if content == "again" { FindingKind::Truncated } else { FindingKind::Altered };
        assert_eq!(brief(&done.findings), [(kind, Severity::Warns, ARTIFACT)]);
        assert!(done.findings[0].hint.contains(&run.to_string()), "{}", done.findings[0].hint);
        assert_eq!((aside("").exists(), aside("+1").exists()), (first, second));
    }
    assert_eq!(std::fs::read(aside("")).unwrap(), b"tampered");
    assert_eq!(std::fs::read(aside("+1")).unwrap(), b"again");
    assert!(scene.verify("canonical", &sealed.snapshot).await.ok);
}

#[tokio::test]
async fn what_cannot_be_put_aside_is_not_replaced() {
    let scene = Scene::new();
    let sealed = scene.seal().await;
    std::fs::remove_file(scene.path(ARTIFACT)).unwrap();
    std::fs::write(scene.folder.path().join("outside"), b"secret").unwrap();
    std::os::unix::fs::symlink("../../../../../outside", scene.path(ARTIFACT)).unwrap();
    let done = scene.restore("canonical", &sealed.snapshot, Existing::List).await;
    let found = done.map(|done| brief(&done.findings).first().map(|f| (f.0, f.1)));
    // Named, or refused as a whole: never followed and never replaced.
    assert!(found.is_err() || found.unwrap() == Some((FindingKind::Unreadable, Severity::Blocks)));
    assert_eq!(std::fs::read(scene.folder.path().join("outside")).unwrap(), b"secret");
    assert!(scene.path(ARTIFACT).is_symlink());
}

#[tokio::test]
async fn many_known_findings_go_into_a_blob_and_come_back() {
    let scene = Scene::new();
    let known: Vec<Finding> = (0..1500)
        .map(|n| Finding::warning(FindingKind::DanglingLink, "h").at(format!("catalog/d/{n}")))
        .chain([Finding::blocking(FindingKind::LedgerCut, "h").at("audit/x")])
        .collect();
    let options = SealOptions { known_findings: known, ..SealOptions::default() };
    let sealed = scene.seal_with(options).await;
    assert_eq!(sealed.findings.len(), 1502);
    let manifest = scene.manifest(&sealed.snapshot).await;
    assert_eq!(manifest.known_findings.len(), 1000);
    assert_eq!(manifest.known_findings[0].kind, FindingKind::LedgerCut, "what blocks comes first");
    let backup = scene.backup().await;
    let all = backup.known_findings(&manifest).await.unwrap();
    assert_eq!(all.len(), 1502);
    assert!(sealed.findings.iter().all(|finding| all.contains(finding)));
    assert!(scene.verify_backup(&sealed.snapshot).await.ok);

    let blob = manifest.all_findings.unwrap();
    assert_eq!(blob.count, 1502);
    let path = scene.blob(&blob.digest);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let verified = scene.verify_backup(&sealed.snapshot).await;
    let key = BackupStore::blob_key(&blob.digest);
    assert_eq!(brief(&verified.findings), [(FindingKind::Altered, Severity::Blocks, key.as_str())]);
}

async fn sealed_platform(platform: &Platform, backup: &BackupStore) -> (Digest, Manifest) {
    let from = platform.stores();
    let options = SealOptions::checked(&from, BTreeMap::new()).await.unwrap();
    let (meter, cancel) = (Meter::default(), CancellationToken::new());
    let sealed = seal(&from, backup, options, &meter, &cancel).await.unwrap();
    (sealed.snapshot, backup.manifest(&sealed.snapshot).await.unwrap())
}

#[tokio::test]
async fn a_defect_of_form_is_known_when_it_was_sealed_with_it_and_new_otherwise() {
    let platform = Platform::new();
    let open = |name: &str| {
        Store::open(&Location::new(format!("memory://{name}-{}", RunId::now()))).unwrap()
    };
    let item = platform.keys("catalog").into_iter().find(|key| {
        std::fs::read_to_string(platform.path(key)).is_ok_and(|text| text.contains(ITEM))
    });
    let item = item.unwrap();
    let backup = BackupStore::init(open("before")).await.unwrap();
    let (_, before) = sealed_platform(&platform, &backup).await;
    assert_eq!(before.known_findings, []);
    platform.edit(&item, |text| {
        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let odd = "https://example.org/odd/v1.0.0/schema.json";
        json[ITEM].as_array_mut().unwrap().push(odd.into());
        json.to_string()
    });
    let backup_after = BackupStore::init(open("after")).await.unwrap();
    let (_, after) = sealed_platform(&platform, &backup_after).await;
    let known: Vec<_> = after.known_findings.iter().map(|f| (f.kind, f.blocks())).collect();
    assert!(known.contains(&(FindingKind::UnknownExtension, true)), "{known:?}");
    assert_eq!(after.state, State::Clean, "production lives with it");

    let found = after.known_findings.clone();
    let same = Known::of(&backup_after, &after).await.unwrap().judge(found.clone());
    let new = Known::of(&backup, &before).await.unwrap().judge(found.clone());
    assert_eq!(new, found, "a new one blocks");
    for finding in same {
        let lived_with = matches!(
            finding.kind,
            FindingKind::UnknownExtension
                | FindingKind::SchemaInvalid
                | FindingKind::ChecksumNotMultihash
        );
        assert_eq!(finding.blocks(), !lived_with, "{finding:?}");
        assert!(finding.blocks() || finding.blocks.is_empty());
    }
}

#[tokio::test]
async fn why_a_snapshot_is_suspect_counts_when_it_is_recovered_from() {
    let scene = Scene::new();
    let first = scene.seal().await;
    scene.write(ARTIFACT, b"a,b\n1,3\n");
    let suspect = scene.seal().await;
    let backup = scene.backup().await;
    let versions = [("d".to_owned(), VERSION.parse().unwrap())];
    let against = async |snapshot: &Digest| {
        let manifest = backup.manifest(snapshot).await.unwrap();
        Known::of(&backup, &manifest).await.unwrap().against(&versions)
    };
    assert_eq!(against(&first.snapshot).await, []);
    let findings = against(&suspect.snapshot).await;
    assert_eq!(brief(&findings), [(FindingKind::Altered, Severity::Blocks, ARTIFACT)]);
}
