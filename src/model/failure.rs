use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Finding;

/// Whether another try can help, and what a failure means to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// May go away by itself; tried again with backoff.
    Transient {
        /// How long the other side asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// Stays until somebody changes something.
    Permanent,
    /// The run was asked to stop.
    Cancelled,
    /// The target belongs to another environment or run.
    Fenced,
}

/// The closed list of error codes that scripts may match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The command line makes no sense.
    Usage,
    /// A plan or rebuild job has errors.
    PlanInvalid,
    /// A gate is shut.
    GateShut,
    /// A step failed.
    StepFailed,
    /// Somebody stopped it before its end.
    Interrupted,
    /// The target belongs to another environment.
    Fenced,
    /// Another run holds the target.
    Locked,
    /// A store does not answer.
    StoreUnreachable,
    /// No such snapshot, or none that may be used.
    SnapshotMissing,
    /// The snapshot is held, or the last that a recovery could use: it may not be forgotten.
    SnapshotHeld,
    /// A credential is missing or refused.
    Credentials,
    /// A disk is full.
    NoSpace,
    /// The journal cannot record or be read.
    Journal,
    /// A bug in Coppice.
    Internal,
}

impl Code {
    /// All of them; a test holds that the docs explain each.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 14] = [
        Self::Usage,
        Self::PlanInvalid,
        Self::GateShut,
        Self::StepFailed,
        Self::Interrupted,
        Self::Fenced,
        Self::Locked,
        Self::StoreUnreachable,
        Self::SnapshotMissing,
        Self::SnapshotHeld,
        Self::Credentials,
        Self::NoSpace,
        Self::Journal,
        Self::Internal,
    ];

    /// The name in JSON, such as `plan-invalid`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::PlanInvalid => "plan-invalid",
            Self::GateShut => "gate-shut",
            Self::StepFailed => "step-failed",
            Self::Interrupted => "interrupted",
            Self::Fenced => "fenced",
            Self::Locked => "locked",
            Self::StoreUnreachable => "store-unreachable",
            Self::SnapshotMissing => "snapshot-missing",
            Self::SnapshotHeld => "snapshot-held",
            Self::Credentials => "credentials",
            Self::NoSpace => "no-space",
            Self::Journal => "journal",
            Self::Internal => "internal",
        }
    }
}

/// Why something did not work, as data: it goes into the journal. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whether another try can help.
    pub kind: FailureKind,
    /// What scripts match on.
    pub code: Code,
    /// What failed, on what.
    pub message: String,
    /// The chain of causes, outermost first.
    pub causes: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// The defects found, if that is why.
    pub findings: Vec<Finding>,
    /// What the other side calls this kind of error, such as `postgres 23502`; quotes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Whether its words are ours alone: they quote neither values nor another program.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain: bool,
}

impl Failure {
    /// A failure that stays until somebody changes something.
    pub fn permanent(code: Code, message: impl Into<String>) -> Self {
        Self {
            kind: FailureKind::Permanent,
            code,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            findings: Vec::new(),
            class: None,
            plain: false,
        }
    }

    /// A failure that may go away by itself.
    pub fn transient(code: Code, message: impl Into<String>) -> Self {
        let kind = FailureKind::Transient { retry_after: None };
        Self { kind, ..Self::permanent(code, message) }
    }

    /// The run was asked to stop.
    pub fn cancelled() -> Self {
        let kind = FailureKind::Cancelled;
        Self { kind, ..Self::permanent(Code::Interrupted, "it was stopped before its end") }.plain()
    }

    /// The target belongs to another environment or run.
    pub fn fenced(code: Code, message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Fenced, ..Self::permanent(code, message) }
    }

    /// Takes the message of `error` and the chain behind it as causes.
    #[must_use]
    pub fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            // Many libraries repeat the source in their own text.
            if !self.causes.iter().any(|cause| cause.contains(&text)) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the kind of error in words of the other side that quote nothing.
    #[must_use]
    pub fn class(mut self, class: impl Into<String>) -> Self {
        self.class = Some(class.into());
        self
    }

    /// Says that its words are ours alone: they quote neither values nor another program.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Adds the defects that are the reason.
    #[must_use]
    pub fn with_findings(mut self, findings: Vec<Finding>) -> Self {
        self.findings = findings;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}
