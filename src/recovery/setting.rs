//! All that a process needs to open a run's targets again: kept in the journal, without secrets.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::promote::Promote;
use crate::access::Public;
use crate::canonical::{Existing, Filter};
use crate::model::{DatasetVersionId, JobId, RunMode};
use crate::plan::{Environment, Limits, ListFacts};

/// The setting of a run. Secrets are references still.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setting {
    /// What the run is for.
    pub(crate) mode: RunMode,
    /// The environment's name.
    pub(crate) name: String,
    /// The environment.
    pub(crate) environment: Environment,
    /// The plan's name; empty in runs of older versions.
    #[serde(default)]
    pub(crate) plan_name: String,
    /// The plan's file; relative paths in the environment are relative to its folder.
    pub(crate) plan: PathBuf,
    /// Limits.
    pub(crate) limits: Limits,
    /// Whether scratch is left as it is.
    pub(crate) keep: bool,
    /// What to do with other objects in places that may change.
    pub(crate) existing: Option<Existing>,
    /// Which part is restored.
    pub(crate) filter: Filter,
    /// When the incident happened.
    pub(crate) incident_at: Option<DateTime<Utc>>,
    /// The dataset versions that are in play, and whether each is public: outputs print names
    /// below a version only of those.
    pub(crate) versions: Vec<(String, DatasetVersionId, bool)>,
    /// The jobs that read nothing but public data.
    pub(crate) public_jobs: Vec<JobId>,
    /// The list of withdrawals that the run was planned with.
    #[serde(default)]
    pub(crate) withdrawals: Option<ListFacts>,
    /// The rehearsal that it takes over from.
    #[serde(default)]
    pub(crate) promote: Option<Promote>,
}

impl Setting {
    /// What outputs may print.
    pub(crate) fn public(&self) -> Public {
        let versions = self.versions.iter();
        Public::of(versions.map(|(dataset, version, public)| (dataset.as_str(), version, *public)))
            .with_jobs(self.public_jobs.iter().cloned())
    }
}

/// A setting as the journal keeps it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The setting.
    #[serde(flatten)]
    pub(crate) setting: Setting,
    /// The secret under which the run hides names. What it verified is found by hidden names, also
    /// where it goes on: without it, that would be on the machine that it began on alone.
    #[serde(default)]
    pub(crate) secret: Option<String>,
}
