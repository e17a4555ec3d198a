use std::str::FromStr;

use chrono::{DateTime, Utc};
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

impl Audience {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Public, Self::Governed];

    /// The name as in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Governed => "governed",
        }
    }
}

impl PolicyLabel {
    /// Every label, from the freest to the strictest.
    pub const ALL: [Self; 7] = [
        Self::Public,
        Self::PublicGeneralized,
        Self::Internal,
        Self::Embargoed,
        Self::Restricted,
        Self::RestrictedSensitiveLocation,
        Self::Quarantine,
    ];

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

    /// Whether it lets data go to an audience that `other` keeps them from.
    pub fn is_freer_than(self, other: Self) -> bool {
        Audience::ALL.into_iter().any(|to| self.may_reach(to) && !other.may_reach(to))
    }

    /// The name as in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::PublicGeneralized => "public_generalized",
            Self::Internal => "internal",
            Self::Embargoed => "embargoed",
            Self::Restricted => "restricted",
            Self::RestrictedSensitiveLocation => "restricted_sensitive_location",
            Self::Quarantine => "quarantine",
        }
    }
}

/// The label of what is made of all of these: the strictest. `None`, missing or unknown, is
/// stricter than any; of nothing, nothing is known.
pub fn strictest(labels: impl IntoIterator<Item = Option<PolicyLabel>>) -> Option<PolicyLabel> {
    let known: Option<Vec<PolicyLabel>> = labels.into_iter().collect();
    known?.into_iter().max()
}

/// The label that counts at a moment. An embargo that is over binds nobody; one whose end nobody
/// can tell is a label that nobody knows.
pub fn label_at(
    label: Option<PolicyLabel>,
    embargo_until: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
) -> Option<PolicyLabel> {
    match (label, embargo_until) {
        (Some(PolicyLabel::Embargoed), Some(until)) if until <= at => Some(PolicyLabel::Public),
        (Some(PolicyLabel::Embargoed), None) => None,
        (label, _) => label,
    }
}

impl FromStr for PolicyLabel {
    type Err = serde::de::value::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::deserialize(serde::de::value::StrDeserializer::new(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn label() -> impl Strategy<Value = Option<PolicyLabel>> {
        proptest::option::of(proptest::sample::select(PolicyLabel::ALL.to_vec()))
    }

    fn reaches(label: Option<PolicyLabel>, audience: Audience) -> bool {
        label.is_some_and(|label| label.may_reach(audience))
    }

    proptest! {
        #[test]
        fn a_join_never_loosens(labels in proptest::collection::vec(label(), 1..6)) {
            let joined = strictest(labels.clone());
            for audience in Audience::ALL {
                let all = labels.iter().all(|label| reaches(*label, audience));
                prop_assert_eq!(reaches(joined, audience), all);
            }
        }

        #[test]
        fn a_join_is_a_join(a in label(), b in label(), c in label()) {
            let join = |x, y| strictest([x, y]);
            prop_assert_eq!(join(a, b), join(b, a));
            prop_assert_eq!(join(a, join(b, c)), join(join(a, b), c));
            prop_assert_eq!(join(a, a), a);
            prop_assert_eq!(strictest([a, b, c]), join(a, join(b, c)));
        }

        #[test]
        fn time_only_ends_an_embargo_that_has_an_end(
            declared in label(),
            until in proptest::option::of(0_i64..100),
            at in 0_i64..100,
        ) {
            let time = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
            let counts = label_at(declared, until.map(time), time(at));
            match (declared, until) {
                (Some(PolicyLabel::Embargoed), Some(until)) => {
                    prop_assert_eq!(reaches(counts, Audience::Public), until <= at);
                    prop_assert!(reaches(counts, Audience::Governed));
                }
                (Some(PolicyLabel::Embargoed), None) => prop_assert_eq!(counts, None),
                _ => prop_assert_eq!(counts, declared),
            }
        }
    }

    #[test]
    fn nothing_known_reaches_nobody() {
        assert_eq!(strictest([]), None);
        assert_eq!(strictest([Some(PolicyLabel::Public), None]), None);
    }

    #[test]
    fn names_are_those_of_documents_and_the_order_is_from_free_to_strict() {
        assert!(PolicyLabel::ALL.is_sorted());
        for label in PolicyLabel::ALL {
            assert_eq!(label.name().parse::<PolicyLabel>().unwrap(), label);
        }
        assert!(PolicyLabel::Public.is_freer_than(PolicyLabel::Internal));
        assert!(!PolicyLabel::Public.is_freer_than(PolicyLabel::PublicGeneralized));
        assert!(PolicyLabel::Internal.is_freer_than(PolicyLabel::Quarantine));
        assert!("PUBLIC".parse::<PolicyLabel>().is_err());
    }
}
