//! Commands that a plan has run around a recovery.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OptionValue, Period};
use crate::model::RunMode;

/// A program that is run before the first write (`freeze`) or after everything is live (`enable`).
///
/// It runs in a process group of its own, in the plan's folder, and sees `PATH`, `LANG`, `LC_ALL`,
/// `TZ` and what `env` says. It must bear being run twice: a run that was killed while it was at
/// work runs it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandSpec {
    /// Its name in steps, receipts and logs: letters, digits, `.`, `_` and `-`.
    pub(crate) name: String,
    /// The program: a path relative to the plan's folder where it holds a `/`, else looked for in
    /// `PATH`.
    pub(crate) program: String,
    /// Its arguments.
    #[serde(default)]
    pub(crate) args: Vec<String>,
    /// Its variables: a value, or a reference to a secret.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, OptionValue>,
    /// How long it may take; then it is killed with all that it started. By default `5m`.
    #[serde(default)]
    pub(crate) timeout: Option<Period>,
    /// In which runs: `restore`, `rebuild`, `rollback`. By default `restore` alone. A rehearsal
    /// runs none.
    #[serde(default = "restore")]
    pub(crate) modes: Vec<RunMode>,
}

fn restore() -> Vec<RunMode> {
    vec![RunMode::Restore]
}

impl CommandSpec {
    /// How long it may take.
    pub(crate) fn limit(&self) -> std::time::Duration {
        self.timeout.as_ref().map_or(std::time::Duration::from_mins(5), Period::length)
    }
}
