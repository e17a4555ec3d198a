use serde_json::Value;

use super::documents::{Documents, Role};
use super::rdf::{Rdf, term};
use super::reference::{Target, follow};
use crate::digest::{Algorithm, Digest};

const MEDIA_TYPES: &str = "www.iana.org/assignments/media-types/";

/// A `dcat:Distribution`.
pub(super) struct Distribution {
    pub(super) iri: String,
    /// The object that it is downloaded from, if it is one of ours.
    pub(super) object: Option<String>,
    pub(super) media_type: Option<String>,
    pub(super) size: Option<u64>,
    pub(super) licensed: bool,
    pub(super) digests: Vec<Digest>,
}

/// A STAC asset.
pub(super) struct Asset<'a> {
    /// The key of its item.
    pub(super) item: &'a str,
    pub(super) name: &'a str,
    pub(super) href: &'a str,
    pub(super) json: &'a Value,
}

/// An entry of `checksums.json`.
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) size: Option<u64>,
    pub(super) digests: Vec<Digest>,
}

impl Documents {
    /// The distributions of the DCAT record.
    pub(super) fn distributions(&self) -> Vec<Distribution> {
        let (Some(rdf), Some(record)) = (&self.dcat, self.record()) else { return Vec::new() };
        let licensed = rdf.object(&record, term::LICENSE).is_some();
        let key = self.key_of(Role::Dcat);
        let read = |iri: String| {
            let url =
                rdf.object(&iri, term::DOWNLOAD_URL).or_else(|| rdf.object(&iri, term::ACCESS_URL));
            let object = match url.map(|url| follow(&key, &url)) {
                Some(Target::Object(object)) => Some(object),
                Some(Target::Elsewhere) | None => None,
            };
            let media_type = rdf.object(&iri, term::MEDIA_TYPE);
            Distribution {
                object,
                media_type: media_type.map(|text| match text.split_once(MEDIA_TYPES) {
                    Some((_, media_type)) => media_type.to_owned(),
                    None => text,
                }),
                size: rdf.object(&iri, term::BYTE_SIZE).and_then(|size| size.parse().ok()),
                licensed: licensed || rdf.object(&iri, term::LICENSE).is_some(),
                digests: rdf.checksums(&iri),
                iri,
            }
        };
        rdf.objects(&record, term::DISTRIBUTION).into_iter().map(read).collect()
    }

    /// The assets of the STAC items.
    pub(super) fn assets(&self) -> impl Iterator<Item = Asset<'_>> {
        self.of(Role::Item).flat_map(|item| {
            let assets = item.json.get("assets").and_then(Value::as_object);
            assets.into_iter().flatten().filter_map(|(name, json)| {
                let href = json.get("href")?.as_str()?;
                Some(Asset { item: &item.key, name, href, json })
            })
        })
    }

    /// The key, BLAKE3 and size of each artifact that `checksums.json` lists with one, sorted.
    pub(crate) fn artifacts(&self) -> Vec<(String, Digest, u64)> {
        let blake3 = |listed: &Listed| {
            listed.digests.iter().copied().find(|d| d.algorithm() == Algorithm::Blake3)
        };
        let read = |listed: Listed| Some((blake3(&listed)?, listed.size?, listed.key));
        let mut all: Vec<_> = self
            .listed()
            .into_iter()
            .filter_map(read)
            .map(|(digest, size, key)| (key, digest, size))
            .collect();
        all.sort();
        all
    }

    /// The entries of `checksums.json`.
    pub(super) fn listed(&self) -> Vec<Listed> {
        let json = self.one(Role::Checksums).map(|document| &document.json);
        let entries = json.and_then(|json| json.get("artifacts")?.as_array());
        let read = |entry: &Value| {
            let digest = |name: &str| format!("{name}:{}", entry.get(name)?.as_str()?).parse().ok();
            Some(Listed {
                key: format!("{}{}", self.prefix("processed"), entry.get("path")?.as_str()?),
                size: entry.get("size").and_then(Value::as_u64),
                digests: ["blake3", "sha256"].into_iter().filter_map(digest).collect(),
            })
        };
        entries.into_iter().flatten().filter_map(read).collect()
    }
}

impl Rdf {
    /// The `spdx:checksum`s of a subject that are BLAKE3 or SHA-256.
    pub(super) fn checksums(&self, subject: &str) -> Vec<Digest> {
        let read = |node: String| {
            let algorithm = self.object(&node, term::ALGORITHM)?.to_ascii_lowercase();
            let name = ["blake3", "sha256"].into_iter().find(|name| {
                algorithm.rsplit(['#', '/', '_']).next().is_some_and(|local| local == *name)
            })?;
            let value = self.object(&node, term::CHECKSUM_VALUE)?.to_ascii_lowercase();
            format!("{name}:{value}").parse().ok()
        };
        self.objects(subject, term::CHECKSUM).into_iter().filter_map(read).collect()
    }
}
