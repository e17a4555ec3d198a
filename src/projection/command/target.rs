use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use tokio::sync::mpsc;

use super::CommandError;
use super::rows::{FileEncoding, PROVEN, batch, files, schema};
use crate::digest::{Blake3Hasher, Digest};
use crate::model::{Covers, Failure, MadeFile, Sink};
use crate::projection::files::{
    FileKind, FileProjection, Incoming, read_in_thread, write_in_thread,
};
use crate::projection::{Generation, StageContext};
use crate::proof::{EncodedStream, RowEncoding, Rows, RowsStream};

/// Raised when the same files would be published otherwise.
pub(crate) const BUILDER: u32 = 1;
/// How much of a file is in memory.
const PART: usize = 1 << 20;

/// The files of programs in a store.
pub(crate) type CommandProjection = FileProjection<Command>;

/// Flat files, as their program made them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Command;

#[async_trait]
impl FileKind for Command {
    fn covers(&self, _sink: &Sink) -> Covers {
        let words = "every file by its name, its size and the BLAKE3 of its bytes, read out of \
                     the published store; not whether its program made what it should";
        Covers::of(words, PROVEN)
    }

    fn encoding(&self, _sink: &Sink, found: &SchemaRef) -> Result<Arc<dyn RowEncoding>, Failure> {
        if found.fields() != schema().fields() {
            return Err(CommandError::Row.into());
        }
        Ok(Arc::new(FileEncoding))
    }

    async fn write(
        &self,
        _generation: &Generation,
        folder: &Path,
        rows: EncodedStream,
        cx: &StageContext,
    ) -> Result<u64, Failure> {
        let folder = folder.to_owned();
        write_in_thread(rows, cx, move |batches| write(&folder, batches)).await
    }

    fn read(&self, folder: PathBuf) -> RowsStream {
        read_in_thread(move |out| read(&folder, out), |error| CommandError::from(error).into())
    }
}

/// Copies each file, and holds what was copied against the digest that its row tells.
fn write(folder: &Path, mut batches: Incoming) -> Result<u64, Failure> {
    let mut written = 0;
    while let Some(batch) = batches.next()? {
        for (name, expected, from) in files(&batch)? {
            let to = folder.join(&name);
            let out =
                File::create(&to).map_err(|source| CommandError::File { path: to, source })?;
            if through(&from, out)?.1.to_string() != expected {
                return Err(CommandError::Changed { name }.into());
            }
            written += 1;
        }
    }
    Ok(written)
}

fn read(folder: &Path, out: &mpsc::Sender<Rows>) -> Result<(), Failure> {
    let failed = |source| CommandError::File { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let (size, digest) = through(&path, std::io::sink())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let rows = FileEncoding.encode(&batch(&[MadeFile { name, size, digest, path }])?)?;
        // A reader that is gone wants no more.
        if out.blocking_send(rows).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Moves a file's bytes on; gives their number and digest.
fn through(path: &Path, mut out: impl Write) -> Result<(u64, Digest), CommandError> {
    let failed = |source| CommandError::File { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Blake3Hasher::default();
    let mut part = vec![0; PART];
    loop {
        match file.read(&mut part).map_err(failed)? {
            0 => break,
            read => {
                hasher.update(&part[..read]);
                out.write_all(&part[..read]).map_err(failed)?;
            }
        }
    }
    out.flush().map_err(failed)?;
    Ok((hasher.size(), hasher.finish()))
}
