//! Another store's generation: copied as it was published there, under its own name.

use super::{Copy, Files, FilesError};
use crate::projection::{Generation, StageContext};

impl Files {
    /// Publishes a generation that `from` holds, each file verified by its digest there; gives the
    /// rows that it was staged with. It needs a proof of its own here.
    pub(crate) async fn take(
        &self,
        generation: &Generation,
        from: &Self,
        cx: &StageContext,
    ) -> Result<u64, FilesError> {
        self.refuse_live(generation).await?;
        let (listing, _) = from.published(&generation.job, &generation.digest).await?;
        let copy = from.fetch(generation, Copy::Fresh).await?;
        // Readers may have left files of their own beside those that were published.
        let staging = self.staging()?;
        for name in listing.files.keys() {
            let (from, to) = (copy.join(name), staging.path().join(name));
            let copied = tokio::fs::copy(&from, &to).await;
            copied.map_err(|source| FilesError::local(&from, source))?;
        }
        let taken = self.publish(generation, staging.path(), listing.rows, cx).await?;
        for (name, file) in &listing.files {
            let actual = taken.files.get(name).map(|ours| ours.digest);
            if let Some(actual) = actual.filter(|actual| *actual != file.digest) {
                return Err(FilesError::Altered {
                    key: name.clone(),
                    expected: file.digest,
                    actual,
                });
            }
        }
        Ok(listing.rows)
    }
}
