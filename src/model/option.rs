//! A value that a document may give in plain text, or by reference where it is a secret.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A plain value, or a reference to a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum OptionValue {
    /// Where the secret is: `env:NAME` or `file:PATH`.
    Secret {
        /// `env:NAME` or `file:PATH`.
        #[schemars(regex(pattern = "^(env|file):.+$"), example = "env:AWS_SECRET_ACCESS_KEY")]
        secret: String,
    },
    /// A value that is no secret.
    Plain(String),
}
