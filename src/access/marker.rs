use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::{Code, Failure};

/// Says of a target which environment it belongs to and which place it is. A copy of a target
/// elsewhere carries the identity of the original, and is refused for that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marker {
    /// The version of this document.
    pub(crate) version: u32,
    /// The environment.
    pub(crate) environment: String,
    /// The target itself: of a store its URL, of a database its system identifier and name.
    pub(crate) identity: String,
    /// When it was put there.
    pub(crate) created_at: DateTime<Utc>,
}

impl Marker {
    /// The version that this program writes.
    pub(crate) const VERSION: u32 = 1;

    /// A marker for a target of an environment.
    pub(crate) fn new(environment: &str, identity: &str, now: DateTime<Utc>) -> Self {
        Self {
            version: Self::VERSION,
            environment: environment.to_owned(),
            identity: identity.to_owned(),
            created_at: now,
        }
    }
}

/// Decides whether a target may be written for `environment`; `init` is the exact command that
/// would mark it. Fails as fenced.
pub(crate) fn judge(
    marker: Option<&Marker>,
    environment: &str,
    identity: &str,
    init: &str,
) -> Result<(), Failure> {
    let why = match marker {
        None => format!("{identity} carries no environment marker"),
        Some(marker) if marker.version != Marker::VERSION => format!(
            "{identity} carries an environment marker of version {}, which this program does not \
             know",
            marker.version
        ),
        Some(marker) if marker.environment != environment => format!(
            "{identity} belongs to the environment `{}`, not to `{environment}`",
            marker.environment
        ),
        Some(marker) if marker.identity != identity => format!(
            "{identity} carries the marker of another place, {}: it looks like a copy",
            marker.identity
        ),
        Some(_) => return Ok(()),
    };
    let failure = Failure::fenced(Code::Fenced, why);
    Err(match marker {
        None => failure.hint(format!("if it is the right target, run: {init}")),
        Some(_) => failure.hint(format!(
            "check the plan's URLs; only if the target is to change hands, remove its marker by \
             hand and run: {init}"
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FailureKind;

    #[test]
    fn only_its_own_environment_and_place_may_write() {
        let marker = Marker::new("dev", "file:///a", Utc::now());
        assert_eq!(judge(Some(&marker), "dev", "file:///a", "i"), Ok(()));
        let newer = Marker { version: 2, ..marker.clone() };
        for (marker, environment, identity) in [
            (None, "dev", "file:///a"),
            (Some(&marker), "prod", "file:///a"),
            (Some(&marker), "dev", "file:///b"),
            (Some(&newer), "dev", "file:///a"),
        ] {
            let init = "coppice init plans/p.yaml --env dev";
            let failure = judge(marker, environment, identity, init).unwrap_err();
            assert_eq!((failure.kind, failure.code), (FailureKind::Fenced, Code::Fenced));
            assert!(failure.hint.unwrap().contains(init));
        }
    }
}
