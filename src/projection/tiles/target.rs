use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use sqlx::PgPool;

use super::archive::{NAME, Spool};
use super::ids::{LayerIds, check};
use super::source::Sources;
use super::{TilesError, read};
use crate::model::{Covers, Failure, Sink, TilesSink};
use crate::projection::files::{Copy, FileKind, FileProjection, Incoming, write_in_thread};
use crate::projection::{Generation, StageContext};
use crate::proof::{ColumnEncoding, EncodedStream, RowEncoding, RowsStream};

/// Tile archives in a store.
pub(crate) type TilesProjection = FileProjection<Tiles>;

/// One PMTiles archive.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tiles;

fn sink_of(sink: &Sink) -> Result<&TilesSink, TilesError> {
    match sink {
        Sink::Tiles(sink) => Ok(sink),
        _ => Err(TilesError::Sink("the sink is no tile archive".to_owned())),
    }
}

impl TilesProjection {
    /// Says of each layer how many source features the highest zoom of the published archive
    /// lacks.
    pub(crate) async fn check_ids(
        &self,
        generation: &Generation,
        pool: &PgPool,
        sources: &Sources,
    ) -> Result<Vec<LayerIds>, Failure> {
        let archive = self.files.fetch(generation, Copy::Reuse).await?.join(NAME);
        Ok(check(pool, sink_of(&generation.sink)?, sources, &archive).await?)
    }
}

#[async_trait]
impl FileKind for Tiles {
    fn covers(&self, _: &Sink) -> Covers {
        let words = "every tile of every zoom with its place and its bytes, unpacked; of the \
                     source tables what PostGIS puts into tiles: cut, rounded and simplified";
        Covers::of(words, ["z", "x", "y", "data"])
    }

    fn encoding(&self, sink: &Sink, schema: &SchemaRef) -> Result<Arc<dyn RowEncoding>, Failure> {
        sink_of(sink)?;
        let plain = super::summary::schema();
        if schema.fields() != plain.fields() {
            return Err(TilesError::Row("the rows are no tiles").into());
        }
        Ok(Arc::new(ColumnEncoding))
    }

    async fn write(
        &self,
        generation: &Generation,
        folder: &Path,
        rows: EncodedStream,
        cx: &StageContext,
    ) -> Result<u64, Failure> {
        let sink = sink_of(&generation.sink)?.clone();
        let (folder, name) = (folder.to_owned(), generation.job.name().to_owned());
        write_in_thread(rows, cx, move |batches| write(&folder, &name, &sink, batches)).await
    }

    fn read(&self, folder: PathBuf) -> RowsStream {
        read::rows(folder.join(NAME))
    }
}

/// Spools what comes; writes the archive only when all has come.
fn write(
    folder: &Path,
    name: &str,
    sink: &TilesSink,
    mut batches: Incoming,
) -> Result<u64, Failure> {
    let mut spool = Spool::new(folder)?;
    while let Some(batch) = batches.next()? {
        spool.add(&batch)?;
    }
    Ok(spool.write(&folder.join(NAME), name, sink)?)
}
