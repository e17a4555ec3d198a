use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::digest::Digest;

/// One execution of a compiled plan: a `UUIDv7`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

impl RunId {
    /// Makes the id of a run that starts now.
    pub fn now() -> Self {
        Self(Uuid::now_v7())
    }

    /// When it began, as its id tells.
    pub fn began(self) -> Option<chrono::DateTime<chrono::Utc>> {
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        chrono::DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
    }

    /// The reference under which the audit ledger knows the run: `kfm://run/<uuid>`.
    pub fn audit_ref(&self) -> String {
        format!("kfm://run/{self}")
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for RunId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = text.strip_prefix("kfm://run/").unwrap_or(text).parse();
        id.map(Self).map_err(|_bad: uuid::Error| ParseIdError {
            what: "id of a run",
            text: text.to_owned(),
            why: "a run is named by its whole id, as `coppice runs` lists it",
        })
    }
}

/// What a run is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum RunMode {
    /// The whole recovery into the environment's own targets.
    Restore,
    /// The whole recovery into scratch, then clean-up.
    Rehearse,
    /// Projections only, from canonical data in place.
    Rebuild,
    /// Former generations back to live.
    Rollback,
}

impl fmt::Display for RunMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Restore => "restore",
            Self::Rehearse => "rehearse",
            Self::Rebuild => "rebuild",
            Self::Rollback => "rollback",
        })
    }
}

/// Says why a text is no id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is no {what}: {why}")]
pub struct ParseIdError {
    what: &'static str,
    text: String,
    why: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> Option<&'static str> = $check;
                match check(text) {
                    None => Ok(Self(text.to_owned())),
                    Some(why) => Err(ParseIdError { what: $what, text: text.to_owned(), why }),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseIdError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text_id! {
    /// A node of the recovery graph, such as `restore/objects/processed`.
    StepId, "step id", segments
}
text_id! {
    /// A rebuild job by its projection kind and name, such as `postgis/places`.
    JobId, "job name", |text| match segments(text) {
        None if text.matches('/').count() == 1 => None,
        None => Some("expected <kind>/<name>"),
        why => why,
    }
}
text_id! {
    /// A version of a dataset, such as `2026-02.abcd1234`.
    DatasetVersionId, "dataset version id", |text| {
        (text.is_empty() || text.contains('/')).then_some("expected one non-empty path segment")
    }
}

impl StepId {
    /// Joins segments that are known to be good; characters outside `[a-z0-9._-]` become `_`.
    pub fn of(segments: &[&str]) -> Self {
        let clean = |s: &&str| {
            s.chars()
                .map(|c| if c.is_ascii_alphanumeric() || "._-/".contains(c) { c } else { '_' })
                .collect::<String>()
        };
        Self(segments.iter().map(clean).collect::<Vec<_>>().join("/"))
    }
}

impl DatasetVersionId {
    /// Makes the id of a version: `<slice>.<first 8 hex digits of the spec's SHA-256>`.
    pub fn of(slice: &str, spec_hash: Digest) -> Result<Self, ParseIdError> {
        format!("{slice}.{}", &spec_hash.hex()[..8]).parse()
    }

    /// The slice, such as `2026-02`, and the digits of the spec's hash; `None` where the id is not
    /// of that form.
    pub fn parts(&self) -> Option<(&str, &str)> {
        let (slice, digits) = self.0.rsplit_once('.')?;
        let is_hash = digits.len() == 8
            && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        (is_hash && !slice.is_empty()).then_some((slice, digits))
    }
}

impl JobId {
    /// The projection kind: what stands before the slash.
    pub fn kind(&self) -> &str {
        self.0.split_once('/').map_or("", |(kind, _)| kind)
    }

    /// The name within its kind: what stands after the slash.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

fn segments(text: &str) -> Option<&'static str> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let bad = text.split('/').any(|s| s.is_empty() || s.starts_with('.') || !s.chars().all(good));
    bad.then_some("expected segments of letters, digits, `.`, `_` and `-` joined by `/`")
}

/// The part of the canonical stores that a key belongs to.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Zone {
    /// As acquired; append-only.
    Raw,
    /// In progress; may change, never served.
    Work,
    /// Held back; never served or projected.
    Quarantine,
    /// Immutable artifacts per dataset version.
    Processed,
    /// DCAT, STAC, PROV, receipts, and `releases/`.
    Catalog,
    /// The ledger, its heads and checkpoints.
    Audit,
    /// Any other prefix: copied, and warned of.
    Other,
}

impl Zone {
    /// Every zone.
    pub const ALL: [Self; 7] = [
        Self::Raw,
        Self::Work,
        Self::Quarantine,
        Self::Processed,
        Self::Catalog,
        Self::Audit,
        Self::Other,
    ];

    /// The zone of a key, by its first segment.
    pub fn of_key(key: &str) -> Self {
        match key.split('/').next().unwrap_or_default() {
            "raw" => Self::Raw,
            "work" => Self::Work,
            "quarantine" => Self::Quarantine,
            "processed" => Self::Processed,
            "catalog" | "releases" => Self::Catalog,
            "audit" => Self::Audit,
            _ => Self::Other,
        }
    }

    /// Whether objects may never change once written (`releases/` apart, which may).
    pub fn is_immutable(self) -> bool {
        matches!(self, Self::Raw | Self::Processed | Self::Catalog)
    }

    /// The name as in keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Work => "work",
            Self::Quarantine => "quarantine",
            Self::Processed => "processed",
            Self::Catalog => "catalog",
            Self::Audit => "audit",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
