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
/// The names of the term in DCAT and of the member of a STAC asset.
const TERMS: [&str; 2] = ["policy_label", "policyLabel"];
const ASSET_MEMBERS: [&str; 2] = ["kfm:policy_label", "policy_label"];

impl Documents {
    /// The policy label that the documents give: where they do not agree, one that nobody knows,
    /// else the strictest.
    pub(crate) fn label(&self) -> Option<String> {
        let strictness = |(_, label): &(String, String)| match label.parse::<PolicyLabel>() {
            Ok(label) => (false, Some(label)),
            Err(_) => (true, None),
        };
        self.labels().into_iter().max_by_key(strictness).map(|(_, label)| label)
    }

    /// Every document that gives a policy label, with what it gives: of the version, of one of its
    /// distributions or of an asset.
    fn labels(&self) -> Vec<(String, String)> {
        let mut labels = Vec::new();
        if let Some(rdf) = &self.dcat {
            let said = rdf.own_terms(&TERMS).into_iter();
            labels.extend(said.map(|(_, label)| (self.key_of(Role::Dcat), label)));
        }
        for role in [Role::Collection, Role::Item, Role::Receipt, Role::Release] {
            for document in self.of(role) {
                let said = PLACES.iter().filter_map(|place| document.json.pointer(place));
                let assets = document.json.get("assets").and_then(Value::as_object);
                let of_assets = assets.into_iter().flat_map(|assets| assets.values());
                let of_assets = of_assets
                    .flat_map(|asset| ASSET_MEMBERS.iter().filter_map(|member| asset.get(*member)));
                for label in said.chain(of_assets) {
                    // What is no text is no label, and is told as it stands.
                    let text = label.as_str().map_or_else(|| label.to_string(), str::to_owned);
                    labels.push((document.key.clone(), text));
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
        let mut unknown: Vec<_> =
            labels.iter().filter(|(_, label)| label.parse::<PolicyLabel>().is_err()).collect();
        unknown.dedup();
        if !unknown.is_empty() {
            let hint = "nobody knows this policy label: data under it go nowhere";
            let found = unknown.into_iter().map(|(key, label)| {
                let finding = Finding::blocking(FindingKind::PolicyLabelUnknown, hint);
                finding.at(key).differs("a known policy label", label)
            });
            return found.collect();
        }
        let mut others: Vec<_> = labels.iter().filter(|(_, other)| other != label).collect();
        others.dedup();
        let conflict = |(key, other): &(String, String)| {
            let hint =
                format!("{first} gives the version another policy label: find out which holds");
            let finding = Finding::blocking(FindingKind::PolicyLabelConflict, hint);
            finding.at(key).differs(label, other)
        };
        others.into_iter().map(conflict).collect()
    }
}
