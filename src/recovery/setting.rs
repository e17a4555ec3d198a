//! All that a process needs to open a run's targets again: kept in the journal, without secrets.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::canonical::{Existing, Filter};
use crate::model::{DatasetVersionId, RunMode};
use crate::plan::{Environment, Limits};

/// The setting of a run. Secrets are references still.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setting {
    /// What the run is for.
    pub(crate) mode: RunMode,
    /// The environment's name.
    pub(crate) name: String,
    /// The environment.
    pub(crate) environment: Environment,
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
    /// The dataset versions whose names outputs may print.
    pub(crate) public: Vec<(String, DatasetVersionId)>,
}
