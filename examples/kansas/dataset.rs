use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::{Outcome, json};

/// What is said of a dataset by hand.
pub(crate) struct Described {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    pub(crate) keywords: &'static [&'static str],
    /// SPDX id and its page.
    pub(crate) license: (&'static str, &'static str),
    pub(crate) source: &'static str,
    /// The day of the data: its first and last second.
    pub(crate) time: (&'static str, &'static str),
    /// The file that was acquired, then every form that is published; media types beside them.
    pub(crate) acquired: &'static str,
    pub(crate) published: &'static [(&'static str, &'static str)],
    pub(crate) columns: &'static [(&'static str, &'static str)],
    /// The dataset that it was computed from, if it was not acquired.
    pub(crate) derived_from: Option<&'static str>,
}

/// What the bytes say.
pub(crate) struct Measured {
    pub(crate) rows: usize,
    /// West, south, east, north; a table without geometry has none.
    pub(crate) bbox: Option<[f64; 4]>,
}

/// A dataset with its version pinned.
pub(crate) struct Dataset {
    pub(crate) described: &'static Described,
    pub(crate) measured: Measured,
    pub(crate) spec: Value,
    pub(crate) spec_hash: String,
    pub(crate) version: String,
}

const PARQUET: &str = "application/vnd.apache.parquet";
const GEOJSON: &str = "application/geo+json";
const CSV: &str = "text/csv";
const PUBLIC_DOMAIN: (&str, &str) =
    ("CC-PDDC", "https://creativecommons.org/licenses/publicdomain/");

/// The datasets, in the order in which they are made.
pub(crate) const DATASETS: [Described; 4] = [
    Described {
        name: "ks_counties",
        title: "Counties of Kansas",
        description: "Boundaries of the 105 counties of Kansas at a scale of 1:500,000, as the \
                      US Census Bureau drew them in 2016.",
        keywords: &["Kansas", "county", "boundary"],
        license: PUBLIC_DOMAIN,
        source: "US Census Bureau, cartographic boundary file cb_2016_us_county_500k",
        time: ("2016-01-01T00:00:00Z", "2016-12-31T23:59:59Z"),
        acquired: "ks_counties.geojson",
        published: &[("ks_counties.parquet", PARQUET), ("ks_counties.geojson", GEOJSON)],
        columns: &[
            ("STATEFP", "string"),
            ("COUNTYFP", "string"),
            ("COUNTYNS", "string"),
            ("AFFGEOID", "string"),
            ("GEOID", "string"),
            ("NAME", "string"),
            ("LSAD", "string"),
            ("ALAND", "int64"),
            ("AWATER", "int64"),
            ("geometry", "binary"),
        ],
        derived_from: None,
    },
    Described {
        name: "ks_populated_places",
        title: "Populated places of Kansas",
        description: "Cities and towns of Kansas with their population, their names in some \
                      twenty scripts and the county that they lie in.",
        keywords: &["Kansas", "city", "town", "gazetteer"],
        license: ("CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/"),
        source: "GeoNames (geonames.org)",
        time: ("2025-01-01T00:00:00Z", "2025-12-31T23:59:59Z"),
        acquired: "ks_populated_places.geojson",
        published: &[
            ("ks_populated_places.parquet", PARQUET),
            ("ks_populated_places.geojson", GEOJSON),
        ],
        columns: &[
            ("geonameid", "int64"),
            ("name", "string"),
            ("population", "int64"),
            ("timezone", "string"),
            ("alternatenames", "string"),
            ("county_geoid", "string"),
            ("geometry", "binary"),
        ],
        derived_from: None,
    },
    Described {
        name: "ks_airports",
        title: "Airports of Kansas",
        description: "Airports and airfields of Kansas with their codes and elevation in feet.",
        keywords: &["Kansas", "airport", "aviation"],
        license: ("MIT", "https://spdx.org/licenses/MIT.html"),
        source: "airportsdata",
        time: ("2025-01-01T00:00:00Z", "2025-12-31T23:59:59Z"),
        acquired: "ks_airports.geojson",
        published: &[("ks_airports.parquet", PARQUET), ("ks_airports.geojson", GEOJSON)],
        columns: &[
            ("icao", "string"),
            ("iata", "string"),
            ("lid", "string"),
            ("name", "string"),
            ("city", "string"),
            ("elevation", "string"),
            ("tz", "string"),
            ("geometry", "binary"),
        ],
        derived_from: None,
    },
    Described {
        name: "ks_county_adjacency",
        title: "County adjacency of Kansas",
        description: "Which counties of Kansas share a boundary: one edge for each pair, the \
                      lower GEOID first.",
        keywords: &["Kansas", "county", "adjacency", "graph"],
        license: PUBLIC_DOMAIN,
        source: "computed from ks_counties",
        time: ("2016-01-01T00:00:00Z", "2016-12-31T23:59:59Z"),
        acquired: "ks_county_adjacency_edges.csv",
        published: &[("ks_county_adjacency_edges.csv", CSV)],
        columns: &[("src", "string"), ("rel", "string"), ("dst", "string")],
        derived_from: Some("ks_counties"),
    },
];

impl Dataset {
    /// Measures the source and pins the version.
    pub(crate) fn pin(described: &'static Described, sources: &Path) -> Outcome<Self> {
        let measured = measure(&fs::read(sources.join(described.acquired))?)?;
        let columns: Vec<Value> = described
            .columns
            .iter()
            .map(|(name, kind)| json!({"name": name, "type": kind}))
            .collect();
        let spec = json!({
            "dataset": described.name,
            "slice": "2026-02",
            "source": described.source,
            "acquired": described.acquired,
            "derived_from": described.derived_from,
            "crs": "OGC:CRS84",
            "columns": columns,
            "published": described.published.iter().map(|(file, media)| {
                json!({"file": file, "media_type": media})
            }).collect::<Vec<_>>(),
            "pipeline_version": 1,
        });
        let spec_hash = json::digest(&spec)?;
        let version = format!("2026-02.{}", &spec_hash["sha256:".len()..][..8]);
        Ok(Self { described, measured, spec, spec_hash, version })
    }

    /// `<zone>/<dataset>/<version>`.
    pub(crate) fn prefix(&self, zone: &str) -> String {
        format!("{zone}/{}/{}", self.described.name, self.version)
    }

    /// The evidence reference of the DCAT record, which is also its IRI.
    pub(crate) fn dcat(&self) -> String {
        format!("dcat://{}@{}", self.described.name, self.version)
    }
}

fn measure(bytes: &[u8]) -> Outcome<Measured> {
    if bytes.first() != Some(&b'{') {
        let rows = std::str::from_utf8(bytes)?.lines().skip(1).count();
        return Ok(Measured { rows, bbox: None });
    }
    let document: Value = serde_json::from_slice(bytes)?;
    let features = document["features"].as_array().ok_or("no features")?;
    let mut bbox = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    for feature in features {
        widen(&mut bbox, &feature["geometry"]["coordinates"]);
    }
    Ok(Measured { rows: features.len(), bbox: Some(bbox) })
}

fn widen(bbox: &mut [f64; 4], coordinates: &Value) {
    let Some(items) = coordinates.as_array() else { return };
    if let (Some(x), Some(y)) =
        (items.first().and_then(Value::as_f64), items.get(1).and_then(Value::as_f64))
    {
        *bbox = [bbox[0].min(x), bbox[1].min(y), bbox[2].max(x), bbox[3].max(y)];
    } else {
        for item in items {
            widen(bbox, item);
        }
    }
}
