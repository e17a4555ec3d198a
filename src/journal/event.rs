use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::model::{
    Actor, ApprovedBy, DatasetVersionId, Failure, FindingName, Holdup, JobId, Outcome, Output,
    RunId, RunMode, StepId,
};

use super::{Ask, AskKind, Holder};

/// Something that happened in a run. Events are numbered from 1 without gaps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// Its number in the run.
    pub(crate) seq: u64,
    /// When.
    pub(crate) at: DateTime<Utc>,
    /// The fencing token of the process that says so.
    pub(crate) epoch: u64,
    /// What.
    pub(crate) kind: EventKind,
}

/// What can happen in a run: noun and past participle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body")]
pub(crate) enum EventKind {
    /// A compiled plan began to be executed.
    RunStarted(Box<RunInfo>),
    /// A process went on with it; shards that were in flight are to be done again.
    RunResumed {
        /// Who.
        holder: Holder,
    },
    /// A step's conditions hold.
    StepStarted {
        /// The step.
        step: StepId,
    },
    /// A try of a shard began.
    ShardStarted {
        /// The step.
        step: StepId,
        /// The shard.
        shard: u32,
        /// Which try, from 1.
        attempt: u32,
    },
    /// A shard is done, and acknowledged by this event.
    ShardSucceeded {
        /// The step.
        step: StepId,
        /// The shard.
        shard: u32,
        /// What it gave.
        output: Output,
    },
    /// A try of a shard failed.
    ShardFailed {
        /// The step.
        step: StepId,
        /// The shard.
        shard: u32,
        /// Why.
        failure: Failure,
        /// When the next try is due; `None`: there is none.
        retry_in: Option<Duration>,
    },
    /// All shards of a step are done and joined.
    StepSucceeded {
        /// The step.
        step: StepId,
        /// What it gave.
        output: Output,
    },
    /// A step cannot succeed.
    StepFailed {
        /// The step.
        step: StepId,
        /// Why.
        failure: Failure,
    },
    /// A step will not start: something it waits for did not succeed.
    StepBlocked {
        /// The step.
        step: StepId,
        /// What it waits for.
        because: StepId,
    },
    /// A step of a halted run, or one that a retried step held back, is to be done again.
    StepReopened {
        /// The step.
        step: StepId,
    },
    /// A step was given up with its run.
    StepCancelled {
        /// The step.
        step: StepId,
    },
    /// Somebody wants a step tried again, or at once.
    StepRetried {
        /// The step.
        step: StepId,
        /// Who, and why.
        ask: Ask,
    },
    /// Somebody gave a step up for good.
    StepSkipped {
        /// The step.
        step: StepId,
        /// Who, and why.
        ask: Ask,
    },
    /// A step could start, and waits for approval.
    ApprovalAwaited {
        /// The step.
        step: StepId,
    },
    /// Somebody approved a step.
    StepApproved {
        /// The step.
        step: StepId,
        /// Who, and why.
        ask: Ask,
    },
    /// A step that goes on waits for sessions that hold what it needs; once for them, not once for
    /// each try.
    ReadersAwaited {
        /// The step.
        step: StepId,
        /// Who they are, and what ends the wait.
        readers: Holdup,
    },
    /// They are gone, and the step goes on.
    ReadersGone {
        /// The step.
        step: StepId,
    },
    /// Somebody wants that nothing more starts.
    RunPaused {
        /// Who, and why.
        ask: Ask,
    },
    /// Somebody wants a paused run to go on.
    RunContinued {
        /// Who, and why.
        ask: Ask,
    },
    /// Somebody asked the run to stop; it can be resumed.
    CancelRequested {},
    /// No step will start any more.
    RunFinished {
        /// How it ended.
        outcome: Outcome,
    },
    /// Written by a later version of Coppice: shown, and not resumed.
    #[serde(skip)]
    Unknown {
        /// The event's kind.
        kind: String,
        /// What it says.
        body: Value,
    },
}

/// All that a run is, beside its steps' progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunInfo {
    /// What was asked for, and by whom.
    pub(crate) request: RunRequest,
    /// What it is for.
    pub(crate) mode: RunMode,
    /// The environment.
    pub(crate) environment: String,
    /// The digest of the plan's files and facts.
    pub(crate) plan_digest: Digest,
    /// The journal blob with the compiled graph.
    pub(crate) graph: Digest,
    /// The snapshot, where the mode has one.
    pub(crate) snapshot: Option<Digest>,
    /// The targets that the run holds.
    pub(crate) targets: Vec<String>,
    /// The steps, in an order in which they could run.
    pub(crate) steps: Vec<StepSeed>,
}

/// What the compiled graph does not say of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunRequest {
    /// Who asked for it.
    pub(crate) actor: Actor,
    /// Why.
    pub(crate) reason: Option<String>,
    /// What a filter left in; `None` is everything.
    pub(crate) scope: Option<String>,
    /// What time the snapshot is of.
    pub(crate) as_of: Option<DateTime<Utc>>,
    /// The date at which embargoes were judged.
    #[serde(default)]
    pub(crate) policy_date: Option<DateTime<Utc>>,
    /// When the incident happened, where somebody said so.
    pub(crate) incident_at: Option<DateTime<Utc>>,
    /// Recovery time objective in seconds.
    pub(crate) rto_target_seconds: Option<u64>,
    /// Recovery point objective in seconds.
    pub(crate) rpo_target_seconds: Option<u64>,
    /// The git commit of the plan.
    pub(crate) git_commit: Option<String>,
    /// Versions of Coppice and of what it used.
    pub(crate) tools: BTreeMap<String, String>,
    /// The rehearsal that it takes over from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) promotes: Option<RunId>,
    /// What this mode does not do or prove.
    pub(crate) not_covered: Vec<String>,
    /// The findings that the operator lets pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) accept: Vec<FindingName>,
    /// The journal blob with what opens the run's targets again; holds no secret.
    pub(crate) setting: Digest,
}

/// What the journal needs to know of a step before it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepSeed {
    /// Its name.
    pub(crate) id: StepId,
    /// What it does, as the graph names it, such as `restore-objects`.
    pub(crate) kind: String,
    /// Into how many resumable pieces it is cut; at least 1.
    pub(crate) shards: u32,
    /// How long it may take, where that can be told.
    #[serde(default)]
    pub(crate) estimate_seconds: Option<u64>,
    /// Who has to approve it before it starts, if somebody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) approve: Option<ApprovedBy>,
    /// What it is about.
    #[serde(default)]
    pub(crate) about: About,
}

/// What a step is about, as far as receipts and logs name it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct About {
    /// The gate.
    pub(crate) gate: Option<String>,
    /// The job.
    pub(crate) job: Option<JobId>,
    /// The generation.
    pub(crate) generation: Option<Digest>,
    /// The dataset version.
    pub(crate) version: Option<DatasetVersionId>,
}

/// The kinds that this version of Coppice writes.
const KNOWN: [&str; 21] = [
    "RunStarted",
    "RunResumed",
    "StepStarted",
    "ShardStarted",
    "ShardSucceeded",
    "ShardFailed",
    "StepSucceeded",
    "StepFailed",
    "StepBlocked",
    "StepReopened",
    "StepCancelled",
    "StepRetried",
    "StepSkipped",
    "ApprovalAwaited",
    "StepApproved",
    "ReadersAwaited",
    "ReadersGone",
    "RunPaused",
    "RunContinued",
    "CancelRequested",
    "RunFinished",
];

impl EventKind {
    /// Splits it into the name of its kind and the rest.
    pub(crate) fn to_parts(&self) -> Result<(String, Value), serde_json::Error> {
        if let Self::Unknown { kind, body } = self {
            return Ok((kind.clone(), body.clone()));
        }
        let mut value = serde_json::to_value(self)?;
        let kind = value["kind"].as_str().unwrap_or_default().to_owned();
        Ok((kind, value["body"].take()))
    }

    /// Makes it of the two parts; a kind of a later version is kept as it is.
    pub(crate) fn of_parts(kind: String, body: Value) -> Result<Self, serde_json::Error> {
        if !KNOWN.contains(&kind.as_str()) {
            return Ok(Self::Unknown { kind, body });
        }
        serde_json::from_value(serde_json::json!({ "kind": kind, "body": body }))
    }

    /// The step that it is about, if it is about one.
    pub(crate) fn step(&self) -> Option<&StepId> {
        match self {
            Self::StepStarted { step }
            | Self::ShardStarted { step, .. }
            | Self::ShardSucceeded { step, .. }
            | Self::ShardFailed { step, .. }
            | Self::StepSucceeded { step, .. }
            | Self::StepFailed { step, .. }
            | Self::StepBlocked { step, .. }
            | Self::StepReopened { step }
            | Self::StepCancelled { step }
            | Self::StepRetried { step, .. }
            | Self::StepSkipped { step, .. }
            | Self::ApprovalAwaited { step }
            | Self::StepApproved { step, .. }
            | Self::ReadersAwaited { step, .. }
            | Self::ReadersGone { step } => Some(step),
            Self::RunStarted(_)
            | Self::RunResumed { .. }
            | Self::RunPaused { .. }
            | Self::RunContinued { .. }
            | Self::CancelRequested {}
            | Self::RunFinished { .. }
            | Self::Unknown { .. } => None,
        }
    }

    /// What somebody asked for, if that is what it came from.
    pub(crate) fn asked(&self) -> Option<(AskKind, &Ask)> {
        match self {
            Self::RunPaused { ask } => Some((AskKind::Pause, ask)),
            Self::RunContinued { ask } => Some((AskKind::Continue, ask)),
            Self::StepRetried { ask, .. } => Some((AskKind::Retry, ask)),
            Self::StepSkipped { ask, .. } => Some((AskKind::Skip, ask)),
            Self::StepApproved { ask, .. } => Some((AskKind::Approve, ask)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_a_later_version_is_kept_and_a_damaged_known_one_is_refused() {
        let body = serde_json::json!({ "x": 1 });
        let later = EventKind::of_parts("StepDelayed".into(), body.clone()).unwrap();
        assert_eq!(later.to_parts().unwrap(), ("StepDelayed".to_owned(), body.clone()));
        assert!(EventKind::of_parts("StepStarted".into(), body).is_err());
    }

    #[test]
    fn every_kind_reads_back_as_written() {
        let step: StepId = "a/b".parse().unwrap();
        let failure = Failure::permanent(crate::model::Code::StepFailed, "no");
        let retry_in = Some(Duration::from_millis(1500));
        let ask = crate::journal::samples::ask("kim");
        let output = Output { value: serde_json::json!([1]), findings: Vec::new() };
        let readers = Holdup { by: "pid 7".into(), unblock: "they end".into() };
        let kinds = [
            EventKind::RunStarted(Box::new(crate::journal::samples::info(&[("a/b", "gate", 1)]))),
            EventKind::RunResumed { holder: Holder::this_process("kim") },
            EventKind::StepStarted { step: step.clone() },
            EventKind::ShardStarted { step: step.clone(), shard: 0, attempt: 1 },
            EventKind::ShardSucceeded { step: step.clone(), shard: 0, output: output.clone() },
            EventKind::ShardFailed {
                step: step.clone(),
                shard: 0,
                failure: failure.clone(),
                retry_in,
            },
            EventKind::StepSucceeded { step: step.clone(), output },
            EventKind::StepFailed { step: step.clone(), failure },
            EventKind::StepBlocked { step: step.clone(), because: step.clone() },
            EventKind::StepReopened { step: step.clone() },
            EventKind::StepCancelled { step: step.clone() },
            EventKind::StepRetried { step: step.clone(), ask: ask.clone() },
            EventKind::StepSkipped { step: step.clone(), ask: ask.clone() },
            EventKind::ApprovalAwaited { step: step.clone() },
            EventKind::StepApproved { step: step.clone(), ask: ask.clone() },
            EventKind::ReadersAwaited { step: step.clone(), readers },
            EventKind::ReadersGone { step },
            EventKind::RunPaused { ask: ask.clone() },
            EventKind::RunContinued { ask },
            EventKind::CancelRequested {},
            EventKind::RunFinished { outcome: Outcome::Partial },
        ];
        assert_eq!(kinds.len(), KNOWN.len());
        for (kind, name) in kinds.iter().zip(KNOWN) {
            let (found, body) = kind.to_parts().unwrap();
            assert_eq!(found, name);
            assert_eq!(&EventKind::of_parts(found, body).unwrap(), kind);
        }
    }
}
