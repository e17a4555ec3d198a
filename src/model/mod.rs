//! What crosses rooms? Ids, findings, failures, proofs, verdicts and the progress board, and how what is not public is kept out of
//! them.

mod actor;
mod dataset;
mod failure;
mod finding;
mod ids;
mod outputs;
mod policy;
mod progress;
mod proof;
mod redact;
mod sink;

pub use actor::Actor;
pub use dataset::{Artifact, DatasetVersion};
pub use failure::{Code, Failure, FailureKind};
pub use finding::{Finding, FindingKind, Severity};
pub use ids::{DatasetVersionId, JobId, ParseIdError, RunId, RunMode, StepId, Zone};
pub use outputs::{
    DecideOutput, DecidedChange, DropOutput, LiveGeneration, Outcome, Output, ProveOutput,
    ReadBackOutput, RebuildOutput, RestoreOutput, SwitchOutput, VerifyOutput,
};
pub use policy::{Audience, PolicyLabel, label_at, strictest};
pub use progress::{Board, Meter, Reading};
pub use proof::{Covers, Proof, Verdict};
pub use redact::{Redact, Touched};
pub use sink::{
    Column, ColumnType, GraphSink, Index, IndexMethod, Layer, SearchSink, Sink, TableSink,
    TilesSink,
};
