use super::shard::Restore;
use crate::canonical::Entry;
use crate::canonical::compare::{described, difference, measure};
use crate::digest::Digest;
use crate::model::{Finding, FindingKind};
use crate::store::{Expected, OWN, OnConflict, Pin, Published, Store, StoreError};

/// So many contents of one key are put aside by one run; more are no accident.
const MOST: u32 = 100;

/// What was put aside, and the state in which it stands at its own key still.
pub(super) struct Aside {
    pub(super) pin: Pin,
    digest: Digest,
    size: u64,
}

impl Aside {
    /// Says what was found and where it is kept.
    pub(super) fn finding(&self, entry: &Entry, run: &crate::model::RunId) -> Finding {
        let kind = difference(entry, &self.digest, self.size).unwrap_or(FindingKind::Altered);
        let hint = format!(
            "restored; what was there is kept under {OWN}displaced/{run}: find out what wrote it"
        );
        Finding::warning(kind, hint)
            .at(&entry.key)
            .of_version(entry.dataset_version_id.as_ref())
            .differs(described(&entry.digest, entry.size), described(&self.digest, self.size))
    }
}

impl Restore<'_> {
    /// Copies what is under a key aside, proven while it is written. A try that was killed after
    /// its copy finds that copy; content that came since gets a place of its own. `None`: there
    /// is nothing any more.
    pub(super) async fn put_aside(
        &self,
        store: &Store,
        key: &str,
    ) -> Result<Option<Aside>, StoreError> {
        let Some((meta, bytes)) = store.stream(key, None).await? else { return Ok(None) };
        let (digest, size) = measure(bytes, self.meter).await?;
        let changed = || StoreError::Changed { what: format!("`{key}` in {}", store.url()) };
        for number in 0..MOST {
            let place = self.place_aside(key, number);
            let Some((_, bytes)) = store.stream(key, Some(&meta.pin)).await? else {
                return Err(changed());
            };
            let expected = Expected { digest, size };
            let keep = OnConflict::Keep;
            match store.publish_as(&place, bytes, &expected, &meta.attributes, keep).await? {
                Published::Differs { .. } => return Err(changed()),
                Published::Exists if !self.holds(store, &place, &digest).await? => {}
                Published::Written | Published::Exists => {
                    return Ok(Some(Aside { pin: meta.pin, digest, size }));
                }
            }
        }
        Err(changed())
    }

    fn place_aside(&self, key: &str, number: u32) -> String {
        match number {
            0 => format!("{OWN}displaced/{}/{key}", self.run),
            _ => format!("{OWN}displaced/{}+{number}/{key}", self.run),
        }
    }

    async fn holds(&self, store: &Store, key: &str, digest: &Digest) -> Result<bool, StoreError> {
        let Some((_, bytes)) = store.stream(key, None).await? else { return Ok(false) };
        Ok(measure(bytes, self.meter).await?.0 == *digest)
    }
}
