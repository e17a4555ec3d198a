use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange};

use super::Remote;
use super::open::WAIT;
use crate::store::backend::ByteStream;
use crate::store::{Pin, StoreError};

/// So often a download that breaks off is taken up again without any byte having come.
const TRIES: u32 = 5;

type Parts = BoxStream<'static, object_store::Result<Bytes>>;

/// A download and what of it is still to come.
struct Download {
    remote: Remote,
    key: String,
    path: Path,
    pin: Pin,
    /// Where in the object the next byte lies.
    at: u64,
    size: u64,
    parts: Parts,
    tries: u32,
}

/// The bytes of an object that was opened, all of them: a download that breaks off or ends early is
/// taken up where it was, in the same state of the object.
pub(super) fn resumed(
    remote: &Remote,
    key: &str,
    path: Path,
    pin: Pin,
    size: u64,
    parts: Parts,
) -> ByteStream {
    let (remote, key) = (remote.clone(), key.to_owned());
    let start = Download { remote, key, path, pin, at: 0, size, parts, tries: 0 };
    futures::stream::try_unfold(start, |mut download| async move {
        let next = download.next().await?;
        Ok(next.map(|part| (part, download)))
    })
    .boxed()
}

impl Download {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            match self.parts.try_next().await {
                Ok(Some(part)) if part.is_empty() => {}
                Ok(Some(part)) => {
                    self.at += part.len() as u64;
                    self.tries = 0;
                    return Ok(Some(part));
                }
                Ok(None) if self.at >= self.size => return Ok(None),
                Ok(None) => self.again(early(self.at, self.size)).await?,
                Err(error) => self.again(error).await?,
            }
        }
    }

    /// Asks for the rest.
    async fn again(&mut self, error: Error) -> Result<(), StoreError> {
        self.tries += 1;
        let passing = matches!(error, Error::Generic { .. });
        if !passing || self.tries > TRIES || self.at >= self.size || self.pin == Pin::default() {
            return Err(self.remote.failed(&self.key, error));
        }
        tracing::info!(key = self.key, at = self.at, "download broke off: taken up again");
        tokio::time::sleep(WAIT * 2_u32.pow(self.tries)).await;
        let options = GetOptions::new()
            .with_range(Some(GetRange::Bounded(self.at..self.size)))
            .with_if_match(self.pin.etag.clone())
            .with_version(self.pin.version.clone());
        match self.remote.objects_ref().get_opts(&self.path, options).await {
            Ok(found) if found.meta.e_tag == self.pin.etag => {
                self.parts = found.into_stream();
                Ok(())
            }
            Ok(_) | Err(Error::Precondition { .. } | Error::NotFound { .. }) => {
                Err(StoreError::Changed { what: self.remote.what(&self.key) })
            }
            // Tried often enough by the client itself.
            Err(error) => Err(self.remote.failed(&self.key, error)),
        }
    }
}

fn early(at: u64, size: u64) -> Error {
    let why = format!("{at} of {size} bytes came, then the end");
    Error::Generic { store: "download", source: why.into() }
}
