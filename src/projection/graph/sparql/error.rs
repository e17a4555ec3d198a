use crate::model::{Code, Failure, RunId};
use crate::projection::Refusal;
use crate::projection::graph::GraphError;

/// Says why a SPARQL server did not do what it was asked. Neither its answers nor what it was sent
/// is quoted: both hold values.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SparqlError {
    #[error("failed to reach the SPARQL server {server}")]
    Unreachable { server: String, source: reqwest::Error },
    #[error("the SPARQL server {server} refuses the credentials (HTTP {status})")]
    Credentials { server: String, status: u16 },
    #[error("the SPARQL server {server} answers HTTP {status} when asked to {doing}")]
    Status { server: String, status: u16, doing: &'static str },
    #[error("the SPARQL server {server} does not answer as SPARQL 1.1 says, when asked to {doing}")]
    Malformed { server: String, doing: &'static str },
    #[error("failed to set up HTTP")]
    Client(#[source] reqwest::Error),
    #[error("failed to switch what is live on the SPARQL server: others were first {tries} times")]
    Contended { tries: u32 },
    #[error("the SPARQL server {server} is locked by {holder}")]
    Held { server: String, holder: String },
    #[error("the lock on the SPARQL server {server} was lost to another run")]
    Lost { server: String },
    #[error("the SPARQL server {server} is no longer held by run {run}: {by} has taken it since")]
    Taken { server: String, run: RunId, by: String },
    #[error("asked to clear what is not scratch on the SPARQL server {server}")]
    NoScratch { server: String },
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("failed to write a record")]
    Encode(#[from] serde_json::Error),
    #[error("the run was asked to stop")]
    Cancelled,
}

impl SparqlError {
    /// Whether another try may help.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Status { status, .. } => {
                matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
            }
            _ => false,
        }
    }
}

impl From<SparqlError> for Failure {
    fn from(error: SparqlError) -> Self {
        let error = match error {
            SparqlError::Cancelled => return Self::cancelled(),
            SparqlError::Refused(refusal) => return refusal.into(),
            SparqlError::Graph(error) => return error.into(),
            error => error,
        };
        let (text, passing) = (error.to_string(), error.is_passing());
        let failure = match &error {
            SparqlError::Credentials { .. } => Self::permanent(Code::Credentials, text)
                .hint("check the secret under `graph: sparql: auth` of the environment"),
            SparqlError::Unreachable { .. } => Self::transient(Code::StoreUnreachable, text)
                .hint("see that the server is up and its URLs in the plan are right"),
            SparqlError::Status { .. } if passing => Self::transient(Code::StoreUnreachable, text)
                .hint("the server is busy or unwell; look at its log, then resume"),
            SparqlError::Status { status: 507, .. } => Self::permanent(Code::NoSpace, text)
                .hint("free disk space on the SPARQL server, then resume"),
            SparqlError::Status { .. } | SparqlError::Malformed { .. } => {
                Self::permanent(Code::StoreUnreachable, text).hint(
                    "check the URLs under `graph: sparql` of the environment, and the server's log",
                )
            }
            SparqlError::Contended { .. } => Self::transient(Code::Locked, text)
                .hint("another process writes to the same server; see `coppice runs`"),
            SparqlError::Held { .. } => Self::fenced(Code::Locked, text)
                .hint("wait for that run, or stop it; the lock of a dead one ends by itself"),
            SparqlError::Lost { .. } | SparqlError::Taken { .. } => {
                Self::fenced(Code::Locked, text)
                    .hint("nothing more was written; look at `coppice runs`, then `coppice resume`")
            }
            _ => Self::permanent(Code::Internal, text),
        };
        match std::error::Error::source(&error) {
            Some(source) => failure.because(source),
            None => failure,
        }
    }
}
