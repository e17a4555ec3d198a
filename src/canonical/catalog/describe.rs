use std::collections::BTreeMap;

use serde_json::Value;

use super::documents::{Documents, Role};
use super::multihash::read_multihash;
use super::parts::Checksum;
use super::rdf::{Rdf, term};
use super::reference::{Target, follow};
use crate::digest::{Algorithm, Digest};
use crate::model::{Artifact, DatasetVersion};

/// Says what the documents of a version say of it: DCAT first, then STAC. `None` where there is
/// neither.
pub(crate) fn describe(documents: &Documents) -> Option<DatasetVersion> {
    let collection = documents.one(Role::Collection).map(|document| &document.json);
    if documents.dcat.is_none() && collection.is_none_or(Value::is_null) {
        return None;
    }
    let dcat = documents.dcat.as_ref().and_then(|rdf| Some((rdf, documents.record()?)));
    let said = |term: &str, member: &str| {
        let dcat = dcat.as_ref().and_then(|(rdf, record)| rdf.object(record, term));
        dcat.or_else(|| Some(collection?.get(member)?.as_str()?.to_owned()))
    };
    Some(DatasetVersion {
        dataset: documents.dataset.clone(),
        version: documents.version.clone(),
        title: said(term::TITLE, "title").unwrap_or_else(|| documents.dataset.clone()),
        description: said(term::DESCRIPTION, "description").unwrap_or_default(),
        policy_label: documents.label().and_then(|label| label.parse().ok()),
        embargo_until: documents.embargo_until(),
        license: said(term::LICENSE, "license"),
        rows: rows(documents, dcat.as_ref()),
        bbox: bbox(documents, collection),
        time: time(collection),
        columns: columns(documents),
        artifacts: artifacts(documents),
    })
}

impl Documents {
    /// The IRI of the DCAT record.
    pub(super) fn record(&self) -> Option<String> {
        self.dcat.as_ref()?.of_type(term::DATASET).into_iter().next()
    }
}

fn rows(documents: &Documents, dcat: Option<&(&Rdf, String)>) -> Option<u64> {
    let of_item = |item: &Value| {
        let count = |name: &str| item.get("properties")?.get(name)?.as_u64();
        count("table:row_count").or_else(|| count("kfm:row_count"))
    };
    let mut items = documents.of(Role::Item).map(|item| of_item(&item.json)).peekable();
    if items.peek().is_some()
        && let Some(rows) = items.sum()
    {
        return Some(rows);
    }
    let (rdf, record) = dcat?;
    rdf.own_term(record, &["row_count"])?.parse().ok()
}

fn bbox(documents: &Documents, collection: Option<&Value>) -> Option<[f64; 4]> {
    let items: Vec<[f64; 4]> =
        documents.of(Role::Item).filter_map(|item| read_bbox(item.json.get("bbox")?)).collect();
    let joined = items
        .into_iter()
        .reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]);
    joined.or_else(|| read_bbox(collection?.pointer("/extent/spatial/bbox/0")?))
}

/// West, south, east, north of a bbox with or without heights.
fn read_bbox(value: &Value) -> Option<[f64; 4]> {
    let numbers: Vec<f64> = value.as_array()?.iter().map(Value::as_f64).collect::<Option<_>>()?;
    match numbers[..] {
        [west, south, east, north] | [west, south, _, east, north, _] => {
            Some([west, south, east, north])
        }
        _ => None,
    }
}

fn time(collection: Option<&Value>) -> (Option<String>, Option<String>) {
    let end = |at: usize| {
        let path = format!("/extent/temporal/interval/0/{at}");
        Some(collection?.pointer(&path)?.as_str()?.to_owned())
    };
    (end(0), end(1))
}

/// What is known of an artifact while it is put together.
#[derive(Default)]
struct Known {
    media_type: Option<String>,
    size: Option<u64>,
    digests: Vec<Digest>,
    crs: Option<String>,
}

/// The columns of the table extension, where the items do not give different ones.
fn columns(documents: &Documents) -> Vec<(String, Option<String>)> {
    let of_item = |item: &Value| {
        let listed = item.pointer("/properties/table:columns").and_then(Value::as_array);
        let text = |column: &Value, name: &str| Some(column.get(name)?.as_str()?.to_owned());
        let columns = listed.into_iter().flatten();
        columns.filter_map(|one| Some((text(one, "name")?, text(one, "type")))).collect::<Vec<_>>()
    };
    let mut items = documents.of(Role::Item).map(|item| of_item(&item.json));
    let first = items.next().unwrap_or_default();
    if items.all(|other| other == first) { first } else { Vec::new() }
}

/// The reference system of the projection extension, of an asset or of an item's properties.
fn projection(json: &Value) -> Option<String> {
    let code = json.get("proj:code").and_then(Value::as_str).map(str::to_owned);
    code.or_else(|| Some(format!("EPSG:{}", json.get("proj:epsg")?.as_u64()?)))
}

/// The files of the version that DCAT or STAC names and that some document gives a digest of.
fn artifacts(documents: &Documents) -> Vec<Artifact> {
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    for distribution in documents.distributions() {
        let Some(key) = distribution.object else { continue };
        let entry = known.entry(key).or_default();
        entry.media_type = entry.media_type.take().or(distribution.media_type);
        entry.size = entry.size.or(distribution.size);
        entry.digests.extend(distribution.checksums.iter().filter_map(Checksum::digest));
    }
    for asset in documents.assets() {
        let Target::Object(key) = follow(asset.item, asset.href) else { continue };
        let entry = known.entry(key).or_default();
        let text = |name: &str| asset.json.get(name).and_then(Value::as_str);
        entry.media_type = entry.media_type.take().or_else(|| text("type").map(str::to_owned));
        entry.size = entry.size.or_else(|| asset.json.get("file:size")?.as_u64());
        entry.digests.extend(text("file:checksum").and_then(|hash| read_multihash(hash).ok()));
        let of_item = || {
            let item = documents.of(Role::Item).find(|item| item.key == *asset.item)?;
            projection(item.json.get("properties")?)
        };
        entry.crs = entry.crs.take().or_else(|| projection(asset.json)).or_else(of_item);
    }
    for listed in documents.listed() {
        if let Some(entry) = known.get_mut(&listed.key) {
            entry.size = entry.size.or(listed.size);
            entry.digests.extend(listed.digests);
        }
    }
    let own = documents.prefix("processed");
    let artifact = |(key, known): (String, Known)| {
        // BLAKE3 is the primary name of bytes.
        let blake3 = |digest: &&Digest| digest.algorithm() == Algorithm::Blake3;
        let digest = *known.digests.iter().find(blake3).or(known.digests.first())?;
        let media_type = known.media_type.unwrap_or_else(|| "application/octet-stream".into());
        Some(Artifact { key, media_type, size: known.size?, digest, crs: known.crs })
    };
    known.into_iter().filter(|(key, _)| key.starts_with(&own)).filter_map(artifact).collect()
}
