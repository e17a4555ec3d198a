use futures::{StreamExt, TryStreamExt};

use super::shard::Restore;
use crate::canonical::{Entry, ShardRef};
use crate::model::{Failure, Fate, Preview, Thing};
use crate::store::OWN;

impl Restore<'_> {
    /// Says what restoring a shard would do; reads the target as `shard` would, and writes nothing.
    pub(crate) async fn foresee(&self, shard: &ShardRef) -> Result<Preview, Failure> {
        let entries = self.backup.shard(shard).await?;
        let meant = entries.into_iter().filter(|entry| self.filter.holds(&entry.key));
        let work = futures::stream::iter(meant).map(|entry| async move {
            let fate = self.foreseen(&entry).await?;
            Ok::<_, Failure>((entry, fate))
        });
        let mut work = work.buffer_unordered(self.at_once).boxed();
        let mut preview = Preview::default();
        while let Some((entry, fate)) = work.try_next().await? {
            preview.add(Thing::Object, fate, Some(entry.size), None);
        }
        Ok(preview)
    }

    async fn foreseen(&self, entry: &Entry) -> Result<Fate, Failure> {
        if (self.hold_back)(entry) || self.withdrawals.erases(&entry.key) {
            return Ok(Fate::Leave);
        }
        let store = self.stores.of_key(&entry.key);
        if entry.key.starts_with(OWN) || store.can_hold(&entry.key).is_err() {
            return Ok(Fate::Blocked);
        }
        Ok(self.fate(store, entry).await?)
    }
}
