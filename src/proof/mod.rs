//! Do both sides hold the same rows? Row encodings, the tee that digests what goes in, and the
//! one comparison with what is read back.

mod columns;
mod compare;
mod rows;
mod tee;

pub(crate) use columns::ColumnEncoding;
pub(crate) use compare::{compare, digest_rows};
pub(crate) use rows::{EncodedBatch, EncodedStream, RowEncoding, Rows, RowsStream};
pub(crate) use tee::tee;
