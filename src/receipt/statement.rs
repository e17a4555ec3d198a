use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::model::{
    Actor, Code, CommandRun, Covers, Finding, InputRows, JobId, Outcome, Promotion, RunId, RunMode,
    StepId,
};

/// The type of an in-toto statement.
pub(super) const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// The type of what a receipt says.
pub(super) const PREDICATE: &str = "https://coppice.dev/receipt/v1";

/// The receipt of a run: an in-toto Statement v1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Receipt {
    /// Always `https://in-toto.io/Statement/v1`.
    #[serde(rename = "_type")]
    pub(crate) statement: String,
    /// The generations that are live.
    pub(crate) subject: Vec<Subject>,
    /// Always `https://coppice.dev/receipt/v1`.
    #[serde(rename = "predicateType")]
    pub(crate) predicate_type: String,
    /// What the run did.
    pub(crate) predicate: Predicate,
}

/// A live generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Subject {
    /// The job.
    pub(crate) name: String,
    /// The generation: algorithm and hex digits.
    pub(crate) digest: BTreeMap<String, String>,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Predicate {
    /// The run.
    pub(crate) run_id: RunId,
    /// The name under which the audit ledger knows it.
    pub(crate) audit_ref: String,
    /// What it was for.
    pub(crate) mode: RunMode,
    /// The environment.
    pub(crate) environment: String,
    /// What a filter left in; null is everything.
    pub(crate) scope: Option<String>,
    /// Who asked for it.
    pub(crate) actor: Actor,
    /// Why.
    pub(crate) reason: Option<String>,
    /// When it started.
    pub(crate) started_at: DateTime<Utc>,
    /// When the receipt was made.
    pub(crate) finished_at: DateTime<Utc>,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// The digest of the plan's files and of what they were resolved to.
    pub(crate) plan_digest: Digest,
    /// The git commit of the plan.
    pub(crate) git_commit: Option<String>,
    /// The snapshot that was recovered from.
    pub(crate) snapshot: Option<Digest>,
    /// What time it is of.
    pub(crate) as_of: Option<DateTime<Utc>>,
    /// The date at which embargoes were judged.
    #[serde(default)]
    pub(crate) policy_date: Option<DateTime<Utc>>,
    /// Versions of Coppice and of what it used.
    pub(crate) tools: BTreeMap<String, String>,
    /// What was restored, counted.
    pub(crate) restored: Moved,
    /// The gates.
    pub(crate) gates: Vec<GateLine>,
    /// The projections.
    pub(crate) projections: Vec<ProjectionLine>,
    /// The defects found, those that block first.
    pub(crate) findings: Vec<Finding>,
    /// The rehearsal that it took over from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) promotes: Option<RunId>,
    /// What this mode did not do or prove.
    pub(crate) not_covered: Vec<String>,
    /// The findings of the catalog that the operator let pass, for the run's reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) accepted: Vec<Accepted>,
    /// The steps, in the order of the plan.
    pub(crate) steps: Vec<StepLine>,
    /// What somebody asked for while it went on, and was done: pauses, retries, skips, approvals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) interventions: Vec<Intervention>,
    /// From the first switched live name to the last.
    pub(crate) cutover_window_ms: Option<u64>,
    /// What was promised and what was measured.
    pub(crate) objectives: Objectives,
    /// The drill record of a rehearsal.
    pub(crate) drill: Option<Drill>,
}

/// Something that somebody asked for while the run went on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Intervention {
    /// When it was done.
    pub(crate) at: DateTime<Utc>,
    /// `pause`, `continue`, `retry`, `skip` or `approve`.
    pub(crate) kind: String,
    /// To which step; null: to the run.
    pub(crate) step: Option<StepId>,
    /// Who asked for it.
    pub(crate) actor: Actor,
    /// Why.
    pub(crate) reason: String,
}

/// A finding that the operator let pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Accepted {
    /// Its name: `KIND@KEY`, or `KIND@KEY#EXPECTED`.
    pub(crate) finding: String,
    /// Whether exactly one finding was meant, and let pass.
    pub(crate) met: bool,
}

/// What was restored, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Moved {
    /// Objects that are at the target now, as the snapshot has them.
    pub(crate) objects: u64,
    /// The bytes that were written.
    pub(crate) bytes: u64,
    /// Objects that were written.
    pub(crate) restored: u64,
    /// Objects that were there already.
    pub(crate) kept: u64,
    /// Objects with other bytes that were put aside first.
    pub(crate) displaced: u64,
    /// Objects among those written that came out of the rehearsal that the run takes over from.
    #[serde(default)]
    pub(crate) promoted: u64,
}

/// What a gate said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct GateLine {
    /// The gate.
    pub(crate) id: String,
    /// Whether what waits behind it could go on.
    pub(crate) open: bool,
    /// Why.
    pub(crate) evidence: String,
}

/// What became of a projection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ProjectionLine {
    /// The job.
    pub(crate) job: JobId,
    /// The kind of projection.
    pub(crate) kind: String,
    /// The generation that the run was to make live.
    pub(crate) generation: Option<Digest>,
    /// What became of it.
    pub(crate) outcome: ProjectionOutcome,
    /// Whether it was read back under its live name.
    pub(crate) live: bool,
    /// Its rows.
    pub(crate) rows: Option<u64>,
    /// What was read of each dataset, where it was built in this run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) inputs: Vec<InputRows>,
    /// What its program was given and made, where it was run in this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ran: Option<CommandRun>,
    /// How it stands to the rehearsal that the run takes over from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) promotion: Option<Promotion>,
    /// The multiset digest of what the canonical data say.
    pub(crate) canonical_digest: Option<String>,
    /// The multiset digest of what was read back.
    pub(crate) projection_digest: Option<String>,
    /// Whether the two are equal.
    pub(crate) proven: bool,
    /// When that was found.
    pub(crate) proof_at: Option<DateTime<Utc>>,
    /// What the proof covers.
    pub(crate) covers: Option<Covers>,
}

impl Predicate {
    /// Whether it was asked that readers get no more of some projections, and of nothing else.
    pub(crate) fn is_take_down(&self) -> bool {
        let mut lines = self.projections.iter();
        !self.projections.is_empty() && lines.all(ProjectionLine::is_taken_down)
    }
}

impl ProjectionLine {
    /// Whether readers get what they should: the right generation, or, after a rollback to before it
    /// was first live and after a take-down, none.
    pub(crate) fn is_right(&self) -> bool {
        self.outcome.is_good() && (self.live || self.is_taken_down())
    }

    /// Whether a rollback took it down: it was not live before either, or that was asked for.
    pub(crate) fn is_taken_down(&self) -> bool {
        self.outcome == ProjectionOutcome::RolledBack && self.generation.is_none()
    }
}

/// What became of a projection, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProjectionOutcome {
    /// Built and proven.
    Rebuilt,
    /// Taken over from a rehearsal, and proven where it is now.
    Promoted,
    /// Complete already.
    Unchanged,
    /// The former generation was chosen again; or none, where there was none before or a take-down
    /// was asked for.
    RolledBack,
    /// Held back by a gate, or by something that it is derived from.
    Blocked,
    /// Its build or its proof failed.
    Failed,
    /// The run did not come to it.
    NotAttempted,
}

impl ProjectionOutcome {
    /// The name as in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rebuilt => "rebuilt",
            Self::Promoted => "promoted",
            Self::Unchanged => "unchanged",
            Self::RolledBack => "rolled-back",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::NotAttempted => "not-attempted",
        }
    }

    /// Whether the projection is what it should be.
    pub(crate) fn is_good(self) -> bool {
        matches!(self, Self::Rebuilt | Self::Promoted | Self::Unchanged | Self::RolledBack)
    }
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StepLine {
    /// The step.
    pub(crate) id: StepId,
    /// `succeeded`, `failed`, `blocked`, `skipped`, `cancelled`; `running` of the step that made the receipt.
    pub(crate) outcome: String,
    /// When it started.
    pub(crate) started_at: Option<DateTime<Utc>>,
    /// When its work began; before, it waited for a permit of its pool. Null in older receipts.
    #[serde(default)]
    pub(crate) worked_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub(crate) finished_at: Option<DateTime<Utc>>,
    /// The tries of the shard that took most.
    pub(crate) attempts: u32,
    /// The step that it waited for in vain.
    pub(crate) because: Option<StepId>,
    /// Why it failed.
    pub(crate) failure: Option<StepFailure>,
}

impl StepLine {
    /// From when to when it worked, without the wait for a permit of its pool.
    pub(crate) fn worked(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        Some((self.worked_at.or(self.started_at)?, self.finished_at?))
    }
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StepFailure {
    /// What scripts match on.
    pub(crate) code: Code,
    /// What failed, on what.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: Option<String>,
}

/// What was promised and what was measured. Null: not applicable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Objectives {
    /// Recovery time objective.
    pub(crate) rto_target_seconds: Option<u64>,
    /// From the first start to the last live read-back, stops included.
    pub(crate) rto_actual_seconds: Option<u64>,
    /// Recovery point objective.
    pub(crate) rpo_target_seconds: Option<u64>,
    /// From the time that the snapshot is of to the incident.
    pub(crate) rpo_actual_seconds: Option<u64>,
    /// When the incident happened.
    pub(crate) incident_at: DateTime<Utc>,
    /// Where that is from: `given` or `run-start`.
    pub(crate) incident_source: String,
    /// From the incident to the last live read-back.
    pub(crate) since_incident_seconds: Option<u64>,
    /// Whether every target was met.
    pub(crate) met: Option<bool>,
}

/// The record of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Drill {
    /// The drill.
    pub(crate) id: String,
    /// What was drilled.
    pub(crate) scope: String,
    /// What has to be put right.
    pub(crate) corrections: Vec<String>,
    /// Who signed it off; null until somebody does.
    pub(crate) sign_off: Option<String>,
}
