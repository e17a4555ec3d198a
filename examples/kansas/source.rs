use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::Outcome;

/// What is said of a dataset version by hand.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) keywords: Vec<String>,
    /// SPDX id and its page.
    pub(crate) license: (String, String),
    pub(crate) source: String,
    /// The time of the data: its first and last second.
    pub(crate) time: (String, String),
    #[serde(default = "slice")]
    pub(crate) slice: String,
    /// When it came in, after the fixture's first.
    pub(crate) minutes: i64,
    #[serde(default = "public")]
    pub(crate) policy_label: String,
    pub(crate) embargo_until: Option<String>,
    /// The slice of the version that it replaces.
    pub(crate) supersedes: Option<String>,
    /// The file that was acquired, what came with it, then every form that is published.
    pub(crate) acquired: String,
    #[serde(default)]
    pub(crate) also_acquired: Vec<String>,
    pub(crate) published: Vec<String>,
    pub(crate) columns: Vec<(String, String)>,
    /// The dataset that it was computed from, if it was not acquired.
    pub(crate) derived_from: Option<String>,
    /// What cannot be measured here, or must not be told so exactly.
    pub(crate) rows: Option<usize>,
    pub(crate) bbox: Option<[f64; 4]>,
    /// The columns whose values no output may tell.
    #[serde(default)]
    pub(crate) sensitive: Vec<String>,
}

fn slice() -> String {
    "2026-02".to_owned()
}

fn public() -> String {
    "public".to_owned()
}

/// A description and the bytes that it is of.
pub(crate) struct Source {
    pub(crate) described: Described,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Source {
    /// Reads the files of a description.
    pub(crate) fn read(described: Described, folder: &Path) -> Outcome<Self> {
        let named = described.published.iter().chain(&described.also_acquired);
        let mut files = BTreeMap::new();
        for name in named.chain([&described.acquired]) {
            files.insert(name.clone(), fs::read(folder.join(name))?);
        }
        Ok(Self { described, files })
    }

    pub(crate) fn bytes(&self, name: &str) -> Outcome<&[u8]> {
        Ok(self.files.get(name).ok_or_else(|| format!("no source {name}"))?)
    }
}

/// The descriptions beside the source files, in the order in which they are made.
pub(crate) fn descriptions(folder: &Path) -> Outcome<Vec<Described>> {
    Ok(serde_json::from_slice(&fs::read(folder.join("datasets.json"))?)?)
}

/// The media type of a file, by its name.
pub(crate) fn media_type(name: &str) -> &'static str {
    match name.split_once('.').map_or("", |(_, extension)| extension) {
        "parquet" => "application/vnd.apache.parquet",
        "geojson" => "application/geo+json",
        "geojsons" => "application/geo+json-seq",
        "fgb" => "application/vnd.flatgeobuf",
        "ndjson" | "ndjson.gz" => "application/x-ndjson",
        "csv" => "text/csv",
        _ => "application/octet-stream",
    }
}
