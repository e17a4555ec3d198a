use std::path::{Path, PathBuf};

use super::listing::{Listing, place};
use super::staging::Staging;
use super::{Files, FilesError, objects};
use crate::digest::Digest;
use crate::model::JobId;
use crate::projection::Generation;

type Result<T> = std::result::Result<T, FilesError>;

/// Whether an earlier local copy will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copy {
    /// Read the published bytes, whatever is here: what a proof asks for.
    Fresh,
    /// Use an earlier copy, once its digests are found right.
    Reuse,
}

impl Files {
    /// Gives a local folder with the files of a published generation, each verified by its digest.
    pub(crate) async fn fetch(&self, generation: &Generation, copy: Copy) -> Result<PathBuf> {
        let (job, digest) = (&generation.job, &generation.digest);
        let (listing, name) = self.published(job, digest).await?;
        let folder = self.copy_of(job, digest).join(name.hex());
        if copy == Copy::Reuse && is_whole(&folder, &listing).await? {
            return Ok(folder);
        }
        let staging = self.staging()?;
        for (name, file) in &listing.files {
            let key = place(job, digest, file);
            let to = staging.path().join(name);
            match objects::download(&self.store, &key, &to).await? {
                Some(actual) if actual == file.digest => {}
                Some(actual) => {
                    return Err(FilesError::Altered { key, expected: file.digest, actual });
                }
                None => return Err(FilesError::Missing { key }),
            }
        }
        install(staging, &folder, &listing).await?;
        Ok(folder)
    }

    /// Drops local copies of a generation.
    pub(super) async fn forget(&self, job: &JobId, digest: &Digest) -> Result<()> {
        let folder = self.copy_of(job, digest);
        tokio::task::spawn_blocking(move || remove(&folder)).await.map_err(FilesError::Lost)?
    }

    fn copy_of(&self, job: &JobId, digest: &Digest) -> PathBuf {
        self.cache.join(job.kind()).join(job.name()).join(digest.hex())
    }
}

/// Puts a verified copy in its place. One that is whole stays: somebody may be reading it.
async fn install(staging: Staging, folder: &Path, listing: &Listing) -> Result<()> {
    if is_whole(folder, listing).await? {
        return Ok(());
    }
    let place = || {
        if let Some(parent) = folder.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::rename(staging.path(), folder)
    };
    remove(folder)?;
    match place() {
        Ok(()) => {
            staging.keep();
            Ok(())
        }
        // Another task may have been first.
        Err(_) if is_whole(folder, listing).await? => Ok(()),
        Err(source) => Err(FilesError::local(folder, source)),
    }
}

pub(super) fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(FilesError::local(folder, source))
        }
        _ => Ok(()),
    }
}

/// Whether the folder holds every listed file with its digest.
async fn is_whole(folder: &Path, listing: &Listing) -> Result<bool> {
    let files: Vec<_> =
        listing.files.iter().map(|(name, file)| (folder.join(name), file.digest)).collect();
    let check = move || {
        files.iter().all(|(path, digest)| {
            // A copy that cannot be read is no copy: it is fetched again.
            objects::hash_file(path).is_ok_and(|(_, found)| found == *digest)
        })
    };
    tokio::task::spawn_blocking(check).await.map_err(FilesError::Lost)
}
