use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Finding, FindingKind};

/// The kinds that an operator may let pass: what a document of the catalog says of itself and of
/// its links. Never whether bytes are what they should be, the ledger, a licence, or who may see
/// what.
const WAIVABLE: [FindingKind; 6] = [
    FindingKind::ChecksumNotMultihash,
    FindingKind::DanglingLink,
    FindingKind::ProvenanceCycle,
    FindingKind::ProvenanceIncomplete,
    FindingKind::SchemaInvalid,
    FindingKind::UnknownExtension,
];

/// Which finding is meant: `KIND@KEY`, or `KIND@KEY#EXPECTED` where the object has several of the
/// kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct FindingName {
    kind: FindingKind,
    /// The key, perhaps with `#` and what was expected.
    of: String,
}

/// Why a text names no finding that may be let pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindingNameError {
    /// Not of the form.
    #[error(
        "a finding is named KIND@KEY, such as dangling-link@catalog/places/2026-01.1/dcat.jsonld"
    )]
    Form,
    /// No such kind.
    #[error("no finding is of kind {given}; {}", may_be())]
    Unknown {
        /// What was given.
        given: String,
    },
    /// Of a kind that always blocks.
    #[error("{} is never let pass: put right what it names; {}", kind.name(), may_be())]
    Never {
        /// The kind.
        kind: FindingKind,
    },
}

fn may_be() -> String {
    format!("what may be let pass: {}", WAIVABLE.map(FindingKind::name).join(", "))
}

impl FromStr for FindingName {
    type Err = FindingNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (given, of) = text.split_once('@').ok_or(FindingNameError::Form)?;
        if of.is_empty() {
            return Err(FindingNameError::Form);
        }
        let kind: FindingKind = serde_json::from_value(given.into())
            .map_err(|_unknown| FindingNameError::Unknown { given: given.to_owned() })?;
        if !WAIVABLE.contains(&kind) {
            return Err(FindingNameError::Never { kind });
        }
        Ok(Self { kind, of: of.to_owned() })
    }
}

impl TryFrom<String> for FindingName {
    type Error = FindingNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<FindingName> for String {
    fn from(name: FindingName) -> Self {
        name.to_string()
    }
}

impl std::fmt::Display for FindingName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.kind.name(), self.of)
    }
}

impl FindingName {
    /// The name of a finding, the shortest one where it is `alone` with its kind and key; `None`
    /// where it may not be let pass.
    pub(crate) fn of(finding: &Finding, alone: bool) -> Option<Self> {
        let key = finding.key.as_ref().filter(|_| may_pass(finding))?;
        let of = match &finding.expected {
            Some(expected) if !alone => exact(key, expected),
            _ => key.clone(),
        };
        Some(Self { kind: finding.kind, of })
    }

    /// With another form of what it names, such as what stands for it where it is not public.
    #[must_use]
    pub(crate) fn shown(&self, show: impl Fn(&str) -> String) -> Self {
        Self { kind: self.kind, of: show(&self.of) }
    }

    /// Whether it means this finding; `show` gives names the form that this one has.
    fn means(&self, finding: &Finding, show: &dyn Fn(&str) -> String) -> bool {
        let Some(key) = finding.key.as_ref().filter(|_| finding.kind == self.kind) else {
            return false;
        };
        let exactly = || finding.expected.as_ref().map(|expected| show(&exact(key, expected)));
        may_pass(finding) && (show(key) == self.of || exactly().is_some_and(|it| it == self.of))
    }
}

/// Lets pass what the names mean. One that would mean several findings lets none pass: each was
/// looked at, or none.
pub(crate) fn accept(
    names: &[FindingName],
    findings: &mut [Finding],
    show: &dyn Fn(&str) -> String,
) {
    for name in names {
        let mut meant = findings.iter_mut().filter(|finding| name.means(finding, show));
        if let (Some(one), None) = (meant.next(), meant.next()) {
            one.accept(name.to_string());
        }
    }
}

/// Of a document that does not parse nothing can be said, so nothing can be let pass.
fn may_pass(finding: &Finding) -> bool {
    finding.blocks() && WAIVABLE.contains(&finding.kind) && !finding.says_nothing()
}

fn exact(key: &str, expected: &str) -> String {
    format!("{key}#{expected}")
}
