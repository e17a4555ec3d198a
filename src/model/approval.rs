use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may approve a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovedBy {
    /// Somebody else than who started the run.
    #[default]
    Other,
    /// Anybody, who started it too.
    Any,
}
