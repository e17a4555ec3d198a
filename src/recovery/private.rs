//! Folders for what only the owner may read: rows on their way, copies, scratch.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use super::world::World;
use crate::model::{Code, Failure};

/// Makes a folder that others cannot enter. Those above it stay as they are: the user that runs
/// a private cluster has to pass them.
pub(super) fn folder(path: &Path) -> Result<(), Failure> {
    let make = || -> io::Result<()> {
        if let Some(above) = path.parent() {
            fs::create_dir_all(above)?;
        }
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            }
            made => made,
        }
    };
    make().map_err(|error| {
        let code = match error.kind() {
            io::ErrorKind::StorageFull => Code::NoSpace,
            _ => Code::StepFailed,
        };
        Failure::permanent(code, format!("failed to create {}", path.display())).because(&error)
    })
}

/// Makes the local folders of a run private, and clears what a killed one left on its way to be
/// published. Its targets' locks are held, so that nobody else works there.
pub(super) fn prepare(world: &World) -> Result<(), Failure> {
    let cache = &world.places.cache;
    folder(cache)?;
    let left = fs::read_dir(cache).into_iter().flatten().flatten();
    for staging in left.filter(|entry| entry.file_name().to_string_lossy().starts_with("staging-"))
    {
        if let Err(error) = fs::remove_dir_all(staging.path()) {
            let folder = staging.path().display().to_string();
            tracing::warn!(folder, %error, "what a killed run left was not removed");
        }
    }
    Ok(())
}

/// Makes a rehearsal's scratch private, where it lies on this machine.
pub(super) fn scratch(world: &World) -> Result<(), Failure> {
    if world.places.scratch.is_none() {
        return Ok(());
    }
    let stores = world.written();
    stores.iter().filter_map(|store| store.local_root()).try_for_each(folder)
}
