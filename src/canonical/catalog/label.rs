use serde_json::Value;

use super::documents::{Documents, Role};
use crate::model::{Finding, FindingKind, PolicyLabel};

/// Where JSON documents say it.
const PLACES: [&str; 5] = [
    "/kfm:policy_label",
    "/policy_label",
    "/properties/kfm:policy_label",
    "/properties/policy_label",
    "/policy/policy_label",
];

impl Documents {
    /// The policy label as the first document that has one gives it: DCAT, STAC, the receipt, the
    /// release.
    pub(crate) fn label(&self) -> Option<String> {
        self.labels().into_iter().next().map(|(_, label)| label)
    }

    /// Every document that gives a policy label, with what it gives.
    fn labels(&self) -> Vec<(String, String)> {
        let mut labels = Vec::new();
        if let (Some(rdf), Some(record)) = (&self.dcat, self.record()) {
            let label = rdf.own_term(&record, &["policy_label", "policyLabel"]);
            labels.extend(label.map(|label| (self.key_of(Role::Dcat), label)));
        }
        for role in [Role::Collection, Role::Item, Role::Receipt, Role::Release] {
            for document in self.of(role) {
                let said = PLACES.iter().find_map(|place| document.json.pointer(place));
                if let Some(label) = said.and_then(Value::as_str) {
                    labels.push((document.key.clone(), label.to_owned()));
                }
            }
        }
        labels
    }

    /// What is wrong with the policy label.
    pub(super) fn label_findings(&self) -> Vec<Finding> {
        let labels = self.labels();
        let Some((first, label)) = labels.first() else {
            let hint = "no document gives the version a policy label: without one it goes nowhere";
            let finding = Finding::blocking(FindingKind::PolicyLabelMissing, hint);
            return vec![finding.at(self.key_of(Role::Dcat))];
        };
        if label.parse::<PolicyLabel>().is_err() {
            let hint = "nobody knows this policy label: data under it go nowhere";
            let finding = Finding::blocking(FindingKind::PolicyLabelUnknown, hint);
            return vec![finding.at(first).differs("a known policy label", label)];
        }
        let other = labels.iter().find(|(_, other)| other != label);
        let conflict = other.map(|(key, other)| {
            let hint = "two documents give the version two policy labels: find out which holds";
            let finding = Finding::blocking(FindingKind::PolicyLabelConflict, hint);
            finding.at(key).differs(label, other)
        });
        conflict.into_iter().collect()
    }
}
