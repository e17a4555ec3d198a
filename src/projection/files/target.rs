use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::listing::{Listed, Listing, Recorded, attempt, folder, listing_key, place, proof_key};
use super::{FilesError, objects};
use crate::digest::Digest;
use crate::model::{JobId, Proof};
use crate::projection::{Generation, Held, Refusal, StageContext};
use crate::store::{Pin, Store};

/// What all file-like projections of one environment share: a store, its live pointer, and a
/// local folder for copies that are read.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(super) store: Store,
    pub(super) cache: PathBuf,
}

type Result<T> = std::result::Result<T, FilesError>;

impl Files {
    /// Uses `store` for what is published, and the local folder `cache` for staging and for
    /// copies that are read.
    pub(crate) fn new(store: Store, cache: PathBuf) -> Self {
        Self { store, cache }
    }

    /// Says what the store holds of a generation. Complete is only what has a proof of exactly
    /// what is listed, with every file there in its full size.
    pub(crate) async fn holds(&self, generation: &Generation) -> Result<Held> {
        let (job, digest) = (&generation.job, &generation.digest);
        let found = objects::list(&self.store, &folder(job, digest)).await?;
        if found.is_empty() {
            return Ok(Held::Absent);
        }
        let Some((listing, name, _)) = self.listing(job, digest).await? else {
            return Ok(Held::Partial);
        };
        let sizes: BTreeMap<_, _> = found.into_iter().map(|meta| (meta.key, meta.size)).collect();
        let whole = listing.files.values().all(|file| {
            sizes.get(&place(job, digest, file)).is_some_and(|size| *size == file.size)
        });
        let Some(proof) = self.proof(job, digest, &name).await?.filter(|_| whole) else {
            return Ok(Held::Partial);
        };
        let live = self.live(job).await? == Some(*digest);
        Ok(if live { Held::Live(proof) } else { Held::Complete(proof) })
    }

    /// Publishes every file of the local folder `staged` as a generation, its listing last.
    ///
    /// What an earlier attempt left is dropped, unless it was made under a later fencing token.
    pub(crate) async fn publish(
        &self,
        generation: &Generation,
        staged: &Path,
        rows: u64,
        cx: &StageContext,
    ) -> Result<Listing> {
        let (job, digest) = (&generation.job, &generation.digest);
        let home = folder(job, digest);
        let attempt = attempt(&cx.run, cx.epoch);
        self.drop_files(&home, |path| path.starts_with(&attempt)).await?;
        let mut files = BTreeMap::new();
        for name in names(staged)? {
            if cx.cancel.is_cancelled() {
                return Err(FilesError::Cancelled);
            }
            let path = format!("{attempt}/{name}");
            let key = format!("{home}/{path}");
            let (size, digest) =
                objects::upload(&self.store, &staged.join(&name), &key, cx).await?;
            files.insert(name, Listed { path, size, digest });
        }
        let listing = Listing {
            format: 1,
            job: job.clone(),
            generation: *digest,
            run_id: cx.run,
            epoch: cx.epoch,
            rows,
            files,
        };
        self.replace_listing(&listing).await?;
        self.drop_files(&home, |path| path.contains('/') && !path.starts_with(&attempt)).await?;
        Ok(listing)
    }

    /// Puts the listing in the place of one without a good proof. A proof that is left there is of
    /// the other listing, and proves nothing of this one.
    async fn replace_listing(&self, listing: &Listing) -> Result<()> {
        let (job, digest) = (&listing.job, &listing.generation);
        let old = self.listing(job, digest).await?;
        if let Some((old, ..)) = &old
            && old.run_id == listing.run_id
            && old.epoch > listing.epoch
        {
            let (ours, theirs) = (listing.epoch, old.epoch);
            return Err(Refusal::Stale { run: old.run_id, ours, theirs }.into());
        }
        let old = old.as_ref().map(|(.., pin)| pin);
        objects::replace(&self.store, &listing_key(job, digest), listing, old).await
    }

    /// Records the proof: from here on the generation is complete.
    pub(crate) async fn record(&self, generation: &Generation, proof: &Proof) -> Result<()> {
        let (job, digest) = (&generation.job, &generation.digest);
        let (_, listing) = self.published(job, digest).await?;
        if !proof.proven {
            return Err(Refusal::unproven(job, digest).into());
        }
        let key = proof_key(job, digest);
        let old = objects::read::<Recorded>(&self.store, &key).await?;
        if old.as_ref().is_some_and(|(old, ..)| old.proves(&listing)) {
            return Ok(());
        }
        let recorded = Recorded { format: 1, listing, proof: proof.clone() };
        objects::replace(&self.store, &key, &recorded, old.as_ref().map(|(.., pin)| pin)).await
    }

    /// Takes the recorded proof away.
    pub(crate) async fn revoke(&self, generation: &Generation) -> Result<()> {
        self.store.delete(&proof_key(&generation.job, &generation.digest)).await?;
        Ok(())
    }

    /// What readers have in their hands is not built anew, and not dropped.
    pub(super) async fn refuse_live(&self, generation: &Generation) -> Result<()> {
        let (job, digest) = (&generation.job, &generation.digest);
        if self.live(job).await? == Some(*digest) {
            return Err(Refusal::in_use(job, digest, "live").into());
        }
        Ok(())
    }

    /// Drops a generation, unless it is live or the one to go back to.
    pub(crate) async fn discard(&self, generation: &Generation) -> Result<()> {
        let (job, digest) = (&generation.job, &generation.digest);
        self.refuse_live(generation).await?;
        let former = self.last_switch(job).await?.and_then(|last| last.former);
        if former == Some(*digest) {
            return Err(Refusal::in_use(job, digest, "the one to go back to").into());
        }
        // The proof goes first: what is half gone is never complete.
        self.store.delete(&proof_key(job, digest)).await?;
        self.store.delete(&listing_key(job, digest)).await?;
        self.drop_files(&folder(job, digest), |_| true).await?;
        self.forget(job, digest).await
    }

    /// The listing of a published generation with the digest of its bytes.
    pub(super) async fn published(
        &self,
        job: &JobId,
        digest: &Digest,
    ) -> Result<(Listing, Digest)> {
        match self.listing(job, digest).await? {
            Some((listing, name, _)) => Ok((listing, name)),
            None => Err(Refusal::absent(job, digest).into()),
        }
    }

    pub(super) async fn listing(
        &self,
        job: &JobId,
        digest: &Digest,
    ) -> Result<Option<(Listing, Digest, Pin)>> {
        let found = objects::read(&self.store, &listing_key(job, digest)).await?;
        Ok(found.map(|(listing, bytes, pin)| (listing, Digest::blake3(&bytes), pin)))
    }

    /// The proof of exactly this listing.
    pub(super) async fn proof(
        &self,
        job: &JobId,
        digest: &Digest,
        listing: &Digest,
    ) -> Result<Option<Proof>> {
        let found = objects::read::<Recorded>(&self.store, &proof_key(job, digest)).await?;
        let recorded = found.map(|(recorded, ..)| recorded);
        Ok(recorded.filter(|it| it.proves(listing)).map(|it| it.proof))
    }

    /// Deletes the objects below `home` whose path from there `which` picks.
    async fn drop_files(&self, home: &str, which: impl Fn(&str) -> bool) -> Result<()> {
        for meta in objects::list(&self.store, home).await? {
            let path = meta.key.strip_prefix(home).unwrap_or_default();
            if which(path.trim_start_matches('/')) {
                self.store.delete(&meta.key).await?;
            }
        }
        Ok(())
    }
}

/// The names of the files in a local folder, sorted.
fn names(folder: &Path) -> Result<Vec<String>> {
    let read = || {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    };
    read().map_err(|source| FilesError::local(folder, source))
}
