//! Writes tiles, in whatever order they come, as a clustered PMTiles archive.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::{UInt8Type, UInt32Type};
use pmtiles::{PmTilesWriter, TileCoord, TileId, TileType};

use super::TilesError;
use super::summary::Summary;
use crate::model::TilesSink;

/// The file of a generation.
pub(super) const NAME: &str = "tiles.pmtiles";

type Result<T> = std::result::Result<T, TilesError>;

/// Keeps tiles in a file until all are there; only where each one lies is held in memory.
pub(super) struct Spool {
    file: BufWriter<File>,
    length: u64,
    index: Vec<Place>,
    summary: Option<Summary>,
}

struct Place {
    tile: u64,
    offset: u64,
    length: u32,
}

impl Spool {
    /// An empty spool, in a file that has no name and goes with it.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(TilesError::local(folder))?;
        let file = BufWriter::with_capacity(1 << 20, file);
        Ok(Self { file, length: 0, index: Vec::new(), summary: None })
    }

    /// Takes the tiles of a batch.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.summary.is_none() {
            self.summary = Some(Summary::of(&batch.schema())?);
        }
        let column =
            |name| batch.column_by_name(name).ok_or(TilesError::Row("the rows lack a column"));
        let wrong = TilesError::Row("a column is of another type");
        let (Some(z), Some(x), Some(y), Some(data)) = (
            column("z")?.as_primitive_opt::<UInt8Type>(),
            column("x")?.as_primitive_opt::<UInt32Type>(),
            column("y")?.as_primitive_opt::<UInt32Type>(),
            column("data")?.as_binary_opt::<i32>(),
        ) else {
            return Err(wrong);
        };
        for row in 0..batch.num_rows() {
            let coordinate = TileCoord::new(z.value(row), x.value(row), y.value(row))?;
            let bytes = data.value(row);
            if bytes.is_empty() {
                return Err(TilesError::Row("a tile without bytes"));
            }
            self.file.write_all(bytes).map_err(TilesError::local(Path::new("the spool")))?;
            let length = u32::try_from(bytes.len()).ok();
            let length = length.ok_or(TilesError::Row("a tile of more than 4 GiB"))?;
            let tile = TileId::from(coordinate).value();
            self.index.push(Place { tile, offset: self.length, length });
            self.length += u64::from(length);
        }
        Ok(())
    }

    /// Writes the archive, tiles in the order of their ids; gives how many. The same tiles give
    /// the same file.
    pub(super) fn write(mut self, to: &Path, name: &str, sink: &TilesSink) -> Result<u64> {
        self.index.sort_unstable_by_key(|place| place.tile);
        if self.index.windows(2).any(|pair| pair[0].tile == pair[1].tile) {
            return Err(TilesError::Row("a tile that came twice"));
        }
        let spool = Path::new("the spool");
        let file = self.file.into_inner().map_err(std::io::IntoInnerError::into_error);
        let file = file.map_err(TilesError::local(spool))?;
        let summary = self.summary.unwrap_or_default();
        let out = File::create(to).map_err(TilesError::local(to))?;
        let mut writer = writer(&summary, name, sink).create(&out)?;
        let mut bytes = Vec::new();
        for place in &self.index {
            bytes.resize(place.length as usize, 0);
            file.read_exact_at(&mut bytes, place.offset).map_err(TilesError::local(spool))?;
            writer.add_tile(TileId::new(place.tile)?.into(), &bytes)?;
        }
        writer.finalize()?;
        out.sync_all().map_err(TilesError::local(to))?;
        Ok(self.index.len() as u64)
    }
}

fn writer(summary: &Summary, name: &str, sink: &TilesSink) -> PmTilesWriter {
    let [west, south, east, north] = summary.bounds.unwrap_or([-180.0, -85.0, 180.0, 85.0]);
    PmTilesWriter::new(TileType::Mvt)
        .min_zoom(sink.min_zoom)
        .max_zoom(sink.max_zoom)
        .bounds(west, south, east, north)
        .center(west.midpoint(east), south.midpoint(north))
        .center_zoom(sink.min_zoom)
        .metadata(summary.metadata(name, sink))
}
