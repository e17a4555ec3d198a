use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who asked for a run, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Actor {
    /// The name.
    pub principal: String,
    /// How it is known: `given`, or the operating system's user.
    pub source: String,
}
