//! Do both sides hold the same rows? Row encodings, the tee that digests what goes in, and the
//! one comparison with what is read back.

mod rows;

pub(crate) use rows::{EncodedBatch, EncodedStream, RowEncoding, Rows, RowsStream};
