use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use futures::TryStreamExt;

use super::room::{Room, failed, seal};
use crate::canonical::content_digest;
use crate::digest::{BothDigests, BothHashers, Digest};
use crate::model::{
    Artifact, Code, DatasetVersion, DatasetVersionId, Failure, Given, JobId, Meter, Sink, Zone,
};
use crate::projection::Generation;
use crate::projection::files::Copy;
use crate::recovery::World;
use crate::store::{Pin, Store, Walked};

/// Puts the inputs of a job into the folder of its program: copies, read-only, each verified.
pub(super) struct Bring<'a> {
    pub(super) world: &'a World,
    pub(super) room: &'a Room,
    pub(super) meter: &'a Meter,
}

impl Bring<'_> {
    /// The artifacts of a dataset version, in the state in which they were verified.
    pub(super) async fn dataset(
        &self,
        table: &str,
        known: &DatasetVersion,
        pins: &BTreeMap<String, Pin>,
        digest: Digest,
    ) -> Result<Given, Failure> {
        let folder = self.room.inputs().join(table);
        let store = self.world.canonical.of_zone(Zone::Processed);
        let of = format!("{}@{}", known.dataset, known.version);
        let mut given = Given { name: table.to_owned(), of, digest, files: 0, bytes: 0 };
        let prefix = format!("processed/{}/{}/", known.dataset, known.version);
        for artifact in &known.artifacts {
            let pin = pins.get(&artifact.key).ok_or_else(|| unpinned(artifact))?;
            let to = below(&folder, &artifact.key, &prefix)?;
            let found = self.download(store, &artifact.key, Some(pin), &to).await?;
            if found.blake3 != artifact.digest && found.sha256 != artifact.digest {
                return Err(changed(&artifact.key));
            }
            given.files += 1;
            given.bytes += found.size;
        }
        Ok(given)
    }

    /// The catalog documents of versions.
    pub(super) async fn catalogs(
        &self,
        versions: &[(String, DatasetVersionId, Digest)],
    ) -> Result<Given, Failure> {
        let folder = self.room.inputs().join("catalog");
        let digest = content_digest(versions.iter().map(|(_, version, it)| (version.as_str(), it)));
        let of = "catalogs".to_owned();
        let mut given = Given { name: "catalog".to_owned(), of, digest, files: 0, bytes: 0 };
        let store = self.world.canonical.of_zone(Zone::Catalog);
        let withdrawals = self.world.withdrawals().await?;
        for (dataset, version, expected) in versions {
            let prefix = format!("catalog/{dataset}/{version}");
            let mut walk = store.walk(&prefix);
            let mut documents = Vec::new();
            while let Some(walked) = walk.try_next().await? {
                let Walked::Object(meta) = walked else { continue };
                if withdrawals.erases(&meta.key) {
                    continue;
                }
                let to = below(&folder, &meta.key, "catalog/")?;
                let found = self.download(store, &meta.key, None, &to).await?;
                given.files += 1;
                given.bytes += found.size;
                documents.push((meta.key, found.blake3));
            }
            documents.sort();
            let found = documents.iter().map(|(key, digest)| (key.as_str(), digest));
            if content_digest(found) != *expected {
                return Err(changed(&prefix));
            }
        }
        Ok(given)
    }

    /// The files of another job's generation.
    pub(super) async fn projection(
        &self,
        job: &JobId,
        generation: Digest,
        sink: &Sink,
    ) -> Result<Given, Failure> {
        let name = format!("projections/{job}");
        let folder = self.room.inputs().join(&name);
        let of = Generation { job: job.clone(), digest: generation, sink: sink.clone() };
        let copy = self.world.targets.files().fetch(&of, Copy::Fresh).await?;
        let (files, bytes) = copy_folder(copy, folder, self.meter.clone()).await?;
        Ok(Given { name, of: job.to_string(), digest: generation, files, bytes })
    }

    async fn download(
        &self,
        store: &Store,
        key: &str,
        pin: Option<&Pin>,
        to: &Path,
    ) -> Result<BothDigests, Failure> {
        let Some((_, mut parts)) = store.stream(key, pin).await? else { return Err(changed(key)) };
        let wrap = |error: std::io::Error| failed(to, &error);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(wrap)?;
        }
        let mut file = fs::File::create_new(to).map_err(wrap)?;
        let mut hashers = BothHashers::default();
        while let Some(part) = parts.try_next().await? {
            self.meter.add_bytes(part.len() as u64);
            // Hashing and writing may take their time.
            let step = tokio::task::spawn_blocking(move || {
                hashers.update(&part);
                (file.write_all(&part), hashers, file)
            });
            let (written, hashed, same) = step.await.map_err(|error| lost(&error))?;
            written.map_err(wrap)?;
            (hashers, file) = (hashed, same);
        }
        seal(to).map_err(wrap)?;
        Ok(hashers.finish())
    }
}

/// Copies flat files, read-only; gives their number and bytes.
pub(super) async fn copy_folder(
    from: PathBuf,
    to: PathBuf,
    meter: Meter,
) -> Result<(u64, u64), Failure> {
    let work = move || -> std::io::Result<(u64, u64)> {
        fs::create_dir_all(&to)?;
        let (mut files, mut bytes) = (0, 0);
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let copy = to.join(entry.file_name());
            let size = fs::copy(entry.path(), &copy)?;
            seal(&copy)?;
            meter.add_bytes(size);
            files += 1;
            bytes += size;
        }
        Ok((files, bytes))
    };
    let copied = tokio::task::spawn_blocking(work).await.map_err(|error| lost(&error))?;
    copied.map_err(|error| {
        Failure::permanent(Code::StepFailed, "failed to copy the files of a projection")
            .because(&error)
    })
}

/// Where a key below `prefix` goes; artifacts lie in the folder itself. A key that leads out of it
/// is refused.
fn below(folder: &Path, key: &str, prefix: &str) -> Result<PathBuf, Failure> {
    let rest = key.strip_prefix(prefix).unwrap_or(key);
    let rest = rest.strip_prefix("artifacts/").unwrap_or(rest);
    let path = crate::model::beside(rest).ok_or_else(|| {
        let message = format!("`{key}` cannot be given to a program: it is no path");
        Failure::permanent(Code::StepFailed, message)
    })?;
    Ok(folder.join(path))
}

fn unpinned(artifact: &Artifact) -> Failure {
    let message = format!("`{}` was not verified in this run", artifact.key);
    Failure::permanent(Code::GateShut, message)
}

fn changed(key: &str) -> Failure {
    let message = format!("`{key}` is not what was verified");
    Failure::permanent(Code::StepFailed, message)
        .hint("it changed while the run was going on; look for what writes to the store")
}

fn lost(error: &tokio::task::JoinError) -> Failure {
    Failure::permanent(Code::Internal, "a task of a program's inputs was lost").because(error)
}
