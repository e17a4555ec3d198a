use arrow::array::RecordBatch;

use crate::model::Failure;
use crate::postgres::CopyEncoder;
use crate::proof::{RowEncoding, Rows};

/// The row encoding of a table: the tuple of PostgreSQL's binary COPY, version 1.
///
/// A row is `i16 number of columns`, then for each declared column, in order, `i32 length` (-1 for
/// NULL) and the value in PostgreSQL's binary form; all numbers are big-endian. PostgreSQL sends
/// a stored row back as the same bytes, because beforehand times are brought to microseconds,
/// dates and times held within PostgreSQL's range, NaN and a NUL in text refused, and geometries
/// brought to little-endian EWKB with the column's SRID on the outermost geometry only, flag bits
/// for Z and M, an empty point as positive NaN, and a single geometry made multiple where the
/// column takes only those. What is not the same (jsonb, numeric, char, geography) is no type of
/// a sink.
#[derive(Debug)]
pub(super) struct PgCopy(pub(super) CopyEncoder);

impl RowEncoding for PgCopy {
    fn name(&self) -> &'static str {
        "pgcopy"
    }

    fn encode(&self, batch: &RecordBatch) -> Result<Rows, Failure> {
        let mut rows = Rows::default();
        self.0.encode(batch, &mut rows.bytes, &mut rows.ends)?;
        Ok(rows)
    }
}
