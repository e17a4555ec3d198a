//! What a key of the canonical stores says of the object.

use crate::model::{DatasetVersionId, Zone};

/// The folder of the ledger's head documents; the ledger room judges what they say.
pub(crate) const HEADS: &str = "audit/ledger/heads/";
/// The folder of the ledger's records.
pub(crate) const RECORDS: &str = "audit/ledger/records/";
/// The folder of the ledger's checkpoints.
pub(crate) const CHECKPOINTS: &str = "audit/checkpoints/";
/// The folder that says which versions are released.
pub(crate) const RELEASES: &str = "releases/";

/// The dataset and version that a processed artifact or a catalog document belongs to.
pub(crate) fn version_of(key: &str) -> Option<(&str, DatasetVersionId)> {
    let mut segments = key.split('/');
    let zone = segments.next()?;
    let (dataset, version) = (segments.next()?, segments.next()?);
    segments.next()?;
    matches!(zone, "processed" | "catalog").then_some(())?;
    Some((dataset, version.parse().ok()?))
}

/// The dataset that a key belongs to, in the zones that are cut by dataset.
pub(crate) fn dataset_of(key: &str) -> Option<&str> {
    let mut segments = key.split('/');
    let zone = segments.next()?;
    let dataset = segments.next()?;
    segments.next()?;
    let cut = matches!(zone, "raw" | "work" | "quarantine" | "processed" | "catalog" | "releases");
    cut.then_some(dataset)
}

/// The part of the manifest that a key belongs to: shards never hold keys of two parts.
pub(crate) fn part_of(key: &str) -> &str {
    if key.starts_with(HEADS) {
        return HEADS;
    }
    let depth = match key.split('/').next().unwrap_or_default() {
        "raw" | "processed" | "catalog" => 3,
        "work" | "quarantine" | "audit" | "releases" => 1,
        _ => 0,
    };
    let slashes: Vec<usize> = key.match_indices('/').map(|(at, _)| at).take(depth).collect();
    match slashes.last() {
        Some(&end) if slashes.len() == depth => &key[..=end],
        // A file beside the dataset folders belongs to the zone.
        Some(_) => &key[..=slashes[0]],
        None => "",
    }
}

/// Whether an object may have another content later on; elsewhere a key is written once.
pub(crate) fn is_mutable(key: &str) -> bool {
    key.starts_with(RELEASES)
        || key.starts_with(HEADS)
        || matches!(Zone::of_key(key), Zone::Work | Zone::Quarantine | Zone::Other)
}

/// The media type by the name's ending.
pub(crate) fn media_type(key: &str) -> &'static str {
    match key.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "json" => "application/json",
        "jsonld" => "application/ld+json",
        "geojson" => "application/geo+json",
        "ndjson" | "jsonl" => "application/x-ndjson",
        "parquet" => "application/vnd.apache.parquet",
        "csv" => "text/csv",
        "txt" => "text/plain",
        "xml" => "application/xml",
        "yaml" | "yml" => "application/yaml",
        "pdf" => "application/pdf",
        "tif" | "tiff" => "image/tiff",
        "pmtiles" => "application/vnd.pmtiles",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        "zst" => "application/zstd",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_where_it_belongs() {
        for (key, part) in [
            ("processed/d/v/artifacts/a.csv", "processed/d/v/"),
            ("processed/d/stray", "processed/"),
            ("processed/stray", "processed/"),
            ("raw/d/acq/manifest.json", "raw/d/acq/"),
            ("catalog/d/v/dcat.jsonld", "catalog/d/v/"),
            ("releases/d/v/release.json", "releases/"),
            ("audit/ledger/heads/ledger_head.json", HEADS),
            ("audit/ledger/records/2026/a.json", "audit/"),
            ("work/x/y/z/w", "work/"),
            ("README.md", ""),
            ("elsewhere/x", ""),
            ("raw", ""),
        ] {
            assert_eq!(part_of(key), part, "{key}");
        }
        let version = version_of("catalog/d/2026-02.abcd1234/dcat.jsonld").unwrap();
        assert_eq!((version.0, version.1.as_str()), ("d", "2026-02.abcd1234"));
        assert_eq!(version_of("raw/d/v/x"), None);
        assert_eq!(version_of("processed/d/v"), None);
        assert_eq!(dataset_of("releases/d/v/release.json"), Some("d"));
        assert_eq!(dataset_of("audit/ledger/x"), None);
    }
}
