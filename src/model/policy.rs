use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may see a dataset version, from the freest to the strictest.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PolicyLabel {
    /// Anybody.
    Public,
    /// Anybody, in a generalized form.
    PublicGeneralized,
    /// The organisation.
    Internal,
    /// Nobody before its date.
    Embargoed,
    /// Named persons.
    Restricted,
    /// Named persons; the places themselves are sensitive.
    RestrictedSensitiveLocation,
    /// Nobody.
    Quarantine,
}

/// Who reads a projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Anybody.
    Public,
    /// Only through governed interfaces.
    Governed,
}

impl PolicyLabel {
    /// Whether data under this label may go to `audience`. An embargo counts as not yet over.
    pub fn may_reach(self, audience: Audience) -> bool {
        match self {
            Self::Public | Self::PublicGeneralized => true,
            Self::Internal
            | Self::Embargoed
            | Self::Restricted
            | Self::RestrictedSensitiveLocation => audience == Audience::Governed,
            Self::Quarantine => false,
        }
    }

    /// Whether outputs may print keys and values below the version.
    pub fn is_public(self) -> bool {
        matches!(self, Self::Public | Self::PublicGeneralized)
    }
}

impl FromStr for PolicyLabel {
    type Err = serde::de::value::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::deserialize(serde::de::value::StrDeserializer::new(text))
    }
}
