use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt};

use super::Existing;
use super::aside::Aside;
use super::shard::{Outcome, Restore};
use crate::canonical::compare::{described, difference, finding, measure};
use crate::canonical::layout::is_mutable;
use crate::canonical::{BackupError, Entry};
use crate::model::{Failure, Fate, FindingKind};
use crate::store::{ByteStream, Expected, OWN, OnConflict, Published, Store, StoreError};

const DAMAGED: &str = "the backup's blob is damaged; restore the object from another snapshot or \
                       from a replica of the backup store";
const UNREADABLE: &str = "what is there cannot be read, so it is not replaced; move it away by hand, \
                          then restore again";
const OWN_PLACE: &str = "no snapshot holds such a key; find out who made this one";
const UNWRITABLE: &str = "the target cannot hold it; restore it elsewhere by hand";

/// Why the source of a publication broke off, kept apart from what the target says.
type Broken = Arc<Mutex<Option<StoreError>>>;

impl Restore<'_> {
    pub(super) async fn object(&self, entry: &Entry) -> Result<Outcome, Failure> {
        if self.cancel.is_cancelled() {
            return Err(Failure::cancelled());
        }
        if entry.key.starts_with(OWN) {
            let kind = FindingKind::Unreadable;
            return Ok(Outcome::Found(finding(kind, entry, "a key of coppice's own", OWN_PLACE)));
        }
        let store = self.stores.of_key(&entry.key);
        match self.place(store, entry).await {
            Ok(outcome) => Ok(outcome),
            // Of one object: it is named, and the others go on.
            Err(error @ StoreError::CannotHold { .. }) => {
                let kind = FindingKind::Unreadable;
                Ok(Outcome::Found(finding(kind, entry, error.in_full(), UNWRITABLE)))
            }
            Err(_) if self.cancel.is_cancelled() => Err(Failure::cancelled()),
            Err(error) => Err(error.into()),
        }
    }

    /// What is to become of an object, by what is under its key at the target.
    pub(super) async fn fate(&self, store: &Store, entry: &Entry) -> Result<Fate, StoreError> {
        Ok(match store.head(&entry.key).await? {
            None => Fate::Create,
            Some(meta) if meta.size == entry.size && self.is_same(store, entry).await? => {
                Fate::Keep
            }
            Some(_) if !is_mutable(&entry.key) => Fate::Replace,
            Some(_) => match self.existing {
                Existing::Keep => Fate::Keep,
                Existing::List => Fate::Conflict,
                Existing::Replace => Fate::Replace,
            },
        })
    }

    async fn place(&self, store: &Store, entry: &Entry) -> Result<Outcome, StoreError> {
        let there = match self.fate(store, entry).await? {
            Fate::Keep => return Ok(Outcome::Kept),
            Fate::Conflict => return Ok(Outcome::Conflict),
            fate => fate == Fate::Replace,
        };
        if !there && self.is_published_near(store, entry).await? {
            return Ok(Outcome::Near);
        }
        // What is wrong with the blob is found before anything at the target is moved.
        let bytes = match self.backup.object(entry).await {
            Ok(bytes) => bytes,
            Err(BackupError::Store(error)) if !error.is_of_one_object() => return Err(error),
            Err(error) => return Ok(unusable(entry, &error)),
        };
        if !there {
            return self.publish(store, entry, bytes, None).await;
        }
        match self.put_aside(store, &entry.key).await {
            Ok(aside) => self.publish(store, entry, bytes, aside).await,
            Err(error @ StoreError::CannotHold { .. }) => Err(error),
            Err(error) if error.is_of_one_object() => {
                let kind = FindingKind::Unreadable;
                Ok(Outcome::Found(finding(kind, entry, error.in_full(), UNREADABLE)))
            }
            Err(error) => Err(error),
        }
    }

    /// Publishes what is nearer than the backup, where it is what the manifest says. Whatever is
    /// wrong with it, the backup is asked then.
    async fn is_published_near(&self, store: &Store, entry: &Entry) -> Result<bool, StoreError> {
        let Some(near) = self.near else { return Ok(false) };
        let broken = Broken::default();
        let bytes = match near.of_key(&entry.key).stream(&entry.key, None).await {
            Ok(Some((meta, bytes))) if meta.size == entry.size => {
                self.watched(bytes, broken.clone())
            }
            _ => return Ok(false),
        };
        let expected = Expected { digest: entry.digest, size: entry.size };
        let attributes = entry.attributes();
        let published =
            store.publish_as(&entry.key, bytes, &expected, &attributes, OnConflict::Keep).await;
        if broken.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(false);
        }
        match published {
            Ok(Published::Written) => Ok(true),
            Ok(_) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the object at the target has the right content already.
    async fn is_same(&self, store: &Store, entry: &Entry) -> Result<bool, StoreError> {
        let read = async {
            let Some((_, bytes)) = store.stream(&entry.key, None).await? else { return Ok(false) };
            let (digest, size) = measure(bytes, self.meter).await?;
            Ok(difference(entry, &digest, size).is_none())
        };
        match read.await {
            // What cannot be read at the target is not the right content.
            Err(error @ (StoreError::Changed { .. } | StoreError::Other { .. })) => {
                tracing::warn!(key = entry.key, error = error.in_full(), "target not readable");
                Ok(false)
            }
            other => other,
        }
    }

    async fn publish(
        &self,
        store: &Store,
        entry: &Entry,
        bytes: ByteStream,
        aside: Option<Aside>,
    ) -> Result<Outcome, StoreError> {
        let broken = Broken::default();
        let bytes = self.watched(bytes, broken.clone());
        let expected = Expected { digest: entry.digest, size: entry.size };
        // What has changed since it was put aside is not lost: the next try puts it aside too.
        let conflict = match &aside {
            Some(aside) => OnConflict::ReplaceIf(aside.pin.clone()),
            None => OnConflict::Keep,
        };
        let attributes = entry.attributes();
        let published = store.publish_as(&entry.key, bytes, &expected, &attributes, conflict).await;
        let source = broken.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (published, source) {
            (_, Some(error)) if !error.is_of_one_object() => Err(error),
            (_, Some(error)) => {
                let kind = FindingKind::Unreadable;
                Ok(Outcome::Found(finding(kind, entry, error.in_full(), DAMAGED)))
            }
            (Ok(Published::Written), None) => {
                let displaced = aside.map(|aside| aside.finding(entry, &self.run));
                Ok(Outcome::Restored { displaced })
            }
            (Ok(Published::Differs { digest, size }), None) => {
                let kind = difference(entry, &digest, size).unwrap_or(FindingKind::Altered);
                Ok(Outcome::Found(finding(kind, entry, described(&digest, size), DAMAGED)))
            }
            // Somebody else wrote it since we looked; the next try sees it.
            (Ok(Published::Exists), None) => {
                Err(StoreError::Changed { what: format!("`{}` in {}", entry.key, store.url()) })
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Counts what passes, ends it when the run is asked to stop, and keeps why it broke off.
    fn watched(&self, bytes: ByteStream, broken: Broken) -> ByteStream {
        let (meter, cancel) = (self.meter.clone(), self.cancel.clone());
        let seen = bytes.inspect_ok(move |part| meter.add_bytes(part.len() as u64));
        let until = seen.map_err(move |error| {
            let text = StoreError::Changed { what: "the blob".to_owned() };
            *broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            text
        });
        let stopped = move |part| {
            if cancel.is_cancelled() {
                return Err(StoreError::Changed { what: "a blob, since asked to stop".to_owned() });
            }
            part
        };
        until.map(stopped).boxed()
    }
}

fn unusable(entry: &Entry, error: &BackupError) -> Outcome {
    let kind = error.finding().unwrap_or(FindingKind::Unreadable);
    Outcome::Found(finding(kind, entry, error, DAMAGED))
}
