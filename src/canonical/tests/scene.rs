use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use tokio_util::sync::CancellationToken;

use crate::canonical::verify::verify_against;
use crate::canonical::*;
use crate::digest::Digest;
use crate::model::{Failure, FindingKind, Meter, PolicyLabel, RunId, Severity};
use crate::store::{Location, Store};

pub(super) const VERSION: &str = "2026-02.abcd1234";
pub(super) const ARTIFACT: &str = "processed/d/2026-02.abcd1234/artifacts/data.csv";

/// A canonical store, a backup store and a place to restore to, all in one folder.
pub(super) struct Scene {
    pub(super) folder: tempfile::TempDir,
    pub(super) cancel: CancellationToken,
}

pub(super) fn store_at(path: &Path) -> Store {
    Store::open(&Location::of_path(path).unwrap()).unwrap()
}

impl Scene {
    /// A store with every zone and every hard key.
    pub(super) fn new() -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap(), cancel: CancellationToken::new() };
        for key in crate::store::nasty_keys() {
            scene.write(&key, key.as_bytes());
        }
        scene.write("raw/empty", b"");
        scene.write(ARTIFACT, b"a,b\n1,2\n");
        scene.write("processed/d/2026-02.abcd1234/checksums.json", b"{}");
        scene.write("catalog/d/2026-02.abcd1234/dcat.jsonld", b"{\"@id\":1}");
        scene.write("releases/d/2026-02.abcd1234/release.json", b"{}");
        scene.write("work/scratch", b"one");
        scene.write("README.md", b"a b\n1,2\n");
        // Three pieces, the last of them short.
        let mut large = vec![0; 40_000_000];
        blake3::Hasher::new().finalize_xof().fill(&mut large);
        scene.write("raw/d/acq/artifacts/large.bin", &large);
        scene
    }

    pub(super) fn path(&self, key: &str) -> PathBuf {
        self.folder.path().join("canonical").join(key)
    }

    pub(super) fn write(&self, key: &str, bytes: &[u8]) {
        let path = self.path(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(super) fn stores(&self, name: &str) -> CanonicalStores {
        CanonicalStores::new(store_at(&self.folder.path().join(name)), BTreeMap::new())
    }

    pub(super) async fn backup(&self) -> BackupStore {
        BackupStore::init(store_at(&self.folder.path().join("backup"))).await.unwrap()
    }

    pub(super) async fn seal(&self) -> Sealed {
        self.seal_with(SealOptions::default()).await
    }

    pub(super) async fn seal_with(&self, mut options: SealOptions) -> Sealed {
        options.environment = Some("dev".to_owned());
        let name = ("d".to_owned(), VERSION.parse().unwrap());
        options.labels.insert(name, PolicyLabel::Public);
        options.plan_files.push(("kansas.yaml".to_owned(), "kind: RecoveryPlan".into()));
        let (from, to) = (self.stores("canonical"), self.backup().await);
        seal(&from, &to, options, &Meter::default(), &self.cancel).await.unwrap()
    }

    pub(super) async fn manifest(&self, snapshot: &Digest) -> Manifest {
        self.backup().await.manifest(snapshot).await.unwrap()
    }

    pub(super) async fn verify_backup(&self, snapshot: &Digest) -> Verified {
        let (backup, manifest) = (self.backup().await, self.manifest(snapshot).await);
        let meter = Meter::default();
        verify_backup(&backup, *snapshot, &manifest, 4, &meter, &self.cancel).await.unwrap()
    }

    pub(super) async fn verify(&self, place: &str, snapshot: &Digest) -> Verified {
        let (backup, manifest) = (self.backup().await, self.manifest(snapshot).await);
        let verify = Verify {
            backup: &backup,
            stores: &self.stores(place),
            filter: &Filter::default(),
            withdrawals: &Withdrawals::default(),
            shards: &manifest.shards,
            at_once: 4,
            meter: &Meter::default(),
            cancel: &self.cancel,
        };
        verify_against(&verify, *snapshot, &manifest).await.unwrap()
    }

    pub(super) async fn restore(
        &self,
        place: &str,
        snapshot: &Digest,
        existing: Existing,
    ) -> Result<RestoredShard, Failure> {
        let (backup, manifest) = (self.backup().await, self.manifest(snapshot).await);
        let (stores, filter, meter) = (self.stores(place), Filter::default(), Meter::default());
        let restore = Restore {
            near: None,
            backup: &backup,
            stores: &stores,
            filter: &filter,
            hold_back: &|_| false,
            withdrawals: &Withdrawals::default(),
            existing,
            run: RunId::now(),
            at_once: 4,
            meter: &meter,
            cancel: &self.cancel,
        };
        let mut all = RestoredShard::default();
        for shard in &manifest.shards {
            all.merge(restore.shard(shard).await?);
        }
        Ok(all)
    }

    /// The entry of a key.
    pub(super) async fn entry(&self, snapshot: &Digest, key: &str) -> Entry {
        let backup = self.backup().await;
        for shard in self.manifest(snapshot).await.shards {
            let entries = backup.shard(&shard).await.unwrap();
            if let Some(entry) = entries.into_iter().find(|entry| entry.key == key) {
                return entry;
            }
        }
        panic!("no {key}");
    }

    /// The file of a blob.
    pub(super) fn blob(&self, name: &Digest) -> PathBuf {
        self.folder.path().join("backup").join(BackupStore::blob_key(name))
    }
}

pub(super) async fn all_keys(store: &Store) -> Vec<String> {
    store.walk("").map_ok(|walked| walked.name().to_owned()).try_collect().await.unwrap()
}

/// Kinds, severities and keys, in their order.
pub(super) fn brief(findings: &[crate::model::Finding]) -> Vec<(FindingKind, Severity, &str)> {
    findings.iter().map(|f| (f.kind, f.severity, f.key.as_deref().unwrap_or_default())).collect()
}
