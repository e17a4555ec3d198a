//! The Kansas platform in a store of its own, to be damaged by tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::CanonicalStores;
use crate::store::{Location, Store};

/// A copy of `fixtures/kansas` that lives as long as this.
pub(crate) struct Platform {
    dir: Arc<TempDir>,
    pub(crate) store: Store,
}

impl Platform {
    /// Copies the fixture.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/kansas"), dir.path());
        let store = Store::open(&Location::of_path(dir.path()).unwrap()).unwrap();
        Self { dir: Arc::new(dir), store }
    }

    /// A store with nothing in it.
    pub(crate) fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Location::of_path(dir.path()).unwrap()).unwrap();
        Self { dir: Arc::new(dir), store }
    }

    /// The same folder once more.
    pub(crate) fn at(other: &Self) -> Self {
        Self { dir: other.dir.clone(), store: other.store.clone() }
    }

    /// The same as canonical stores of one place.
    pub(crate) fn stores(&self) -> CanonicalStores {
        CanonicalStores::new(self.store.clone(), BTreeMap::new())
    }

    /// The file of a key.
    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.dir.path().join(key)
    }

    /// The keys below a prefix, sorted.
    pub(crate) fn keys(&self, prefix: &str) -> Vec<String> {
        let mut keys = Vec::new();
        list(&self.path(prefix), self.dir.path(), &mut keys);
        keys.sort();
        keys
    }

    /// Changes the text of an object.
    pub(crate) fn edit(&self, key: &str, change: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(self.path(key)).unwrap();
        let changed = change(text.clone());
        assert_ne!(text, changed, "the edit of {key} changed nothing");
        fs::write(self.path(key), changed).unwrap();
    }

    /// Takes an object away.
    pub(crate) fn remove(&self, key: &str) {
        fs::remove_file(self.path(key)).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn list(dir: &Path, root: &Path, keys: &mut Vec<String>) {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, root, keys);
        } else {
            keys.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
}
