//! Local folders for staging. Each is locked by its owner, so that what a killed process left can
//! be told from what a running one works in.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Files, FilesError};

const PREFIX: &str = "staging-";
/// A sweep may hold a new folder for an instant.
const TRIES: u32 = 8;

type Result<T> = std::result::Result<T, FilesError>;

/// A local folder for staging; gone when dropped.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: TempDir,
    /// The kernel lets it go with the process.
    _lock: File,
}

impl Staging {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves what is there, for it has another name by now.
    pub(super) fn keep(self) {
        let _path = self.folder.keep();
    }
}

impl Files {
    /// A fresh local folder for staging.
    pub(crate) fn staging(&self) -> Result<Staging> {
        let wrap = |source| FilesError::local(&self.cache, source);
        std::fs::create_dir_all(&self.cache).map_err(wrap)?;
        for _ in 0..TRIES {
            let folder =
                tempfile::Builder::new().prefix(PREFIX).tempdir_in(&self.cache).map_err(wrap)?;
            if let Some(lock) = lock(folder.path()).map_err(wrap)? {
                return Ok(Staging { folder, _lock: lock });
            }
        }
        Err(FilesError::Contended { what: "a staging folder", tries: TRIES })
    }

    /// Removes the staging folders whose owners are gone; gives their names.
    pub(crate) async fn sweep(&self) -> Result<Vec<PathBuf>> {
        let cache = self.cache.clone();
        let swept = tokio::task::spawn_blocking(move || sweep(&cache));
        swept.await.map_err(FilesError::Lost)?
    }
}

/// Locks a folder; `None` where another process has it or has removed it.
fn lock(folder: &Path) -> std::io::Result<Option<File>> {
    let file = match File::open(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match file.try_lock() {
        Ok(()) => Ok(folder.exists().then_some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn sweep(cache: &Path) -> Result<Vec<PathBuf>> {
    let wrap = |source| FilesError::local(cache, source);
    let entries = match std::fs::read_dir(cache) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(wrap)?,
    };
    let mut swept = Vec::new();
    for entry in entries {
        let path = entry.map_err(wrap)?.path();
        let is_staging = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()));
        if is_staging && path.is_dir() {
            // Held until it is gone.
            if let Some(_lock) = lock(&path).map_err(wrap)? {
                super::fetch::remove(&path)?;
                swept.push(path);
            }
        }
    }
    swept.sort();
    Ok(swept)
}
