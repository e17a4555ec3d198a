use std::error::Error;

use datafusion::error::DataFusionError;

use crate::model::{Code, Failure, Finding, FindingKind};

/// Says why canonical data could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatasetError {
    /// The query makes no sense, or not for these tables.
    #[error("failed to plan the query: {}", first_line(.0))]
    Plan(#[source] DataFusionError),
    /// The query would give something else next time.
    #[error("the query calls `{function}`, which gives another result at every run")]
    Volatile { function: String },
    /// Anything but a SELECT.
    #[error("the query is no SELECT but {what}")]
    NotSelect { what: String },
    /// The query failed while it ran.
    #[error("failed to run the query")]
    Run(#[source] DataFusionError),
    /// The engine could not be set up.
    #[error("failed to set up the query engine")]
    Engine(#[source] DataFusionError),
    /// No artifact in a form that can be read.
    #[error("dataset `{dataset}` has no artifact in a form that can be queried")]
    NoForm { dataset: String },
    /// An artifact that nobody verified.
    #[error("`{key}` was not verified in this run")]
    Unpinned { key: String },
    /// An artifact is not what it claims to be.
    #[error("failed to read `{key}`: {why}")]
    Malformed { key: String, why: String },
    /// Parts of one table that are no table together.
    #[error("the column `{column}` is {} in `{}` and {} in `{}`, which are parts of one table",
        one.0, one.1, other.0, other.1)]
    Parts { column: String, one: (String, String), other: (String, String) },
    /// A reference system that nothing can be made of.
    #[error("failed to use {crs}: {why}")]
    CrsUnknown { crs: String, why: &'static str },
    /// An artifact that does not say what its coordinates are in.
    #[error("`{key}` does not say in which reference system its coordinates are")]
    CrsMissing { key: String },
    /// An artifact that says it in words without a code.
    #[error("`{key}` says that its coordinates are in {words}, which no code names")]
    CrsUnread { key: String, words: String },
    /// An artifact that says another reference system than the job.
    #[error("the coordinates of `{key}` are in {said}, not in {declared}")]
    CrsDiffers { key: String, said: String, declared: String },
    /// Tables that no query may compare.
    #[error("the tables of the query are in {systems}")]
    CrsMixed { systems: String },
    /// A geometry of which the query no longer says what it is in.
    #[error("the query does not say in which reference system `{column}` is after it moved some")]
    CrsLost { column: String },
    /// A declared type that no column of text can have.
    #[error("column `{column}` cannot be declared to be a geometry or bytes")]
    NoSuchType { column: String },
    /// A job expects something of a column that its query does not give.
    #[error("the query gives no column `{column}`, of which the job expects something")]
    Expects { column: String },
    /// An artifact changed between its verification and now.
    #[error("`{key}` changed after it was verified")]
    Changed { key: String },
    /// The table is not registered.
    #[error("there is no table `{table}`")]
    NoTable { table: String },
}

/// What the engine says, without what it adds of its own whereabouts.
fn first_line(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    text.lines().next().unwrap_or_default().to_owned()
}

impl From<DatasetError> for Failure {
    fn from(error: DatasetError) -> Self {
        let text = error.to_string();
        match &error {
            DatasetError::Plan(source) => Self::permanent(Code::PlanInvalid, text)
                .because(source)
                .hint("correct the job's query; the tables are its inputs")
                .class("failed to plan the query"),
            DatasetError::Volatile { .. } => Self::permanent(Code::PlanInvalid, text)
                .hint("take the value from the data, so that two rebuilds give the same rows")
                .plain(),
            DatasetError::NotSelect { .. } => Self::permanent(Code::PlanInvalid, text)
                .hint("a job's query is one SELECT; what it fills is said by its sink")
                .plain(),
            DatasetError::Run(source) => of_run(source, text),
            DatasetError::Engine(source) => Self::permanent(Code::Internal, text).because(source),
            DatasetError::NoForm { .. } => Self::permanent(Code::StepFailed, text)
                .hint("Parquet, FlatGeobuf, GeoJSON, JSON sequences and CSV are read; see the media types \
                 in DCAT"),
            DatasetError::Unpinned { .. } | DatasetError::NoTable { .. } => {
                Self::permanent(Code::Internal, text)
            }
            DatasetError::Malformed { .. } => Self::permanent(Code::StepFailed, text)
                .hint("its digest is right, so it was published like this: publish a new version"),
            DatasetError::Parts { .. } => Self::permanent(Code::StepFailed, text)
                .hint("publish parts that agree, or say the type in the job: `read: columns`"),
            DatasetError::CrsUnknown { .. } => Self::permanent(Code::StepFailed, text).hint(
                "systems on WGS 84 or NAD 83 are taken; where another is needed, publish a \
                 version in longitude and latitude",
            ),
            DatasetError::CrsMissing { .. } | DatasetError::CrsUnread { .. } => {
                Self::permanent(Code::StepFailed, text)
                    .hint("say it on the job's input: `read: { crs: EPSG:<code> }`")
            }
            DatasetError::CrsDiffers { .. } => Self::permanent(Code::StepFailed, text)
                .hint("correct `read: { crs: ... }` on the job's input, or publish a new version"),
            DatasetError::CrsMixed { .. } => Self::permanent(Code::PlanInvalid, text)
                .hint("give the job's inputs the same `read: { srid: ... }`"),
            DatasetError::CrsLost { .. } => Self::permanent(Code::PlanInvalid, text)
                .hint("put ST_SetSRID(geometry, srid) around the column"),
            DatasetError::NoSuchType { .. } => Self::permanent(Code::PlanInvalid, text)
                .hint("say where a geometry is with `read: { geometry: ... }`"),
            DatasetError::Expects { .. } => Self::permanent(Code::PlanInvalid, text)
                .hint("correct `expect` in the job, or give the column in its query"),
            DatasetError::Changed { key } => Self::permanent(Code::StepFailed, text)
                .hint("something writes to the canonical store; find out what, then run again")
                .with_findings(vec![
                    Finding::blocking(
                        FindingKind::Altered,
                        "an immutable object changed while it was read",
                    )
                    .at(key),
                ]),
        }
    }
}

/// The `Failure` that a reader below the query raised, if that is why it failed.
pub(super) fn failure_below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Failure> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return Some(failure);
        }
        next = error.source();
    }
    None
}

fn of_run(source: &DataFusionError, text: String) -> Failure {
    if let Some(failure) = failure_below(source) {
        return failure.clone();
    }
    let root = source.find_root();
    let failure = Failure::permanent(Code::StepFailed, text).because(source).class(class_of(root));
    match root {
        DataFusionError::ResourcesExhausted(_) => failure.hint(
            "raise limits.query_memory_mib, or join so that the small table stands left: a hash \
             join cannot spill",
        ),
        DataFusionError::ObjectStore(_) => Failure {
            kind: Failure::transient(Code::StoreUnreachable, "").kind,
            code: Code::StoreUnreachable,
            ..failure
        }
        .hint("check that the canonical store answers, then resume"),
        _ => failure.hint("correct the job's query, or the data that it reads"),
    }
}

/// The kind of the engine's error, in words that quote nothing.
fn class_of(error: &DataFusionError) -> &'static str {
    match error {
        DataFusionError::ArrowError(..) => "query: arrow",
        DataFusionError::ParquetError(_) => "query: parquet",
        DataFusionError::ObjectStore(_) => "query: object store",
        DataFusionError::IoError(_) => "query: input or output",
        DataFusionError::ResourcesExhausted(_) => "query: resources exhausted",
        DataFusionError::Execution(_) | DataFusionError::ExecutionJoin(_) => "query: execution",
        DataFusionError::Internal(_) => "query: internal",
        _ => "query",
    }
}
