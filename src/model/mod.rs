//! What crosses rooms? Ids, findings, failures, proofs, verdicts, previews and the progress board,
//! and how what is not public is kept out of them.

mod actor;
mod approval;
mod command;
mod dataset;
mod evidence;
mod failure;
mod finding;
mod finding_name;
pub(crate) mod hint;
mod ids;
mod moment;
mod option;
mod outputs;
mod period;
mod policy;
mod preview;
mod process;
mod progress;
mod proof;
mod reading;
mod redact;
mod sink;
mod size;
mod store_limits;
pub(crate) mod store_option;
mod table;

pub use actor::Actor;
pub use approval::ApprovedBy;
pub use command::{CheckProgram, CommandRun, CommandSink, Given, MadeFile, beside};
pub use dataset::{Artifact, DatasetVersion};
pub use evidence::{EvidenceRef, ParseEvidenceError};
pub use failure::{Code, Failure, FailureKind};
pub(crate) use finding::PARSES;
pub use finding::{Finding, FindingKind, Severity};
pub(crate) use finding_name::{FindingName, accept};
pub use ids::{DatasetVersionId, JobId, ParseIdError, RunId, RunMode, StepId, Zone};
pub(crate) use moment::{clock, moment};
pub use option::OptionValue;
pub use outputs::{
    DecideOutput, DecidedChange, DropOutput, InputRows, LiveGeneration, Outcome, Output, Promotion,
    ProveOutput, ReadBackOutput, RebuildOutput, RestoreOutput, SwitchOutput, VerifyOutput,
};
pub use period::{ParsePeriodError, Period};
pub use policy::{Audience, PolicyLabel, label_at, strictest};
pub use preview::{Amount, Fate, Preview, Previews, Thing};
pub(crate) use process::ProcessIdentity;
pub use progress::{Board, Holdup, Meter, Reading};
pub use proof::{Covers, MadeOf, Proof, Verdict};
pub use reading::{Bound, GeometryColumns, OnBadRow, ReadAs, Repair};
pub use redact::{Redact, Touched};
pub use sink::{GraphSink, Layer, SearchSink, Sink, TilesSink};
pub(crate) use size::size;
pub use store_limits::StoreLimits;
pub use table::{Column, ColumnType, ForeignKey, Index, IndexMethod, Privilege, TableSink};
