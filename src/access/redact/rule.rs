use std::collections::{BTreeMap, BTreeSet};

use crate::model::{DatasetVersionId, JobId, Zone};

/// Where a key of the canonical stores begins in a text.
const FOLDERS: [&str; 6] = ["raw/", "work/", "quarantine/", "processed/", "catalog/", "releases/"];

/// What outputs may print: all that is known to be public. The rest is hidden.
#[derive(Debug, Clone, Default)]
pub(crate) struct Public {
    versions: BTreeSet<(String, DatasetVersionId)>,
    ids: BTreeSet<DatasetVersionId>,
    datasets: BTreeSet<String>,
    jobs: BTreeSet<JobId>,
    /// Whether nothing but public data is in play.
    pub(super) everything: bool,
}

impl Public {
    /// Of all versions that are there, with whether each is public. A dataset is public when all
    /// of its versions are: its raw objects are of none of them alone.
    pub(crate) fn of<'a>(
        versions: impl IntoIterator<Item = (&'a str, &'a DatasetVersionId, bool)>,
    ) -> Self {
        let mut public = Self::default();
        let mut ids: BTreeMap<&DatasetVersionId, bool> = BTreeMap::new();
        let mut datasets: BTreeMap<&str, bool> = BTreeMap::new();
        for (dataset, version, is_public) in versions {
            *ids.entry(version).or_insert(true) &= is_public;
            *datasets.entry(dataset).or_insert(true) &= is_public;
            if is_public {
                public.versions.insert((dataset.to_owned(), version.clone()));
            }
        }
        public.everything = ids.values().all(|is_public| *is_public);
        let of = |(name, is_public): (_, bool)| is_public.then_some(name);
        public.ids = ids.into_iter().filter_map(of).cloned().collect();
        let of = |(name, is_public): (&str, bool)| is_public.then(|| name.to_owned());
        public.datasets = datasets.into_iter().filter_map(of).collect();
        public
    }

    /// Names the jobs that read nothing but public data.
    #[must_use]
    pub(crate) fn with_jobs(mut self, jobs: impl IntoIterator<Item = JobId>) -> Self {
        self.jobs.extend(jobs);
        self
    }

    pub(super) fn has_job(&self, job: &JobId) -> bool {
        self.jobs.contains(job)
    }

    pub(super) fn has_version(&self, version: &DatasetVersionId) -> bool {
        self.ids.contains(version)
    }

    /// Whether a key may be printed. Datasets and versions may always be named: what lies below
    /// them is hidden unless it is public.
    pub(super) fn has_key(&self, key: &str) -> bool {
        let mut segments = key.splitn(4, '/');
        let mut next = || segments.next().filter(|segment| !segment.is_empty());
        let (zone, dataset, version, below) = (next(), next(), next(), next());
        match Zone::of_key(key) {
            Zone::Audit => true,
            Zone::Processed | Zone::Catalog => match (dataset, version, below) {
                (Some(dataset), Some(version), Some(_)) => version
                    .parse()
                    .is_ok_and(|version| self.versions.contains(&(dataset.to_owned(), version))),
                (Some(dataset), Some(_), None) => {
                    // A version's folder, or an object beside the versions.
                    self.datasets.contains(dataset) || key.ends_with('/') || is_version(version)
                }
                _ => true,
            },
            Zone::Raw | Zone::Work => match (dataset, version) {
                (Some(dataset), Some(_)) => self.datasets.contains(dataset),
                (Some(_), None) => key.ends_with('/'),
                _ => true,
            },
            Zone::Quarantine => version.is_none(),
            // What a backup store holds beside the objects themselves.
            Zone::Other => {
                matches!(zone, Some("blobs" | "snapshots" | "coppice.json" | ".coppice"))
                    || zone.is_some_and(|zone| zone.starts_with("plan file "))
            }
        }
    }

    /// Where the first key begins that may not be printed. A key may hold any character, so it is
    /// taken to reach to the end of the text.
    pub(super) fn first_secret(&self, text: &str, places: &BTreeSet<String>) -> Option<usize> {
        let masked: Vec<_> = places
            .iter()
            .flat_map(|place| text.match_indices(place.as_str()))
            .map(|(at, place)| at..at + place.len())
            .collect();
        let starts = FOLDERS.iter().flat_map(|folder| text.match_indices(folder));
        starts
            .map(|(at, _)| at)
            .filter(|at| begins_a_key(text, *at))
            .filter(|at| !masked.iter().any(|mask| mask.contains(at)))
            .filter(|at| !self.has_key(until_quote(&text[*at..])))
            .min()
    }
}

fn is_version(segment: Option<&str>) -> bool {
    // `<slice>.<first 8 hex digits of the spec's hash>`.
    segment.and_then(|segment| segment.split_whitespace().next()).is_some_and(|segment| {
        let hash = segment.trim_end_matches([',', ':', ';', ')', '.']).rsplit('.').next();
        hash.is_some_and(|hash| hash.len() == 8 && hash.chars().all(|c| c.is_ascii_hexdigit()))
    })
}

/// A key stands at the start of a word, or below a place. The first folder of an absolute path is
/// none, nor is the bucket of an URL.
fn begins_a_key(text: &str, at: usize) -> bool {
    let before = &text[..at];
    match before.chars().next_back() {
        Some('/') => {
            let above = before.trim_end_matches('/').chars().next_back();
            above.is_some_and(|c| !c.is_whitespace() && !"`'\"(=:,".contains(c))
        }
        Some(c) => !c.is_alphanumeric() && !"_-.".contains(c),
        None => true,
    }
}

fn until_quote(text: &str) -> &str {
    text.split(['`', '"', '\n']).next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public() -> Public {
        let (open, shut) =
            ("2026-02.aaaaaaaa".parse().unwrap(), "2026-02.bbbbbbbb".parse().unwrap());
        Public::of([("places", &open, true), ("nests", &shut, false)])
    }

    #[test]
    fn only_what_is_public_is_printed_below_a_version() {
        let public = public();
        for shown in [
            "processed/places/2026-02.aaaaaaaa/artifacts/a.csv",
            "catalog/places/2026-02.aaaaaaaa/dcat.jsonld",
            "processed/nests/2026-02.bbbbbbbb",
            "processed/nests/2026-02.bbbbbbbb/",
            "processed/nests/",
            "raw/places/1/manifest.json",
            "audit/ledger/records/x.json",
            "snapshots/00.json",
        ] {
            assert!(public.has_key(shown), "{shown}");
        }
        for hidden in [
            "processed/nests/2026-02.bbbbbbbb/artifacts/eagle.csv",
            "catalog/nests/2026-02.bbbbbbbb/dcat.jsonld",
            // The id of a public version does not open another dataset.
            "processed/nests/2026-02.aaaaaaaa/artifacts/eagle.csv",
            "processed/nests/eagle.csv",
            "raw/nests/1/eagle.csv",
            "raw/nests/eagle",
            "quarantine/places/1/eagle.csv",
            "eagle/nests",
            "eagle",
        ] {
            assert!(!public.has_key(hidden), "{hidden}");
        }
    }

    #[test]
    fn keys_are_found_in_texts_and_places_are_none() {
        let public = public();
        let places = ["/srv/kim/work/plans".to_owned()].into();
        let cut = |text: &str| public.first_secret(text, &places).map(|at| text[at..].to_owned());
        let eagle = "processed/nests/2026-02.bbbbbbbb/artifacts/the `eagle` nest.csv";
        for text in [
            format!("failed to read `{eagle}` in s3://bucket"),
            format!("failed to read {eagle}"),
            format!("failed to read /srv/store/{eagle}: denied"),
            format!("http://host/bucket/{eagle}"),
            format!("`processed/places/2026-02.aaaaaaaa/a b` leads to {eagle}"),
        ] {
            assert!(cut(&text).is_some_and(|secret| secret.starts_with(eagle)), "{text}");
        }
        for text in [
            "failed to read `processed/places/2026-02.aaaaaaaa/artifacts/a.csv`",
            "failed to read /raw/box/state/receipts",
            "failed to read /srv/kim/work/plans/kansas.yaml",
            "failed to reach file:///raw/store and s3://raw/x",
            "the framework/raw-data/x",
            "restore/objects/raw, verify/catalog",
        ] {
            assert_eq!(cut(text), None, "{text}");
        }
    }
}
