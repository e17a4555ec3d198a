use serde_json::{Value, json};

use crate::source::{Described, Source, media_type};
use crate::{Outcome, json};

/// What stands before every text of a sequence (RFC 8142).
const RS: u8 = 0x1E;

/// What the bytes say.
pub(crate) struct Measured {
    pub(crate) rows: usize,
    /// West, south, east, north; a table without geometry, or without rows, has none.
    pub(crate) bbox: Option<[f64; 4]>,
}

/// A dataset with its version pinned.
pub(crate) struct Dataset {
    pub(crate) described: Described,
    pub(crate) measured: Measured,
    pub(crate) spec: Value,
    pub(crate) spec_hash: String,
    pub(crate) version: String,
}

impl Dataset {
    /// Measures the source and pins the version.
    pub(crate) fn pin(source: &Source) -> Outcome<Self> {
        let described = source.described.clone();
        let spec = spec(&described);
        let spec_hash = json::digest(&spec)?;
        let version = version(&described)?;
        let measured = match (described.rows, described.bbox) {
            (Some(rows), bbox) => Measured { rows, bbox },
            (None, bbox) => {
                let found = measure(source.bytes(&described.acquired)?)?;
                Measured { bbox: bbox.or(found.bbox), ..found }
            }
        };
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

/// `<slice>.<first 8 hex of the spec's hash>`.
pub(crate) fn version(described: &Described) -> Outcome<String> {
    let hash = json::digest(&spec(described))?;
    Ok(format!("{}.{}", described.slice, &hash["sha256:".len()..][..8]))
}

fn spec(described: &Described) -> Value {
    let columns: Vec<Value> =
        described.columns.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
    let published: Vec<Value> = described
        .published
        .iter()
        .map(|file| json!({"file": file, "media_type": media_type(file)}))
        .collect();
    json!({
        "dataset": described.name,
        "slice": described.slice,
        "source": described.source,
        "acquired": described.acquired,
        "derived_from": described.derived_from,
        "crs": "OGC:CRS84",
        "columns": columns,
        "published": published,
        "pipeline_version": 1,
    })
}

fn measure(bytes: &[u8]) -> Outcome<Measured> {
    let features = match bytes.first() {
        Some(b'{') => {
            let mut document: Value = serde_json::from_slice(bytes)?;
            serde_json::from_value(document["features"].take())?
        }
        Some(&RS) => {
            let texts = bytes[1..].split(|byte| *byte == RS).map(serde_json::from_slice);
            texts.collect::<Result<Vec<Value>, _>>()?
        }
        _ => {
            let rows = std::str::from_utf8(bytes)?.lines().skip(1).count();
            return Ok(Measured { rows, bbox: None });
        }
    };
    let mut bbox = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    for feature in &features {
        widen(&mut bbox, &feature["geometry"]["coordinates"]);
    }
    Ok(Measured { rows: features.len(), bbox: bbox[0].is_finite().then_some(bbox) })
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
