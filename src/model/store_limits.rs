//! How much one store is asked for at once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much a store is asked for at once, by all steps of a run together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreLimits {
    /// MiB of objects that are being written at once: gathered in memory or on their way. An object
    /// that is larger by itself goes alone.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub bytes_in_flight_mib: u32,
    /// Requests at once.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub requests_at_once: u32,
    /// Requests a second, tries anew included; else as many as come.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub requests_per_second: Option<u32>,
    /// MiB a second, read and written together; else as many as come.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub bandwidth_mib_per_second: Option<u32>,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            bytes_in_flight_mib: 256,
            requests_at_once: 64,
            requests_per_second: None,
            bandwidth_mib_per_second: None,
        }
    }
}
