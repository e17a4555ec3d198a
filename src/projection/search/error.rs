use std::io;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use tantivy::TantivyError;
use tantivy::query::QueryParserError;

use crate::model::{Code, Failure};

/// Says why an index could not be built, read or asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SearchError {
    #[error("the query gives no column `{column}`")]
    Column { column: &'static str },
    #[error("the query gives the column `{column}`, which a search record does not have")]
    Unknown { column: String },
    #[error("the column `{column}` is {found}, not {wanted}")]
    Type { column: &'static str, found: DataType, wanted: &'static str },
    #[error("a search record has no `{column}`")]
    Null { column: &'static str },
    /// The value itself may be confidential and is not shown.
    #[error("a value of `{column}` is not {wanted}")]
    Value { column: &'static str, wanted: &'static str },
    #[error("failed to hold search records in columns")]
    Columns(#[from] ArrowError),
    #[error("failed to use the search index")]
    Index(#[from] TantivyError),
    #[error("failed to use the files of the search index")]
    Files(#[from] io::Error),
    #[error("failed to understand the search query")]
    Query(#[from] QueryParserError),
    #[error("a task of the search index was lost")]
    Lost(#[from] tokio::task::JoinError),
}

impl From<SearchError> for Failure {
    fn from(error: SearchError) -> Self {
        let text = error.to_string();
        let failure = match &error {
            SearchError::Column { .. } | SearchError::Unknown { .. } | SearchError::Type { .. } => {
                Self::permanent(Code::PlanInvalid, text)
                    .hint("give the columns of a search record; see the schema of rebuild jobs")
            }
            SearchError::Null { .. } | SearchError::Value { .. } => {
                Self::permanent(Code::StepFailed, text)
                    .hint("filter such rows, or fill the column, in the job's query")
            }
            SearchError::Query(_) => {
                Self::permanent(Code::Usage, text).hint("quote the words, as in \"Fort Scott\"")
            }
            SearchError::Files(e) if e.kind() == io::ErrorKind::StorageFull => {
                Self::permanent(Code::NoSpace, text).hint("free space under the state directory")
            }
            SearchError::Index(_) | SearchError::Files(_) => {
                Self::permanent(Code::StepFailed, text)
                    .hint("see the causes; a damaged index is discarded and rebuilt")
            }
            SearchError::Columns(_) | SearchError::Lost(_) => Self::permanent(Code::Internal, text),
        };
        match std::error::Error::source(&error) {
            Some(source) => failure.because(source),
            None => failure,
        }
    }
}
