use std::io;

use datafusion::arrow::error::ArrowError;
use oxigraph::io::RdfParseError;

use crate::model::{Code, Failure};

/// Says why a graph could not be built, read or asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GraphError {
    #[error("the query gives no text column `{column}`")]
    Column { column: &'static str },
    #[error("the query gives the column `{column}`, which a graph does not have")]
    Unknown { column: String },
    /// The term itself may be confidential and is not shown.
    #[error("failed to read a quad: its {column} is {why}")]
    Term { column: &'static str, why: &'static str },
    #[error("failed to sort the quads on disk")]
    Spill(#[source] io::Error),
    #[error("failed to use the archive of quads")]
    Archive(#[source] io::Error),
    #[error("the published quads are not N-Quads")]
    Parse(#[from] RdfParseError),
    #[error("the quads came unsorted, or twice")]
    Unsorted,
    #[error("the reader of the quads is gone")]
    Gone,
    #[error("failed to hold quads in columns")]
    Columns(#[from] ArrowError),
    #[error("failed to load the quads")]
    Load(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("failed to answer the SPARQL query")]
    Query(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("a task of the graph was lost")]
    Lost(#[from] tokio::task::JoinError),
}

impl From<GraphError> for Failure {
    fn from(error: GraphError) -> Self {
        let text = error.to_string();
        let full = |e: &io::Error| e.kind() == io::ErrorKind::StorageFull;
        let failure = match &error {
            GraphError::Column { .. } | GraphError::Unknown { .. } => {
                Self::permanent(Code::PlanInvalid, text)
                    .hint("give the columns subject, predicate, object and graph")
            }
            GraphError::Term { .. } => Self::permanent(Code::StepFailed, text).hint(
                "make terms with rdf_iri and rdf_literal; a blank node needs an IRI (skolemise it)",
            ),
            GraphError::Spill(e) | GraphError::Archive(e) if full(e) => {
                Self::permanent(Code::NoSpace, text).hint("free space under the state directory")
            }
            GraphError::Parse(_) => Self::permanent(Code::StepFailed, text)
                .hint("discard the generation and rebuild the job"),
            GraphError::Query(_) => {
                Self::permanent(Code::Usage, text).hint("correct the SPARQL query")
            }
            GraphError::Unsorted
            | GraphError::Gone
            | GraphError::Lost(_)
            | GraphError::Columns(_) => Self::permanent(Code::Internal, text),
            GraphError::Spill(_) | GraphError::Archive(_) | GraphError::Load(_) => {
                Self::permanent(Code::StepFailed, text)
            }
        };
        match std::error::Error::source(&error) {
            Some(source) => failure.because(source),
            None => failure,
        }
    }
}
