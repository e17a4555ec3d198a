use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::layout::dataset_of;
use super::manifest::ShardRef;
use crate::model::Zone;

/// Which objects are meant; empty is all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Filter {
    /// Only these zones.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) zones: BTreeSet<Zone>,
    /// Only these datasets.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) datasets: BTreeSet<String>,
    /// Only keys that begin so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prefix: Option<String>,
}

impl Filter {
    /// Whether an object is meant.
    pub(crate) fn holds(&self, key: &str) -> bool {
        (self.zones.is_empty() || self.zones.contains(&Zone::of_key(key)))
            && (self.datasets.is_empty()
                || dataset_of(key).is_some_and(|dataset| self.datasets.contains(dataset)))
            && self.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix))
    }

    /// Whether a shard can hold an object that is meant.
    pub(crate) fn may_hold(&self, shard: &ShardRef) -> bool {
        (self.zones.is_empty() || self.zones.contains(&shard.zone))
            && self.prefix.as_ref().is_none_or(|prefix| {
                shard.prefix.starts_with(prefix) || prefix.starts_with(&shard.prefix)
            })
            // A prefix that ends above a version says nothing of the dataset, and some zones are
            // cut by no dataset at all.
            && (self.datasets.is_empty()
                || (!matches!(shard.zone, Zone::Audit | Zone::Other)
                    && dataset_of(&shard.prefix)
                        .is_none_or(|dataset| self.datasets.contains(dataset))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn a_shard_is_left_out_only_if_none_of_its_keys_is_meant() {
        let shard = |prefix: &str| ShardRef {
            zone: Zone::of_key(prefix),
            prefix: prefix.to_owned(),
            digest: Digest::blake3(b""),
            objects: 1,
            bytes: 1,
        };
        let filter = Filter { datasets: ["d".to_owned()].into(), ..Filter::default() };
        assert!(filter.holds("raw/d/a/x") && !filter.holds("raw/e/a/x") && !filter.holds("raw/d"));
        assert!(filter.may_hold(&shard("raw/d/a/")) && !filter.may_hold(&shard("raw/e/a/")));
        assert!(filter.may_hold(&shard("releases/")));
        assert!(!filter.may_hold(&shard("audit/ledger/heads/")) && !filter.may_hold(&shard("")));
        let filter = Filter { prefix: Some("raw/d/a/sub".into()), ..Filter::default() };
        assert!(filter.may_hold(&shard("raw/d/a/")) && filter.may_hold(&shard("raw/")));
        assert!(!filter.may_hold(&shard("raw/e/a/")));
    }
}
