use super::readers::Holders;
use crate::model::{Code, Failure, JobId, RunId};
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
    Malformed { job: String },
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the database is no longer held by run {run}: {by} has taken it since")]
    Overtaken { run: RunId, by: String },
    #[error("{schema}.{table} is there already and was not made by `{job}`")]
    Taken { job: JobId, schema: String, table: String },
    #[error("other objects depend on {what}, which must be dropped")]
    Depended { what: String, source: PgError },
    #[error("others built upon {what}, which must be dropped and made again: {dependents}")]
    Dependents { what: String, dependents: String },
    #[error(
        "others built upon {what}, the table of the generation that would be live no more: \
         {dependents}"
    )]
    LeftBehind { what: String, live: String, dependents: String },
    #[error("`{job}` declares a foreign key to `{other}`, of which nothing would be live")]
    RefersToNothing { job: JobId, other: JobId },
    #[error("a row of `{job}` has no row of `{other}` to refer to by its foreign key ({columns})")]
    RefersInVain { job: JobId, columns: String, other: JobId },
    #[error("failed to make the view {view} that `{job}` declares")]
    View { job: JobId, view: String, source: PgError },
    #[error("there is no role {role} to grant a live table to")]
    NoRole { role: String },
    #[error("our role may not let others into a schema: {grant}")]
    NoUsage { grant: String },
    #[error("others hold what must be locked for a moment: {holders}")]
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
        match self {
            Self::Server(error) | Self::View { source: error, .. } => {
                error.sqlstate().is_some_and(|state| locks.contains(&state.as_str()))
            }
            _ => false,
        }
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
                let hint = "nothing was changed: wait for them, or end them with \
                            pg_terminate_backend(pid); then resume";
                Self::transient(Code::Locked, text).because(&*source).hint(hint).plain()
            }
            PostgisError::Overtaken { .. } => Self::fenced(Code::Locked, text)
                .hint("nothing more was written; let that run finish, then `coppice resume`")
                .plain(),
            PostgisError::Taken { .. } => permanent(text)
                .hint("rename what stands there, or give the sink another name"),
            PostgisError::Dependents { .. } => permanent(text).plain().hint(
                "nothing was changed: the new columns do not fit, or a view is declared otherwise; \
                 drop these, switch, make them again",
            ),
            PostgisError::LeftBehind { live, .. } => permanent(text).plain().hint(format!(
                "nothing was changed: build them upon {live}, which every switch keeps, or drop \
                 them; declare a foreign key between live tables in the job (`foreign_keys`)"
            )),
            PostgisError::RefersToNothing { other, .. } => permanent(text)
                .plain()
                .hint(format!("nothing was changed: put {other} live too, or first")),
            PostgisError::RefersInVain { .. } => permanent(text).plain().hint(
                "nothing was changed: let the query leave such rows out, or take the foreign key \
                 out of the job",
            ),
            PostgisError::View { source, .. } => permanent(text)
                .because(&source)
                .hint("nothing was changed: correct `views` of the job's sink"),
            PostgisError::NoRole { role } => permanent(text)
                .plain()
                .hint(format!("as an administrator: CREATE ROLE \"{role}\" NOLOGIN; then resume")),
            PostgisError::NoUsage { grant } => permanent(text)
                .plain()
                .hint(format!("as the owner of the schema: {grant}; then resume")),
            PostgisError::Depended { source, .. } => permanent(text).because(&source).hint(
                "the new columns do not fit the old view: drop the dependants, switch, make them again",
            ),
        }
    }
}
