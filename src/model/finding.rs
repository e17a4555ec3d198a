use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DatasetVersionId, Zone};

/// Whether a finding shuts the gate of what it concerns.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Shown, shuts nothing.
    Warns,
    /// Shuts the gate.
    Blocks,
}

/// What is wrong. The names are part of the JSON contract.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// Named by the manifest or a document, and not there.
    Missing,
    /// There, and not in the manifest.
    Extra,
    /// Same size, other digest.
    Altered,
    /// Shorter than it should be.
    Truncated,
    /// Longer than it should be.
    Grown,
    /// Cannot be read or named.
    Unreadable,
    /// Erased on purpose.
    Withdrawn,
    /// A STAC `file:checksum` that is no multihash.
    ChecksumNotMultihash,
    /// A document's checksum is not that of the bytes.
    ChecksumMismatch,
    /// A checksum of a function that is not checked.
    ChecksumUnsupported,
    /// Two documents say two things of the same.
    DocumentsDisagree,
    /// A link that leads nowhere.
    DanglingLink,
    /// A document that breaks its schema or does not parse.
    SchemaInvalid,
    /// A STAC extension that is not embedded.
    UnknownExtension,
    /// A distribution without a licence.
    LicenseMissing,
    /// A dataset version without a policy label.
    PolicyLabelMissing,
    /// A policy label that nobody knows.
    PolicyLabelUnknown,
    /// Two documents give two labels.
    PolicyLabelConflict,
    /// Data may not go where a job would take them.
    PolicyDenied,
    /// `spec_hash` or the id made of it does not recompute.
    SpecHashMismatch,
    /// Something derives from itself.
    ProvenanceCycle,
    /// A link of the provenance is missing, or contradicts another.
    ProvenanceIncomplete,
    /// Rows do not add up to the catalog's count.
    CountMismatch,
    /// Rows lie outside the catalog's extent.
    ExtentMismatch,
    /// Columns are not those that the catalog declares.
    ColumnsMismatch,
    /// Coordinates are in another reference system than the catalog says.
    CrsMismatch,
    /// Rows that could not be read as declared.
    RowsRefused,
    /// Rows whose geometry was repaired.
    RowsRepaired,
    /// `prev_hash` is not the hash of the record before.
    LedgerBrokenChain,
    /// A record's `event_hash` does not recompute.
    LedgerAltered,
    /// Records at the end are gone.
    LedgerCut,
    /// Two records follow the same one, or the chain left the snapshot's.
    LedgerForked,
    /// The head document disagrees with the chain.
    LedgerHeadMismatch,
    /// A checkpoint is torn, or disagrees with its manifest or with the chain.
    LedgerCheckpointMismatch,
    /// A checkpoint knows a day of which no record is there.
    LedgerDayMissing,
    /// A record's file is named by another record's hash.
    LedgerMisnamed,
    /// A record stands in the folder of another day.
    LedgerMisplaced,
    /// A record stands under two keys.
    LedgerDuplicate,
    /// The head has no signature, and the plan requires one.
    LedgerSignatureMissing,
    /// The head has a signature that was not checked, and the plan requires that it is.
    LedgerSignatureUnchecked,
    /// A prefix that belongs to no zone.
    UnknownZone,
}

impl FindingKind {
    /// The name in JSON, such as `checksum-mismatch`.
    pub fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

/// What is expected of a document of which nothing can be verified.
pub(crate) const PARSES: &str = "a document that parses";

/// One defect: what, where, what was expected, what it blocks and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// Whether it shuts a gate.
    pub severity: Severity,
    /// The zone of the key.
    pub zone: Option<Zone>,
    /// The object.
    pub key: Option<String>,
    /// The dataset version that the object belongs to.
    pub dataset_version_id: Option<DatasetVersionId>,
    /// What should have been there.
    pub expected: Option<String>,
    /// What was there.
    pub actual: Option<String>,
    /// The dataset versions or jobs that it holds back.
    pub blocks: Vec<String>,
    /// What to do next.
    pub hint: String,
    /// It would block, and the operator lets it pass by this name (`--accept`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

impl Finding {
    /// Starts a finding that blocks; the other fields are empty.
    pub fn blocking(kind: FindingKind, hint: impl Into<String>) -> Self {
        Self {
            kind,
            severity: Severity::Blocks,
            zone: None,
            key: None,
            dataset_version_id: None,
            expected: None,
            actual: None,
            blocks: Vec::new(),
            hint: hint.into(),
            accepted: None,
        }
    }

    /// Starts a finding that only warns.
    pub fn warning(kind: FindingKind, hint: impl Into<String>) -> Self {
        Self { severity: Severity::Warns, ..Self::blocking(kind, hint) }
    }

    /// Whether it is of a version, or says that it holds it back.
    pub(crate) fn concerns(&self, version: &DatasetVersionId) -> bool {
        self.dataset_version_id.as_ref() == Some(version)
            || self.blocks.iter().any(|blocked| blocked == version.as_str())
    }

    /// Names the object, and its zone with it.
    #[must_use]
    pub fn at(mut self, key: impl Into<String>) -> Self {
        let key = key.into();
        self.zone = Some(Zone::of_key(&key));
        self.key = Some(key);
        self
    }

    /// Names the dataset version, and says that it is held back if the finding blocks.
    #[must_use]
    pub fn of_version(mut self, version: Option<&DatasetVersionId>) -> Self {
        self.dataset_version_id = version.cloned();
        if self.severity == Severity::Blocks {
            self.blocks = version.iter().map(ToString::to_string).collect();
        }
        self
    }

    /// Says what should have been there and what was.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "literals and borrows read best")]
    pub fn differs(mut self, expected: impl ToString, actual: impl ToString) -> Self {
        self.expected = Some(expected.to_string());
        self.actual = Some(actual.to_string());
        self
    }

    /// Whether it is about a document of which nothing can be verified.
    pub(crate) fn says_nothing(&self) -> bool {
        self.expected.as_deref() == Some(PARSES)
    }

    /// Lets it pass: it is shown, and shuts nothing.
    pub(crate) fn accept(&mut self, name: String) {
        self.severity = Severity::Warns;
        self.blocks.clear();
        self.accepted = Some(name);
    }

    /// Whether it shuts a gate.
    pub fn blocks(&self) -> bool {
        self.severity == Severity::Blocks
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_finding_concerns_its_version_and_what_it_blocks() {
        let version: DatasetVersionId = "2026-02.abcd1234".parse().unwrap();
        let other: DatasetVersionId = "2026-03.abcd1234".parse().unwrap();
        let of = Finding::blocking(FindingKind::Altered, "h").of_version(Some(&version));
        assert!(of.concerns(&version));
        assert!(!of.concerns(&other));
        let mut blocked = Finding::blocking(FindingKind::Missing, "h");
        assert!(!blocked.concerns(&version));
        blocked.blocks = vec![version.to_string()];
        assert!(blocked.concerns(&version));
    }

    fn names(schema: &serde_json::Value, into: &mut BTreeSet<String>) {
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        into.extend(schema.get("const").and_then(text));
        for name in ["oneOf", "enum"] {
            for one in schema.get(name).and_then(|list| list.as_array()).into_iter().flatten() {
                into.extend(text(one));
                names(one, into);
            }
        }
    }

    /// Who meets a finding looks it up: each kind has its heading, and no heading is of none.
    #[test]
    fn every_kind_has_its_place_in_the_manual() {
        let mut kinds = BTreeSet::new();
        names(schemars::schema_for!(FindingKind).as_value(), &mut kinds);
        assert!(kinds.contains(&FindingKind::UnknownZone.name()) && kinds.len() > 30, "{kinds:?}");
        let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/verify.md");
        let manual = std::fs::read_to_string(manual).unwrap();
        let heading = |line: &str| Some(line.strip_prefix("## `")?.strip_suffix('`')?.to_owned());
        let headings: Vec<String> = manual.lines().filter_map(heading).collect();
        assert_eq!(headings.iter().cloned().collect::<BTreeSet<_>>(), kinds);
        assert_eq!(headings.len(), kinds.len(), "a kind has two headings");
    }
}
