use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DatasetVersionId, Finding, PolicyLabel};

/// What a proof covers, in words and fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Covers {
    /// One sentence for people.
    pub words: String,
    /// The fields whose content is covered.
    pub fields: Vec<String>,
    /// What was counted or looked up beside the digests, such as quads by relation.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u64>,
}

impl Covers {
    /// A proof by digests alone.
    pub fn of<T: Into<String>>(
        words: impl Into<String>,
        fields: impl IntoIterator<Item = T>,
    ) -> Self {
        let fields = fields.into_iter().map(Into::into).collect();
        Self { words: words.into(), fields, counts: BTreeMap::new() }
    }
}

/// Evidence that a generation holds exactly what the canonical data say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// How many rows were read back.
    pub rows: u64,
    /// The multiset digest of the rows on their way in: `<encoding>-v1:<hex>:<count>`.
    pub canonical_digest: String,
    /// The multiset digest of the rows read back out of the projection.
    pub projection_digest: String,
    /// Whether the two are equal.
    pub proven: bool,
    /// When it was made.
    pub proof_at: DateTime<Utc>,
    /// What it covers.
    pub covers: Covers,
    /// What the generation was made of; a rollback judges by it. Older proofs do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_of: Option<MadeOf>,
}

/// What a generation was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MadeOf {
    /// The dataset versions, through other jobs too, each under the label that counted.
    pub versions: BTreeMap<DatasetVersionId, Option<PolicyLabel>>,
    /// How many withdrawals were known then.
    pub withdrawals: u64,
}

/// What a gate says. What could not be evaluated is shut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The gate: `manifest`, `ledger` or `canonical-intact/<dataset version>`.
    pub id: String,
    /// Whether what waits behind it may go on.
    pub open: bool,
    /// Why, in one sentence.
    pub evidence: String,
    /// The findings that shut it, or that it let pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}
