use std::ffi::OsString;
use std::fs::{self, FileType};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc::Sender;

use super::Local;
use super::read::{is_absent, meta, stays_inside};
use crate::store::{StoreError, Walked, keys};

type Item = Result<Walked, StoreError>;

/// Whoever took the walk has gone away.
struct Gone;

/// Walks on a thread of its own, ahead of its reader.
pub(super) fn walk(local: Local, prefix: String, skip: Vec<String>) -> BoxStream<'static, Item> {
    let (sender, receiver) = tokio::sync::mpsc::channel(256);
    tokio::task::spawn_blocking(move || {
        let walker = Walker { local, skip, sender };
        // A reader that has gone away wants nothing more.
        let _: Result<(), Gone> = walker.start(&prefix);
    });
    futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|item| (item, receiver))
    })
    .boxed()
}

struct Walker {
    local: Local,
    skip: Vec<String>,
    sender: Sender<Item>,
}

impl Walker {
    fn send(&self, item: Item) -> Result<(), Gone> {
        self.sender.blocking_send(item).map_err(|_closed| Gone)
    }

    fn start(&self, prefix: &str) -> Result<(), Gone> {
        if prefix.is_empty() {
            return self.directory(self.local.root(), "");
        }
        if let Err(error) = keys::check(&self.local.name(), prefix) {
            return self.send(Err(error));
        }
        let path = self.local.root().join(prefix);
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => match stays_inside(&self.local, &path, prefix) {
                Ok(()) => self.directory(&path, prefix),
                Err(error) => self.unreadable(prefix, error.in_full()),
            },
            Ok(_) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => self.unreadable(prefix, error.to_string()),
        }
    }

    fn unreadable(&self, name: &str, why: impl Into<String>) -> Result<(), Gone> {
        self.send(Ok(Walked::Unreadable { name: name.to_owned(), why: why.into() }))
    }

    /// Names of one directory, sorted so that keys come by their bytes: a directory stands where
    /// its name with the slash would.
    fn directory(&self, path: &Path, key: &str) -> Result<(), Gone> {
        let mut entries = match list(path) {
            Ok(entries) => entries,
            Err(error) if key.is_empty() && is_absent(&error) => return Ok(()),
            Err(error) => return self.unreadable(key, error.to_string()),
        };
        entries.sort_unstable();
        for (mut name, kind) in entries {
            if kind == Kind::Directory {
                name.pop();
            }
            let name = OsString::from_vec(name);
            let Some(text) = name.to_str() else {
                let shown = join(key, &name.as_bytes().escape_ascii().to_string());
                self.unreadable(&shown, "its name is not UTF-8")?;
                continue;
            };
            let key = join(key, text);
            self.entry(&path.join(&name), &key, kind)?;
        }
        Ok(())
    }

    fn entry(&self, path: &Path, key: &str, kind: Kind) -> Result<(), Gone> {
        match kind {
            Kind::Directory if key == super::write::STAGING => Ok(()),
            Kind::Directory if self.skip.iter().any(|folder| folder == key) => Ok(()),
            Kind::Directory => self.directory(path, key),
            Kind::File => match fs::metadata(path) {
                Ok(found) => self.send(Ok(Walked::Object(meta(key, &found)))),
                // Gone since it was listed.
                Err(error) if is_absent(&error) => Ok(()),
                Err(error) => self.unreadable(key, error.to_string()),
            },
            Kind::Link => self.link(path, key),
            Kind::Special => self.unreadable(key, "it is neither a file nor a directory"),
        }
    }

    /// A link to a file within the store is an object; any other would be an alias or a gap.
    fn link(&self, path: &Path, key: &str) -> Result<(), Gone> {
        match fs::metadata(path) {
            Ok(found) if found.is_file() => match stays_inside(&self.local, path, key) {
                Ok(()) => self.send(Ok(Walked::Object(meta(key, &found)))),
                Err(error) => self.unreadable(key, error.in_full()),
            },
            Ok(_) => self.unreadable(key, "it is a symbolic link to something that is no file"),
            Err(error) => self.unreadable(key, format!("it is a symbolic link: {error}")),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    File,
    Directory,
    Link,
    Special,
}

impl From<FileType> for Kind {
    fn from(found: FileType) -> Self {
        if found.is_dir() {
            Self::Directory
        } else if found.is_file() {
            Self::File
        } else if found.is_symlink() {
            Self::Link
        } else {
            Self::Special
        }
    }
}

fn list(path: &Path) -> io::Result<Vec<(Vec<u8>, Kind)>> {
    let entry = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        let kind = Kind::from(entry.file_type()?);
        let mut name = entry.file_name().into_vec();
        if kind == Kind::Directory {
            name.push(b'/');
        }
        Ok((name, kind))
    };
    fs::read_dir(path)?.map(entry).collect()
}

fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}/{name}") }
}
