use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::stream::BoxStream;

use crate::digest::Multiset;
use crate::model::Failure;

/// Encoded rows: one buffer, and where each row ends in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    /// The rows, one after the other.
    pub(crate) bytes: Vec<u8>,
    /// The end offset of each row in `bytes`.
    pub(crate) ends: Vec<usize>,
}

impl Rows {
    /// Ends the row whose bytes were appended to `bytes`.
    pub(crate) fn end_row(&mut self) {
        self.ends.push(self.bytes.len());
    }

    /// How many rows.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The rows as slices.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }

    /// The multiset digest's sum over these rows.
    pub(crate) fn multiset(&self) -> Multiset {
        let mut sum = Multiset::default();
        self.iter().for_each(|row| sum.add(row));
        sum
    }
}

/// How the rows of one sink become bytes; documented and versioned, exact for what it covers.
pub(crate) trait RowEncoding: Send + Sync {
    /// The name without the version, such as `pgcopy`.
    fn name(&self) -> &'static str;

    /// Encodes each row of a batch of the query's result. Permanent failure when a value has no
    /// exact form (NaN, a NUL in text, a wrong type).
    fn encode(&self, batch: &RecordBatch) -> Result<Rows, Failure>;
}

/// A batch and the same rows as bytes.
#[derive(Debug, Clone)]
pub(crate) struct EncodedBatch {
    /// The rows in columns.
    pub(crate) batch: RecordBatch,
    /// The same rows in bytes.
    pub(crate) rows: Arc<Rows>,
}

/// What a projection is filled from.
pub(crate) type EncodedStream = BoxStream<'static, Result<EncodedBatch, Failure>>;

/// What a projection gives when it is read back.
pub(crate) type RowsStream = BoxStream<'static, Result<Rows, Failure>>;
