//! Reads the tiles of an archive.

use std::path::PathBuf;
use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use pmtiles::{AsyncPmTilesReader, HashMapCache, TileCoord};
use tokio::sync::mpsc;

use super::TilesError;
use super::source::Batch;
use super::summary::schema;
use crate::model::Failure;
use crate::projection::files::read_in_thread;
use crate::proof::{ColumnEncoding, RowEncoding as _, RowsStream};

/// Bytes of tiles that are given at one time.
const BATCH: usize = 1 << 20;

type Result<T> = std::result::Result<T, TilesError>;

/// Reads every tile in the order of the archive, unpacks it, and gives what `convert` makes of
/// each batch. Works on a thread of its own, because unpacking is work and a mapped file may
/// block.
pub(super) fn tiles<T, F>(path: PathBuf, convert: F) -> BoxStream<'static, Result<T>>
where
    T: Send + 'static,
    F: Fn(Vec<(TileCoord, bytes::Bytes)>) -> Result<T> + Send + 'static,
{
    let handle = tokio::runtime::Handle::current();
    let read = move |out: &mpsc::Sender<T>| handle.block_on(walk(path, convert, out));
    read_in_thread(read, TilesError::Lost)
}

async fn walk<T, F>(path: PathBuf, convert: F, sender: &mpsc::Sender<T>) -> Result<()>
where
    F: Fn(Vec<(TileCoord, bytes::Bytes)>) -> Result<T>,
{
    let cache = HashMapCache::default();
    let reader = Arc::new(AsyncPmTilesReader::new_with_cached_path(cache, path).await?);
    let mut entries = Arc::clone(&reader).entries();
    let (mut batch, mut size) = (Vec::new(), 0);
    while let Some(entry) = entries.try_next().await? {
        for tile in entry.iter_coords() {
            let bytes = reader.get_tile_decompressed(tile).await?;
            let bytes = bytes.ok_or(TilesError::Row("a tile of the directory is not there"))?;
            size += bytes.len();
            batch.push((tile.into(), bytes));
            if size >= BATCH {
                size = 0;
                let full = convert(std::mem::take(&mut batch))?;
                if sender.send(full).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
    if !batch.is_empty() {
        // A receiver that is gone wants no more.
        let _ = sender.send(convert(batch)?).await;
    }
    Ok(())
}

/// The tiles as encoded rows.
pub(super) fn rows(path: PathBuf) -> RowsStream {
    let schema = Arc::new(schema());
    let encode = move |tiles: Vec<(TileCoord, bytes::Bytes)>| {
        let mut batch = Batch::default();
        for (tile, bytes) in tiles {
            batch.push(tile.z(), tile.x(), tile.y(), &bytes)?;
        }
        let encoded = ColumnEncoding.encode(&batch.finish(&schema)?);
        encoded.map_err(|failure| TilesError::Source(Box::new(failure)))
    };
    tiles(path, encode).map_err(Failure::from).boxed()
}
