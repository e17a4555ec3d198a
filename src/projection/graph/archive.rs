use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

use oxigraph::io::{RdfFormat, RdfParser};
use oxigraph::model::{GraphName, Quad};

use super::GraphError;
use super::terms::{each_record, split};

/// The one file of a generation.
pub(super) const NAME: &str = "graph.nq.zst";
/// A level at which compression keeps up with sorting.
const LEVEL: i32 = 6;

type Result<T> = std::result::Result<T, GraphError>;

/// Writes sorted records as N-Quads, compressed.
pub(super) struct Writer {
    out: zstd::Encoder<'static, BufWriter<File>>,
    last: Vec<u8>,
    quads: u64,
}

impl Writer {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let make = || -> io::Result<_> {
            let file = BufWriter::with_capacity(1 << 20, File::create(path)?);
            let mut out = zstd::Encoder::new(file, LEVEL)?;
            out.include_checksum(true)?;
            Ok(out)
        };
        Ok(Self { out: make().map_err(GraphError::Archive)?, last: Vec::new(), quads: 0 })
    }

    /// Writes the quads of a batch that `source` gave; refuses any other order.
    pub(super) fn write(&mut self, batch: &datafusion::arrow::array::RecordBatch) -> Result<()> {
        each_record(batch, |record| {
            if self.quads > 0 && record <= self.last.as_slice() {
                return Err(GraphError::Unsorted);
            }
            self.last.clear();
            self.last.extend_from_slice(record);
            self.quads += 1;
            let [subject, predicate, object, graph] = split(record).ok_or(GraphError::Unsorted)?;
            let between = if graph.is_empty() { "" } else { " " };
            writeln!(self.out, "{subject} {predicate} {object}{between}{graph} .")
                .map_err(GraphError::Archive)
        })
    }

    /// Ends the file, and gives the number of quads.
    pub(super) fn finish(self) -> Result<u64> {
        let end = || self.out.finish()?.into_inner().map_err(io::IntoInnerError::into_error);
        end().map_err(GraphError::Archive)?;
        Ok(self.quads)
    }
}

/// Opens the N-Quads of an archive.
pub(super) fn open(folder: &Path) -> Result<impl io::Read + use<>> {
    let file = File::open(folder.join(NAME)).map_err(GraphError::Archive)?;
    zstd::Decoder::new(file).map(BufReader::new).map_err(GraphError::Archive)
}

/// Parses an archive, a quad at a time.
pub(super) fn quads(folder: &Path) -> Result<impl Iterator<Item = Result<Quad>> + use<>> {
    let parser = RdfParser::from_format(RdfFormat::NQuads).for_reader(open(folder)?);
    Ok(parser.map(|quad| Ok(quad?)))
}

/// The four terms of a quad; the default graph is empty.
pub(super) fn terms(quad: &Quad) -> [String; 4] {
    let graph = match &quad.graph_name {
        GraphName::DefaultGraph => String::new(),
        graph => graph.to_string(),
    };
    [quad.subject.to_string(), quad.predicate.to_string(), quad.object.to_string(), graph]
}
