use std::collections::{BTreeMap, BTreeSet};

use crate::model::{DatasetVersionId, Finding, Zone};

/// Keeps what only some may see out of a receipt: a hash that is keyed per run stands for it.
#[derive(Debug, Default)]
pub(crate) struct Redactor {
    /// `None`: everything is shown.
    rule: Option<Rule>,
    hidden: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Rule {
    key: [u8; 32],
    versions: BTreeSet<DatasetVersionId>,
    datasets: BTreeSet<String>,
}

impl Redactor {
    /// Hides nothing: for those who may see everything.
    pub(crate) fn open() -> Self {
        Self::default()
    }

    /// Hides all but what belongs to the given public versions, and of zones without versions to
    /// the given public datasets. `key` is the run's secret.
    pub(crate) fn new(
        key: [u8; 32],
        versions: impl IntoIterator<Item = DatasetVersionId>,
        datasets: impl IntoIterator<Item = String>,
    ) -> Self {
        let rule = Rule {
            key,
            versions: versions.into_iter().collect(),
            datasets: datasets.into_iter().collect(),
        };
        Self { rule: Some(rule), hidden: BTreeMap::new() }
    }

    /// What was hidden, by what stands for it: for the file that only the owner may read.
    pub(crate) fn hidden(&self) -> &BTreeMap<String, String> {
        &self.hidden
    }

    /// Hides the key and the values of a finding.
    pub(super) fn finding(&mut self, mut finding: Finding) -> Finding {
        let Some(rule) = &self.rule else { return finding };
        if rule.shows(finding.dataset_version_id.as_ref(), finding.key.as_deref()) {
            return finding;
        }
        let key = finding.key.take();
        finding.key = key.map(|key| self.hide(&key));
        finding.expected = finding.expected.map(|value| self.hide(&value));
        finding.actual = finding.actual.map(|value| self.hide(&value));
        finding.hint = hint_without_values(&finding);
        finding
    }

    /// Hides a text that may quote keys or values of a version.
    pub(super) fn text(&mut self, version: Option<&DatasetVersionId>, text: String) -> String {
        match (&self.rule, version) {
            (Some(rule), Some(_)) if !rule.shows(version, None) => self.hide(&text),
            _ => text,
        }
    }

    fn hide(&mut self, text: &str) -> String {
        let key = self.rule.as_ref().map_or([0; 32], |rule| rule.key);
        let hash = blake3::keyed_hash(&key, text.as_bytes()).to_hex();
        let stand_in = format!("hidden:{}", &hash[..16]);
        self.hidden.insert(stand_in.clone(), text.to_owned());
        stand_in
    }
}

impl Rule {
    fn shows(&self, version: Option<&DatasetVersionId>, key: Option<&str>) -> bool {
        if let Some(version) = version {
            return self.versions.contains(version);
        }
        let Some(key) = key else { return true };
        match Zone::of_key(key) {
            Zone::Quarantine => false,
            Zone::Audit => true,
            _ => key.split('/').nth(1).is_some_and(|dataset| self.datasets.contains(dataset)),
        }
    }
}

fn hint_without_values(finding: &Finding) -> String {
    format!("{}; see the restricted receipt", finding.kind.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FindingKind;

    fn found(version: Option<&str>, key: &str) -> Finding {
        let version = version.map(|version| version.parse().unwrap());
        Finding::blocking(FindingKind::Altered, format!("look at {key}"))
            .at(key)
            .of_version(version.as_ref())
            .differs("Fort Secret", "Fort Open")
    }

    #[test]
    fn only_public_names_are_shown_and_the_owner_can_map_the_rest_back() {
        let public = "2026-02.aaaaaaaa".parse().unwrap();
        let mut redactor = Redactor::new([7; 32], [public], ["places".to_owned()]);
        let shown = [
            found(Some("2026-02.aaaaaaaa"), "processed/places/2026-02.aaaaaaaa/artifacts/a"),
            found(None, "raw/places/1/manifest.json"),
            found(None, "audit/ledger/records/x.json"),
        ];
        for finding in shown {
            assert_eq!(redactor.finding(finding.clone()), finding);
        }
        let secret = [
            found(Some("2026-02.bbbbbbbb"), "processed/nests/2026-02.bbbbbbbb/artifacts/eagle"),
            found(None, "raw/nests/eagle"),
            found(None, "quarantine/places/eagle"),
            found(None, "eagle"),
        ];
        for finding in secret {
            let hidden = redactor.finding(finding.clone());
            let text = serde_json::to_string(&hidden).unwrap();
            assert!(!text.contains("eagle") && !text.contains("Fort"), "{text}");
            assert_eq!(redactor.hidden().get(&hidden.key.unwrap()), finding.key.as_ref());
        }
        let version = "2026-02.bbbbbbbb".parse().unwrap();
        assert!(!redactor.text(Some(&version), "no eagle".into()).contains("eagle"));
    }

    #[test]
    fn another_run_has_other_stand_ins() {
        let hidden = |key| {
            let mut redactor = Redactor::new([key; 32], [], []);
            redactor.finding(found(None, "raw/nests/eagle")).key
        };
        assert_ne!(hidden(1), hidden(2));
        assert_eq!(hidden(1), hidden(1));
    }
}
