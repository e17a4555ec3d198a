use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::WithdrawalError;
use super::list::{self, Meaning};
use crate::canonical::layout::media_type;
use crate::digest::{Blake3Hasher, Digest};
use crate::model::{DatasetVersionId, Finding, FindingKind, PolicyLabel};
use crate::store::Store;

/// A list that is longer is none.
const LIMIT: u64 = 64 * 1024 * 1024;

const GONE: &str = "it was erased on purpose and is not restored; publish a version without it";
const STILL_HERE: &str =
    "it was erased, and is still here: its owner has to delete it, Coppice never deletes";

/// All that was withdrawn; empty where an environment has no list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Withdrawals {
    /// What was erased, each with the number of its entry.
    keys: BTreeMap<String, u64>,
    versions: BTreeMap<DatasetVersionId, u64>,
    labels: BTreeMap<DatasetVersionId, Vec<(usize, PolicyLabel)>>,
    entries: u64,
    digest: Option<Digest>,
    /// The digests of the list as it was after each of its lines.
    former: HashSet<Digest>,
}

impl Withdrawals {
    /// Reads the list. One that is not there or not whole cannot be trusted.
    pub(crate) async fn load(store: &Store, key: &str) -> Result<Self, WithdrawalError> {
        let url = format!("{}/{key}", store.url().trim_end_matches('/'));
        match store.read(key, LIMIT).await {
            Ok(Some((bytes, _))) => Self::parse(&bytes, &url),
            Ok(None) => Err(WithdrawalError::Absent { url }),
            Err(error) => Err(WithdrawalError::Unreadable(error)),
        }
    }

    fn parse(bytes: &[u8], url: &str) -> Result<Self, WithdrawalError> {
        let mut all = Self { digest: Some(Digest::blake3(bytes)), ..Self::default() };
        let mut hasher = Blake3Hasher::default();
        all.former.insert(hasher.finish());
        for (index, whole) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let line = whole.strip_suffix(b"\n").unwrap_or(whole);
            for part in [line, &whole[line.len()..]] {
                hasher.update(part);
                all.former.insert(hasher.finish());
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let line_number = index + 1;
            let meaning = list::read(line).map_err(|why| WithdrawalError::Line {
                url: url.to_owned(),
                line: line_number,
                why,
            })?;
            all.entries += 1;
            match meaning {
                Meaning::EraseKey(key) => drop(all.keys.entry(key).or_insert(all.entries)),
                Meaning::EraseVersion(version) => {
                    all.versions.entry(version).or_insert(all.entries);
                }
                Meaning::Relabel(version, label) => all.relabel(line_number, version, label)?,
            }
        }
        Ok(all)
    }

    fn relabel(
        &mut self,
        line: usize,
        version: DatasetVersionId,
        to: PolicyLabel,
    ) -> Result<(), WithdrawalError> {
        let labels = self.labels.entry(version.clone()).or_default();
        match labels.last() {
            Some((_, from)) if to < *from => {
                Err(WithdrawalError::Freer { line, version, from: Some(*from), to })
            }
            _ => {
                labels.push((line, to));
                Ok(())
            }
        }
    }

    /// How many entries there are.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// The BLAKE3 of the list's bytes; none without a list.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Whether the list begins with all that a former one said.
    pub(crate) fn goes_on_from(&self, former: &Digest) -> bool {
        self.former.contains(former)
    }

    /// The versions that were erased as a whole.
    pub(crate) fn erased_versions(&self) -> impl Iterator<Item = &DatasetVersionId> {
        self.versions.keys()
    }

    /// Whether something that a projection may be made of was erased of a version, as a whole or
    /// by an entry after the first `known` ones.
    pub(crate) fn erased_since(&self, version: &DatasetVersionId, known: u64) -> bool {
        let of_version = |(key, number): (&String, &u64)| {
            *number > known && is_readable(key) && version_in(key).as_ref() == Some(version)
        };
        self.erases_version(version) || self.keys.iter().any(of_version)
    }

    /// Whether a version was erased as a whole.
    pub(crate) fn erases_version(&self, version: &DatasetVersionId) -> bool {
        self.versions.contains_key(version)
    }

    /// Whether an object was erased, by itself or with its version.
    pub(crate) fn erases(&self, key: &str) -> bool {
        self.keys.contains_key(key)
            || (!self.versions.is_empty()
                && version_in(key).is_some_and(|version| self.versions.contains_key(&version)))
    }

    /// The erased keys below a prefix that the list names one by one.
    pub(crate) fn erased_below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let from = self.keys.range(prefix.to_owned()..).map(|(key, _)| key.as_str());
        from.take_while(move |key| key.starts_with(prefix))
    }

    /// The label of a version after all relabellings. `declared` is the catalog's, `counts` what
    /// it comes to on the policy date. A freer one is an error.
    pub(crate) fn tighten(
        &self,
        version: &DatasetVersionId,
        declared: Option<PolicyLabel>,
        counts: Option<PolicyLabel>,
    ) -> Result<Option<PolicyLabel>, WithdrawalError> {
        let Some(labels) = self.labels.get(version) else { return Ok(declared) };
        let over = declared == Some(PolicyLabel::Embargoed) && counts == Some(PolicyLabel::Public);
        let mut current = if over { counts } else { declared };
        for &(line, to) in labels {
            if current.is_none_or(|from| to < from) {
                let version = version.clone();
                return Err(WithdrawalError::Freer { line, version, from: current, to });
            }
            current = Some(to);
        }
        Ok(current)
    }

    /// The stricter of a label and of what a version was relabelled to.
    pub(crate) fn at_least(
        &self,
        version: &DatasetVersionId,
        label: Option<PolicyLabel>,
    ) -> Option<PolicyLabel> {
        let relabelled = self.labels.get(version).and_then(|labels| labels.last());
        relabelled.map_or(label, |(_, to)| label.map(|label| label.max(*to)))
    }

    /// Whether a version that has (or had) these keys is whole without what was erased of it: its
    /// documents are all there, and so is at least one form of its table, with all of its parts.
    pub(crate) fn leaves_whole<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> bool {
        let mut forms: BTreeMap<&str, bool> = BTreeMap::new();
        let (mut documents, mut any_artifact_erased) = (true, false);
        for key in keys {
            let erased = self.erases(key);
            if key.split('/').nth(3) == Some("artifacts") {
                any_artifact_erased |= erased;
                *forms.entry(media_type(key)).or_insert(true) &= !erased;
            } else if key.starts_with("catalog/") || key.ends_with("/checksums.json") {
                documents &= !erased;
            }
        }
        documents && (!any_artifact_erased || forms.values().any(|whole| *whole))
    }

    /// Whether a finding says no more than that something withdrawn is not there.
    pub(crate) fn explains(&self, finding: &Finding) -> bool {
        match finding.kind {
            FindingKind::Missing => finding.key.as_deref().is_some_and(|key| self.erases(key)),
            FindingKind::DanglingLink => {
                finding.actual.as_deref() == Some("nothing")
                    && finding.expected.as_deref().is_some_and(|key| self.erases(key))
            }
            _ => false,
        }
    }

    /// Says of all findings that come to it that something withdrawn is not there, of each thing
    /// once; it is as it should be, so that only warns.
    pub(crate) fn explained(&self, findings: Vec<Finding>) -> Vec<Finding> {
        let mut told = BTreeSet::new();
        let said = findings.into_iter().filter_map(|finding| {
            let finding = if self.explains(&finding) { as_gone(finding)? } else { finding };
            let is_new = finding.kind != FindingKind::Withdrawn || told.insert(finding.key.clone());
            is_new.then_some(finding)
        });
        said.collect()
    }
}

/// What a finding that withdrawals explain comes to.
fn as_gone(finding: Finding) -> Option<Finding> {
    let key = match finding.kind {
        FindingKind::DanglingLink => finding.expected,
        _ => finding.key,
    }?;
    Some(gone(&key, version_in(&key).as_ref(), true))
}

/// Whether jobs read what has this key: artifacts and catalogs.
fn is_readable(key: &str) -> bool {
    key.starts_with("catalog/") || key.split('/').nth(3) == Some("artifacts")
}

/// The version in the key of an artifact, a document or a release.
fn version_in(key: &str) -> Option<DatasetVersionId> {
    let mut segments = key.split('/');
    let zone = segments.next()?;
    let version = segments.nth(1)?;
    matches!(zone, "processed" | "catalog" | "releases").then(|| version.parse().ok())?
}

/// What is said of an erased object that is not there; `whole`: of a version that does without.
pub(crate) fn gone(key: &str, version: Option<&DatasetVersionId>, whole: bool) -> Finding {
    let start = if whole { Finding::warning } else { Finding::blocking };
    start(FindingKind::Withdrawn, GONE).at(key).of_version(version)
}

/// What is said of an erased object that is still there.
pub(crate) fn still_here(key: &str, version: Option<&DatasetVersionId>, size: u64) -> Finding {
    Finding::blocking(FindingKind::Withdrawn, STILL_HERE)
        .at(key)
        .of_version(version)
        .differs("nothing", format!("{size} bytes"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CSV: &str = "processed/d/2026-02.aaaaaaaa/artifacts/a.csv";
    const PARQUET: &str = "processed/d/2026-02.aaaaaaaa/artifacts/a.parquet";

    fn line(rest: &str) -> String {
        format!(r#"{{"at":"2026-03-01T00:00:00Z","reason":"asked",{rest}}}"#)
    }

    fn list(lines: &[String]) -> Result<Withdrawals, WithdrawalError> {
        Withdrawals::parse(lines.join("\n").as_bytes(), "file:///list.ndjson")
    }

    fn version() -> DatasetVersionId {
        "2026-02.aaaaaaaa".parse().unwrap()
    }

    #[test]
    fn a_line_that_is_torn_unknown_or_makes_no_sense_is_refused_with_its_number() {
        let good = line(r#""action":"erase","key":"raw/d/1/a""#);
        for bad in [
            r#""action":"restore","key":"raw/d/1/a""#,
            r#""action":"erase""#,
            r#""action":"erase","key":"raw/d/1/a","dataset_version_id":"v""#,
            r#""action":"erase","key":"raw/d/1/""#,
            r#""action":"erase","key":"audit/ledger/records/x.json""#,
            r#""action":"erase","key":"raw/d/1/a","label":"restricted""#,
            r#""action":"erase","key":"raw/d/1/a","version":2"#,
            r#""action":"erase","key":"raw/d/1/a","because":"x""#,
            r#""action":"relabel","dataset_version_id":"v""#,
            r#""action":"relabel","key":"raw/d/1/a","label":"restricted""#,
            r#""action":"relabel","dataset_version_id":"v","label":"embargoed""#,
            r#""action":"relabel","dataset_version_id":"v","label":"secret""#,
        ] {
            let error = list(&[good.clone(), line(bad)]).unwrap_err();
            assert!(matches!(error, WithdrawalError::Line { line: 2, .. }), "{bad}: {error}");
        }
        for cut in 1..good.len() {
            assert!(list(&[good[..cut].to_owned()]).is_err(), "{}", &good[..cut]);
        }
        let empty = list(&[String::new()]).unwrap();
        assert_eq!((empty.entries(), empty.erases("raw/d/1/a")), (0, false));
        assert!(empty.digest().is_some());
    }

    #[test]
    fn a_version_is_erased_with_all_that_belongs_to_it() {
        let all =
            list(&[line(r#""action":"erase","dataset_version_id":"2026-02.aaaaaaaa""#)]).unwrap();
        for key in [
            CSV,
            "catalog/d/2026-02.aaaaaaaa/dcat.jsonld",
            "releases/d/2026-02.aaaaaaaa/release.json",
        ] {
            assert!(all.erases(key), "{key}");
        }
        assert!(!all.erases("raw/d/2026-02.aaaaaaaa/a") && !all.erases("processed/d/2026-02.b/a"));
        assert!(all.erases_version(&version()));
    }

    #[test]
    fn a_list_goes_on_from_what_it_was_and_from_nothing_else() {
        let [one, two] =
            ["raw/d/1/a", CSV].map(|key| line(&format!(r#""action":"erase","key":"{key}""#)));
        let digest = |text: &str| Digest::blake3(text.as_bytes());
        let all = list(&[one.clone(), two.clone(), String::new()]).unwrap();
        for former in ["", &one, &format!("{one}\n"), &format!("{one}\n{two}\n")] {
            assert!(all.goes_on_from(&digest(former)), "{former}");
        }
        for other in [&one[..40], &two, &format!("{one}\n{two}\n{one}"), "\n"] {
            assert!(!all.goes_on_from(&digest(other)), "{other}");
        }
        assert!(!Withdrawals::default().goes_on_from(&digest(&one)));
    }

    #[test]
    fn what_was_erased_since_counts_only_where_jobs_read() {
        let erase = |what: &str| line(&format!(r#""action":"erase",{what}"#));
        let all = list(&[
            erase(&format!(r#""key":"{CSV}""#)),
            erase(r#""key":"processed/d/2026-03.aaaaaaaa/qa/validation_report.json""#),
            erase(r#""dataset_version_id":"2026-04.aaaaaaaa""#),
        ])
        .unwrap();
        let since = |version: &str, known| all.erased_since(&version.parse().unwrap(), known);
        assert!(since("2026-02.aaaaaaaa", 0));
        assert!(!since("2026-02.aaaaaaaa", 1), "it was built without it");
        assert!(!since("2026-03.aaaaaaaa", 0));
        assert!(since("2026-04.aaaaaaaa", 3), "nothing is built of a version without its data");
    }

    #[test]
    fn a_version_does_without_what_it_has_in_another_form() {
        let erased =
            |key: &str| list(&[line(&format!(r#""action":"erase","key":"{key}""#))]).unwrap();
        let document = "catalog/d/2026-02.aaaaaaaa/dcat.jsonld";
        let report = "processed/d/2026-02.aaaaaaaa/qa/validation_report.json";
        let second = "processed/d/2026-02.aaaaaaaa/artifacts/b.parquet";
        assert!(erased(CSV).leaves_whole([CSV, PARQUET, document, report]));
        assert!(!erased(CSV).leaves_whole([CSV, document]));
        assert!(!erased(PARQUET).leaves_whole([PARQUET, second, document]));
        assert!(!erased(document).leaves_whole([CSV, PARQUET, document]));
        assert!(erased(report).leaves_whole([CSV, document, report]));
    }

    #[test]
    fn what_is_withdrawn_is_not_missing() {
        let all = list(&[line(&format!(r#""action":"erase","key":"{CSV}""#))]).unwrap();
        assert!(all.explains(&Finding::blocking(FindingKind::Missing, "h").at(CSV)));
        let link = Finding::blocking(FindingKind::DanglingLink, "h").at("catalog/x");
        assert!(all.explains(&link.clone().differs(CSV, "nothing")));
        assert!(!all.explains(&link.clone().differs(PARQUET, "nothing")));
        assert!(!all.explains(&Finding::blocking(FindingKind::Altered, "h").at(CSV)));
        assert_eq!(all.erased_below("processed/d/").collect::<Vec<_>>(), [CSV]);
    }

    #[test]
    fn what_withdrawals_explain_is_told_once_and_warns() {
        let all = list(&[line(&format!(r#""action":"erase","key":"{CSV}""#))]).unwrap();
        let missing = |key: &str| Finding::blocking(FindingKind::Missing, "h").at(key);
        let link = Finding::blocking(FindingKind::DanglingLink, "h").at("catalog/x");
        let found = vec![
            missing(PARQUET),
            link.differs(CSV, "nothing"),
            missing(CSV),
            gone(CSV, Some(&version()), true),
        ];
        let said = all.explained(found);
        assert_eq!(said, [missing(PARQUET), gone(CSV, Some(&version()), true)]);
        assert!(said[0].blocks() && !said[1].blocks());
    }

    proptest! {
        #[test]
        fn a_label_is_never_loosened(
            declared in proptest::option::of(proptest::sample::select(PolicyLabel::ALL.to_vec())),
            labels in proptest::collection::vec(proptest::sample::select(
                PolicyLabel::ALL.into_iter().filter(|l| *l != PolicyLabel::Embargoed).collect::<Vec<_>>(),
            ), 1..4),
        ) {
            let lines: Vec<_> = labels.iter().map(|label| line(&format!(
                r#""action":"relabel","dataset_version_id":"2026-02.aaaaaaaa","label":"{}""#, label.name()
            ))).collect();
            let Ok(all) = list(&lines) else {
                prop_assert!(!labels.is_sorted());
                return Ok(());
            };
            let mut order: Vec<_> = declared.into_iter().collect();
            order.extend(&labels);
            let sound = declared.is_some() && order.is_sorted();
            let last = all.tighten(&version(), declared, declared).ok();
            prop_assert_eq!(last, sound.then(|| labels.last().copied()));
            let strict = all.at_least(&version(), declared);
            prop_assert!(strict.is_none_or(|label| Some(label) >= declared && Some(&label) >= labels.last()));
            let other = "2026-03.aaaaaaaa".parse().unwrap();
            prop_assert_eq!(all.tighten(&other, declared, declared).unwrap(), declared);
        }
    }

    #[test]
    fn an_embargo_that_is_over_can_be_followed_by_any_stricter_label() {
        let internal = list(&[line(
            r#""action":"relabel","dataset_version_id":"2026-02.aaaaaaaa","label":"internal""#,
        )])
        .unwrap();
        let declared = Some(PolicyLabel::Embargoed);
        let over = internal.tighten(&version(), declared, Some(PolicyLabel::Public)).unwrap();
        assert_eq!(over, Some(PolicyLabel::Internal));
        assert!(internal.tighten(&version(), declared, declared).is_err());
    }
}
