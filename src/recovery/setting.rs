//! All that a process needs to open a run's targets again: kept in the journal, without secrets.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::{RunMode, Zone};
use crate::plan::{Environment, Limits};

/// What to do with another object found in a place that may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Existing {
    /// It stays.
    Keep,
    /// The snapshot's object replaces it.
    Replace,
}

/// Which part of the canonical stores a restore takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Filter {
    /// Only this zone.
    pub(crate) zone: Option<Zone>,
    /// Only this dataset.
    pub(crate) dataset: Option<String>,
    /// Only keys that start with this.
    pub(crate) prefix: Option<String>,
}

impl Filter {
    /// In words, for the receipt's scope; `None` is everything.
    pub(crate) fn scope(&self) -> Option<String> {
        let parts: Vec<_> = [
            self.zone.map(|zone| format!("zone {zone}")),
            self.dataset.as_ref().map(|dataset| format!("dataset {dataset}")),
            self.prefix.as_ref().map(|prefix| format!("prefix {prefix}")),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// Whether a key is in.
    pub(crate) fn takes(&self, key: &str) -> bool {
        let dataset = |wanted: &String| key.split('/').nth(1) == Some(wanted);
        self.zone.is_none_or(|zone| Zone::of_key(key) == zone)
            && self.dataset.as_ref().is_none_or(dataset)
            && self.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix))
    }
}

/// The setting of a run. Secrets are references still.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setting {
    /// What the run is for.
    pub(crate) mode: RunMode,
    /// The environment's name.
    pub(crate) name: String,
    /// The environment.
    pub(crate) environment: Environment,
    /// The plan's file; relative paths in the environment are relative to its folder.
    pub(crate) plan: PathBuf,
    /// Limits.
    pub(crate) limits: Limits,
    /// Whether scratch is left as it is.
    pub(crate) keep: bool,
    /// What to do with other objects in places that may change.
    pub(crate) existing: Option<Existing>,
    /// Which part is restored.
    pub(crate) filter: Filter,
    /// When the incident happened.
    pub(crate) incident_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_takes_what_every_part_of_it_takes() {
        let filter = Filter {
            zone: Some(Zone::Processed),
            dataset: Some("roads".into()),
            prefix: None,
        };
        assert!(filter.takes("processed/roads/v1/artifacts/a.parquet"));
        assert!(!filter.takes("catalog/roads/v1/dcat.jsonld"));
        assert!(!filter.takes("processed/rivers/v1/artifacts/a.parquet"));
        assert_eq!(filter.scope().unwrap(), "zone processed, dataset roads");
        assert_eq!(Filter::default().scope(), None);
    }
}
