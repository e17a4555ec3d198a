use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::sync::mpsc;

use super::cell::{Kind, Row};
use super::columns::{Batches, Kinds};
use super::flatgeobuf;
use super::form::{Form, Packing};
use super::rows::{Said, Take, rows};
use super::stream::{pump, unpacked};
use crate::dataset::DatasetError;
use crate::dataset::defect::Defect;
use crate::dataset::settle::{Read, Rules, Settled};
use crate::model::GeometryColumns;

/// Chunks that are read ahead, and batches that wait for the query.
pub(super) const AHEAD: usize = 2;

/// One artifact of a form that is read row by row.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) name: Path,
    pub(super) key: String,
    pub(super) form: Form,
    pub(super) packing: Packing,
    pub(super) geometry: Option<GeometryColumns>,
    pub(super) declared: Arc<BTreeMap<String, Kind>>,
    /// Of its geometries, if it has any.
    pub(super) rules: Option<Rules>,
}

/// What one reading of an artifact found.
pub(super) struct Surveyed {
    pub(super) kinds: Kinds,
    pub(super) read: Read,
    /// Whether any row had a geometry.
    pub(super) located: bool,
    pub(super) said: Said,
}

impl Part {
    /// Runs `reader` over the unpacked bytes on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        reader: impl FnOnce(&Self, &mut dyn std::io::BufRead) -> Result<T, DataFusionError>
        + Send
        + 'static,
    ) -> Result<T, DatasetError> {
        let (sender, chunks) = mpsc::channel(AHEAD);
        let part = self.clone();
        let reading = tokio::task::spawn_blocking(move || {
            unpacked(chunks, part.packing, &part.key, |input| reader(&part, input))
        });
        pump(Arc::clone(&self.store), self.name.clone(), sender).await;
        let lost = |error| DatasetError::Engine(DataFusionError::External(Box::new(error)));
        reading.await.map_err(lost)?.map_err(DatasetError::Run)
    }

    /// The reference system that is said before the first row.
    pub(super) async fn reference(&self) -> Result<Said, DatasetError> {
        if self.form != Form::FlatGeobuf {
            return Ok(Said::Nothing);
        }
        self.blocking(|part, input| flatgeobuf::reference(input, &part.key)).await
    }

    /// Reads all of it once: the types of its columns, and what is wrong with its rows.
    pub(super) async fn survey(&self) -> Result<Surveyed, DatasetError> {
        self.blocking(|part, input| {
            let surveyed = Surveyed {
                kinds: Kinds::default(),
                read: Read::default(),
                located: false,
                said: Said::Nothing,
            };
            let mut survey =
                Survey { surveyed, rules: part.rules.as_ref(), declared: &part.declared };
            let said = rows(part.form, input, &part.key, part.geometry.as_ref(), &mut survey)?;
            Ok(Surveyed { said, ..survey.surveyed })
        })
        .await
    }

    /// Reads the rows that stand into batches. Blocks.
    pub(super) fn collect(
        &self,
        chunks: mpsc::Receiver<Result<bytes::Bytes, object_store::Error>>,
        schema: &SchemaRef,
        send: &mut dyn FnMut(RecordBatch) -> Result<(), DataFusionError>,
    ) -> Result<(), DataFusionError> {
        unpacked(chunks, self.packing, &self.key, |input| {
            let batches = Batches::new(Arc::clone(schema), self.rules.is_some());
            let mut collect =
                Collect { batches, rules: self.rules.as_ref(), declared: &self.declared, send };
            rows(self.form, input, &self.key, self.geometry.as_ref(), &mut collect)?;
            collect.flush()
        })
    }
}

/// A row whose values are not of their declared types is a bad one.
fn typed<'a>(
    row: Result<Row<'a>, Defect>,
    declared: &BTreeMap<String, Kind>,
) -> Result<Row<'a>, Defect> {
    let row = row?;
    let fits = |name: &str, cell| declared.get(name).is_none_or(|kind| kind.fits(cell));
    if row.cells.iter().all(|(name, cell)| fits(name, cell)) {
        return Ok(row);
    }
    Err(Defect::WrongType)
}

struct Survey<'a> {
    surveyed: Surveyed,
    rules: Option<&'a Rules>,
    declared: &'a BTreeMap<String, Kind>,
}

impl Take for Survey<'_> {
    fn columns(&mut self, columns: Vec<(String, Option<Kind>)>) {
        for (name, kind) in columns {
            let kind = self.declared.get(&name).copied().or(kind);
            self.surveyed.kinds.column(&name, kind);
        }
    }

    fn row(&mut self, number: u64, row: Result<Row<'_>, Defect>) -> Result<(), DataFusionError> {
        let read = &mut self.surveyed.read;
        let mut row = match typed(row, self.declared) {
            Ok(row) => row,
            Err(defect) => {
                read.refuse(defect, number);
                return Ok(());
            }
        };
        let before = read.rows;
        let settled = match (row.geometry.take(), self.rules) {
            (Some(shape), Some(rules)) => vec![(rules.settle(shape), rules)],
            _ => Vec::new(),
        };
        self.surveyed.located |= !settled.is_empty();
        read.see(number, settled);
        // A bad row says nothing of the types of the others.
        if read.rows > before {
            self.surveyed.kinds.add(&row, self.declared);
        }
        Ok(())
    }
}

struct Collect<'a> {
    batches: Batches,
    rules: Option<&'a Rules>,
    declared: &'a BTreeMap<String, Kind>,
    send: &'a mut dyn FnMut(RecordBatch) -> Result<(), DataFusionError>,
}

impl Collect<'_> {
    fn flush(&mut self) -> Result<(), DataFusionError> {
        self.batches.take()?.map_or(Ok(()), &mut *self.send)
    }
}

impl Take for Collect<'_> {
    fn columns(&mut self, _: Vec<(String, Option<Kind>)>) {}

    /// What the survey refused is left out here; the bytes are the same by their pin.
    fn row(&mut self, _: u64, row: Result<Row<'_>, Defect>) -> Result<(), DataFusionError> {
        let Ok(mut row) = typed(row, self.declared) else { return Ok(()) };
        let shape = match (row.geometry.take(), self.rules) {
            (Some(shape), Some(rules)) => match rules.settle(shape) {
                Settled::Sound(shape) | Settled::Changed(shape, _) => Some(shape),
                Settled::Refused(_) => return Ok(()),
            },
            _ => None,
        };
        self.batches.add(&row.cells, shape.as_ref());
        if self.batches.is_full() { self.flush() } else { Ok(()) }
    }
}
