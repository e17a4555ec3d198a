use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch, StringArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

use super::CommandError;
use crate::model::{Failure, MadeFile};
use crate::proof::{ColumnEncoding, RowEncoding, Rows};

/// What is proven of a file.
pub(super) const PROVEN: [&str; 3] = ["name", "size", "digest"];
/// Where its bytes are on this machine.
const PATH: usize = PROVEN.len();

pub(super) fn schema() -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8, false);
    let [name, size, digest] = PROVEN;
    let size = Field::new(size, DataType::UInt64, false);
    Arc::new(Schema::new(vec![text(name), size, text(digest), text("path")]))
}

/// Makes rows of the files that a program made.
pub(crate) fn source(files: &[MadeFile]) -> Result<SendableRecordBatchStream, Failure> {
    let batch = batch(files)?;
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema(), futures::stream::iter([Ok(batch)]))))
}

pub(super) fn batch(files: &[MadeFile]) -> Result<RecordBatch, CommandError> {
    let texts = |of: fn(&MadeFile) -> String| -> Arc<StringArray> {
        Arc::new(files.iter().map(|file| Some(of(file))).collect())
    };
    let sizes = UInt64Array::from_iter_values(files.iter().map(|file| file.size));
    let columns: Vec<Arc<dyn datafusion::arrow::array::Array>> = vec![
        texts(|file| file.name.clone()),
        Arc::new(sizes),
        texts(|file| file.digest.to_string()),
        texts(|file| file.path.display().to_string()),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// The files that rows tell of: name, digest as text, and where the bytes are.
pub(super) fn files(batch: &RecordBatch) -> Result<Vec<(String, String, PathBuf)>, CommandError> {
    let column = |at: usize| batch.columns().get(at).and_then(|it| it.as_string_opt::<i32>());
    let (Some(names), Some(digests), Some(paths)) = (column(0), column(2), column(PATH)) else {
        return Err(CommandError::Row);
    };
    let all = names.iter().zip(digests).zip(paths).map(|((name, digest), path)| {
        Some((name?.to_owned(), digest?.to_owned(), Path::new(path?).to_owned()))
    });
    all.collect::<Option<_>>().ok_or(CommandError::Row)
}

/// Encodes what is proven of files as columns: where they are on this machine is no part of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileEncoding;

impl RowEncoding for FileEncoding {
    fn name(&self) -> &'static str {
        ColumnEncoding.name()
    }

    fn encode(&self, batch: &RecordBatch) -> Result<Rows, Failure> {
        let proven = batch.project(&[0, 1, 2]).map_err(CommandError::from)?;
        ColumnEncoding.encode(&proven)
    }
}
