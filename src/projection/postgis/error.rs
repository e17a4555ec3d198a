use crate::digest::Digest;
use crate::model::{Code, Failure, JobId, RunId};
use crate::postgres::{PgError, SplitError};

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
    #[error("generation {} of `{job}` is not in the target", generation.short())]
    Absent { job: JobId, generation: Digest },
    #[error("generation {} of `{job}` has no proof", generation.short())]
    Unproven { job: JobId, generation: Digest },
    #[error("generation {} of `{job}` is kept: it is {what}", generation.short())]
    InUse { job: JobId, generation: Digest, what: &'static str },
    #[error("the live generation of `{job}` is {}, neither the former nor the new one", name(*live))]
    NotFormer { job: JobId, live: Option<Digest> },
    #[error("run {run} is held by a later process (epoch {theirs}, ours is {ours})")]
    Stale { run: RunId, ours: u64, theirs: u64 },
    #[error("{schema}.{table} is there already and was not made by `{job}`")]
    Taken { job: JobId, schema: String, table: String },
    #[error("other objects depend on {what}, which must be dropped")]
    Depended { what: String, source: PgError },
    /// What came in had failed already.
    #[error("{0}")]
    Source(Box<Failure>),
    #[error("the run was asked to stop")]
    Cancelled,
}

fn name(live: Option<Digest>) -> String {
    live.map_or_else(|| "absent".to_owned(), |digest| digest.short())
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
            PostgisError::Absent { .. } | PostgisError::Unproven { .. } => {
                permanent(text).hint("rebuild the job")
            }
            PostgisError::InUse { .. } => permanent(text)
                .hint("the live and one former generation are always kept; roll back first"),
            PostgisError::NotFormer { .. } => Self::fenced(Code::Fenced, text)
                .hint("another run switched this job; look at `coppice runs` and plan again"),
            PostgisError::Stale { .. } => Self::fenced(Code::Locked, text)
                .hint("this process lost its claim; let the other one finish"),
            PostgisError::Taken { .. } => permanent(text)
                .hint("rename what stands there, or give the sink another name"),
            PostgisError::Depended { source, .. } => permanent(text).because(&source).hint(
                "the new columns do not fit the old view: drop the dependants, switch, make them again",
            ),
        }
    }
}
