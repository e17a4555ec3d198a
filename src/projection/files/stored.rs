//! Which generations of a job are in the store, beside the live one.

use std::collections::{BTreeMap, BTreeSet};

use super::{Files, FilesError, objects};
use crate::digest::Digest;
use crate::model::{JobId, RunId};
use crate::projection::Stored;

/// Pointers that are read, newest first, to tell whether a generation was ever live.
const POINTERS: usize = 200;

type Result<T> = std::result::Result<T, FilesError>;

impl Files {
    /// Lists the generations of a job, whole or not.
    pub(crate) async fn stored(&self, job: &JobId) -> Result<Vec<Stored>> {
        let home = format!("generations/{job}");
        let mut found: BTreeMap<Digest, Option<RunId>> = BTreeMap::new();
        for meta in objects::list(&self.store, &home).await? {
            let Some((digest, run)) = named(&meta.key, &home) else { continue };
            let known = found.entry(digest).or_default();
            *known = (*known).max(run);
        }
        let were_live = self.were_live(job, &found.keys().copied().collect()).await?;
        let mut all = Vec::with_capacity(found.len());
        for (digest, attempt) in found {
            let listing = self.listing(job, &digest).await?;
            let complete = match &listing {
                Some((_, name, _)) => self.proof(job, &digest, name).await?.is_some(),
                None => false,
            };
            let run = listing.map(|(listing, ..)| listing.run_id).or(attempt);
            all.push(Stored { digest, run, complete, was_live: were_live.contains(&digest) });
        }
        Ok(all)
    }

    /// Those that readers were shown, as far back as the last pointers tell.
    async fn were_live(&self, job: &JobId, among: &BTreeSet<Digest>) -> Result<BTreeSet<Digest>> {
        let mut seen = BTreeSet::new();
        for key in self.pointers().await?.into_iter().rev().take(POINTERS) {
            if seen.len() == among.len() {
                break;
            }
            let pointer = self.read_pointer(key).await?;
            let live = [pointer.generations.get(job), pointer.previous.get(job)];
            seen.extend(live.into_iter().flatten().filter(|digest| among.contains(digest)));
        }
        Ok(seen)
    }
}

/// The generation that a key belongs to, and the run whose attempt it is of.
fn named(key: &str, home: &str) -> Option<(Digest, Option<RunId>)> {
    let mut parts = key.strip_prefix(home)?.strip_prefix('/')?.split('/');
    let digest = format!("blake3:{}", parts.next()?).parse().ok()?;
    let run = parts.next().and_then(|attempt| attempt.split_once('-')?.1.parse().ok());
    Some((digest, run))
}
