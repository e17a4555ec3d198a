use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use tempfile::NamedTempFile;

use super::Local;
use super::read::{is_absent, meta, stays_inside};
use crate::store::backend::{Commit, Condition, Staged};
use crate::store::{StoreError, keys};

/// Where files are written before they are visible; never shown by a walk.
pub(super) const STAGING: &str = ".coppice/staging";

/// Held while a file is compared and replaced, by every process.
const SWAP_LOCK: &str = ".coppice/swap.lock";

/// A file that is not visible under its key yet; removed when dropped.
pub(super) struct StagedFile {
    local: Local,
    key: String,
    target: PathBuf,
    /// Away while a write is under way.
    file: Option<NamedTempFile>,
}

pub(super) fn stage(local: &Local, key: &str) -> Result<StagedFile, StoreError> {
    let target = local.path(key)?;
    let file = staged_file(local).map_err(|e| StoreError::io(local.what(key), e))?;
    Ok(StagedFile { local: local.clone(), key: key.to_owned(), target, file: Some(file) })
}

pub(super) fn put(
    local: &Local,
    key: &str,
    bytes: &[u8],
    condition: &Condition,
) -> Result<Commit, StoreError> {
    // What is there already costs no write; the commit decides anyway.
    if *condition == Condition::Absent && super::read::head(local, key)?.is_some() {
        return Ok(Commit::Refused);
    }
    let mut staged = stage(local, key)?;
    let failed = |error| StoreError::io(local.what(key), error);
    if let Some(file) = &mut staged.file {
        file.write_all(bytes).map_err(failed)?;
    }
    staged.finish(condition)
}

pub(super) fn delete(local: &Local, key: &str) -> Result<bool, StoreError> {
    let path = local.path(key)?;
    if super::read::head(local, key)?.is_none() {
        return Ok(false);
    }
    let failed = |error| StoreError::io(local.what(key), error);
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if is_absent(&error) => return Ok(false),
        Err(error) => return Err(failed(error)),
    }
    if let Some(parent) = path.parent() {
        sync_directory(parent).map_err(failed)?;
    }
    Ok(true)
}

impl StagedFile {
    /// Has the bytes durable, then visible, then the name durable.
    fn finish(&mut self, condition: &Condition) -> Result<Commit, StoreError> {
        let (key, local) = (self.key.clone(), self.local.clone());
        let failed = |error| StoreError::io(local.what(&key), error);
        let lost = || failed(io::Error::other("a former write to the staged file broke off"));
        let file = self.file.take().ok_or_else(lost)?;
        file.as_file().sync_all().map_err(failed)?;
        let parent = self.target.parent().unwrap_or(local.root());
        let there = parent.ancestors().find(|above| above.exists()).unwrap_or(local.root());
        stays_inside(&local, there, &key)?;
        let made = make_directories(parent).map_err(|e| self.refused(e))?;
        let done = match condition {
            Condition::Any => file.persist(&self.target).map(|_| Commit::Done),
            Condition::Absent => match file.persist_noclobber(&self.target) {
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                    Ok(Commit::Refused)
                }
                other => other.map(|_| Commit::Done),
            },
            Condition::Is(pin) => {
                let _held = swap_lock(local.root()).map_err(failed)?;
                match fs::metadata(&self.target) {
                    Ok(found) if meta(&key, &found).pin == *pin => {
                        file.persist(&self.target).map(|_| Commit::Done)
                    }
                    Ok(_) => Ok(Commit::Refused),
                    Err(error) if is_absent(&error) => Ok(Commit::Refused),
                    Err(error) => return Err(failed(error)),
                }
            }
        };
        let done = done.map_err(|e| self.refused(e.error))?;
        if done == Commit::Refused && self.target.is_dir() {
            return Err(self.refused(io::ErrorKind::IsADirectory.into()));
        }
        for directory in made.iter().map(PathBuf::as_path).chain([parent]) {
            sync_directory(directory).map_err(failed)?;
        }
        Ok(done)
    }

    /// A file where a directory must be, or the reverse, is a matter of the keys.
    fn refused(&self, error: io::Error) -> StoreError {
        use io::ErrorKind as K;
        let why = match error.kind() {
            K::NotADirectory | K::AlreadyExists => "a file stands where its folder would be",
            K::IsADirectory | K::DirectoryNotEmpty => "a folder stands where it would be",
            K::CrossesDevices => "its folder is on another file system than the store's root",
            K::InvalidFilename => "the file system refuses the name",
            _ => return StoreError::io(self.local.what(&self.key), error),
        };
        keys::refused(&self.local.name(), &self.key, why)
    }
}

#[async_trait]
impl Staged for StagedFile {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let mut file = self.file.take();
        let written = self.local.blocking(&self.key, move |local| {
            let failed = |error| StoreError::io(local.name(), error);
            if let Some(file) = &mut file {
                file.as_file_mut().write_all(&bytes).map_err(failed)?;
            }
            Ok(file)
        });
        self.file = written.await?;
        Ok(())
    }

    async fn commit(mut self: Box<Self>, condition: Condition) -> Result<Commit, StoreError> {
        let (local, key) = (self.local.clone(), self.key.clone());
        local.blocking(&key, move |_| self.finish(&condition)).await
    }

    async fn abort(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Makes the staged file, readable like any other once it is visible. It is locked while its
/// writer lives, so that what a killed writer left can be told and cleared.
fn staged_file(local: &Local) -> io::Result<NamedTempFile> {
    let folder = local.root().join(STAGING);
    make_directories(&folder)?.iter().try_for_each(|made| sync_directory(made))?;
    if local.is_first_write() {
        clear_abandoned(&folder)?;
    }
    loop {
        let mode = Permissions::from_mode(0o666);
        let file = tempfile::Builder::new().prefix("").permissions(mode).tempfile_in(&folder)?;
        file.as_file().lock()?;
        // Between making and locking it, another process may have taken it for abandoned.
        if file.path().exists() {
            return Ok(file);
        }
    }
}

fn clear_abandoned(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let abandoned = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if abandoned {
            match fs::remove_file(&path) {
                Err(error) if !is_absent(&error) => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

fn swap_lock(root: &Path) -> io::Result<File> {
    let path = root.join(SWAP_LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    file.lock()?;
    Ok(file)
}

/// Makes a directory and those above it; gives the parents of the new ones, to be synced.
fn make_directories(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut missing = Vec::new();
    let mut at = path;
    while !at.is_dir() {
        missing.push(at);
        match at.parent() {
            Some(parent) => at = parent,
            None => break,
        }
    }
    fs::create_dir_all(path)?;
    Ok(missing.iter().filter_map(|made| made.parent()).map(Path::to_path_buf).collect())
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
