use super::readers::Holders;
use crate::model::{Code, Failure, JobId};
use crate::postgres::{PgError, SplitError};
use crate::projection::Refusal;

/// Says why a PostGIS target could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostgisError {
    #[error(transparent)]
    Server(#[from] PgError),
    #[error("failed to read a generation back")]
    Split(#[from] SplitError),
    #[error("failed to build a table: {0}")]
    Sink(String),
    #[error("failed to read what the target recorded of `{job}`")]
    Malformed { job: JobId },
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{schema}.{table} is there already and was not made by `{job}`")]
    Taken { job: JobId, schema: String, table: String },
    #[error("other objects depend on {what}, which must be dropped")]
    Depended { what: String, source: PgError },
    #[error("others hold what the switch must lock for a moment: {holders}")]
    Held { holders: Holders, source: Box<PostgisError> },
    /// What came in had failed already.
    #[error("{0}")]
    Source(Box<Failure>),
    #[error("the run was asked to stop")]
    Cancelled,
}

impl PostgisError {
    /// Whether another session holds what is needed, for now.
    pub(super) fn is_lock(&self) -> bool {
        let locks = ["55P03", "40P01", "40001"];
        matches!(self, Self::Server(error)
            if error.sqlstate().is_some_and(|state| locks.contains(&state.as_str())))
    }
}

impl From<PostgisError> for Failure {
    fn from(error: PostgisError) -> Self {
        let text = error.to_string();
        let permanent = |text| Self::permanent(Code::StepFailed, text);
        match error {
            PostgisError::Server(error) => error.into(),
            PostgisError::Refused(refusal) => refusal.into(),
            PostgisError::Source(failure) => *failure,
            PostgisError::Cancelled => Self::cancelled(),
            PostgisError::Split(source) => {
                Self::permanent(Code::Internal, text).because(&source)
            }
            PostgisError::Sink(_) => {
                Self::permanent(Code::PlanInvalid, text).hint("correct the job's sink")
            }
            PostgisError::Malformed { .. } => permanent(text)
                .hint("look at the tables of the schema coppice; a newer coppice may have written them"),
            PostgisError::Held { source, .. } => {
                let hint = "wait for them, or end them with pg_terminate_backend(pid); then resume";
                Self::transient(Code::Locked, text).because(&*source).hint(hint).plain()
            }
            PostgisError::Taken { .. } => permanent(text)
                .hint("rename what stands there, or give the sink another name"),
            PostgisError::Depended { source, .. } => permanent(text).because(&source).hint(
                "the new columns do not fit the old view: drop the dependants, switch, make them again",
            ),
        }
    }
}
