use serde::Deserialize;
use serde_json::Value;

use super::documents::{Documents, Role};
use super::formats::ListedFile;
use super::rdf::{Rdf, term};
use super::reference::{Target, follow};
use crate::digest::{Algorithm, Digest};

const MEDIA_TYPES: &str = "www.iana.org/assignments/media-types/";

/// A `dcat:Distribution`.
pub(super) struct Distribution {
    pub(super) iri: String,
    /// The address that it is downloaded from, as written.
    pub(super) url: Option<String>,
    /// The object that it is downloaded from, if it is one of ours.
    pub(super) object: Option<String>,
    pub(super) media_type: Option<String>,
    pub(super) size: Option<u64>,
    pub(super) licensed: bool,
    pub(super) checksums: Vec<Checksum>,
}

/// An `spdx:Checksum`.
pub(super) enum Checksum {
    /// One that can be checked.
    Digest(Digest),
    /// No value of its algorithm.
    Malformed { algorithm: String, value: String },
    /// Of an algorithm that is not checked.
    Unsupported { algorithm: String },
}

/// A STAC asset.
pub(super) struct Asset<'a> {
    /// The key of its item or collection.
    pub(super) item: &'a str,
    pub(super) name: &'a str,
    pub(super) href: &'a str,
    pub(super) json: &'a Value,
}

/// A file that `checksums.json` or a raw manifest lists.
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) size: Option<u64>,
    pub(super) media_type: Option<String>,
    pub(super) digests: Vec<Digest>,
}

impl Documents {
    /// The distributions of the DCAT record.
    pub(super) fn distributions(&self) -> Vec<Distribution> {
        let (Some(rdf), Some(record)) = (&self.dcat, self.record()) else { return Vec::new() };
        let licence = |iri: &str| rdf.object(iri, term::LICENSE);
        let is_licensed = |iri: &str| licence(iri).is_some_and(|text| !text.trim().is_empty());
        let licensed = is_licensed(&record);
        let key = self.key_of(Role::Dcat);
        let read = |iri: String| {
            let url =
                rdf.object(&iri, term::DOWNLOAD_URL).or_else(|| rdf.object(&iri, term::ACCESS_URL));
            let object = match url.as_deref().map(|url| follow(&key, url)) {
                Some(Target::Object(object)) => Some(object),
                Some(Target::Elsewhere | Target::Outside(_)) | None => None,
            };
            let media_type = rdf.object(&iri, term::MEDIA_TYPE);
            Distribution {
                url,
                object,
                media_type: media_type.map(|text| match text.split_once(MEDIA_TYPES) {
                    Some((_, media_type)) => media_type.to_owned(),
                    None => text,
                }),
                size: rdf.object(&iri, term::BYTE_SIZE).and_then(|size| size.parse().ok()),
                licensed: licensed || is_licensed(&iri),
                checksums: rdf.checksums(&iri),
                iri,
            }
        };
        rdf.objects(&record, term::DISTRIBUTION).into_iter().map(read).collect()
    }

    /// The assets of the STAC items and of the collection.
    pub(super) fn assets(&self) -> impl Iterator<Item = Asset<'_>> {
        self.of(Role::Collection).chain(self.of(Role::Item)).flat_map(|item| {
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

    /// The entries of `checksums.json` that can be read.
    pub(super) fn listed(&self) -> Vec<Listed> {
        let json = self.one(Role::Checksums).map(|document| &document.json);
        let entries = json.and_then(|json| json.get("artifacts")?.as_array());
        let folder = self.prefix("processed");
        entries.into_iter().flatten().filter_map(|entry| Listed::read(&folder, entry)).collect()
    }
}

impl Listed {
    /// Reads an entry of a list of files whose paths start at `folder`.
    pub(super) fn read(folder: &str, entry: &Value) -> Option<Self> {
        let file = ListedFile::deserialize(entry).ok()?;
        let digest = |name: &str, hex: Option<String>| format!("{name}:{}", hex?).parse().ok();
        Some(Self {
            key: format!("{folder}{}", file.path),
            size: Some(file.size),
            media_type: file.media_type,
            digests: [digest("blake3", file.blake3), digest("sha256", file.sha256)]
                .into_iter()
                .flatten()
                .collect(),
        })
    }
}

impl Rdf {
    /// The `spdx:checksum`s of a subject.
    pub(super) fn checksums(&self, subject: &str) -> Vec<Checksum> {
        let read = |node: String| {
            let named = self.object(&node, term::ALGORITHM).unwrap_or_default();
            let value = self.object(&node, term::CHECKSUM_VALUE).unwrap_or_default();
            let local = named.rsplit(['#', '/', '_', ':']).next().unwrap_or_default();
            let local = local.to_ascii_lowercase().replace('-', "");
            let known = ["blake3", "sha256"].into_iter().find(|name| local == *name);
            let value = value.trim().to_ascii_lowercase();
            match known.map(|name| format!("{name}:{value}").parse()) {
                Some(Ok(digest)) => Checksum::Digest(digest),
                Some(Err(_)) => Checksum::Malformed { algorithm: local, value },
                None => Checksum::Unsupported { algorithm: named },
            }
        };
        self.objects(subject, term::CHECKSUM).into_iter().map(read).collect()
    }
}

impl Checksum {
    /// The digest, if it is one.
    pub(super) fn digest(&self) -> Option<Digest> {
        match self {
            Self::Digest(digest) => Some(*digest),
            Self::Malformed { .. } | Self::Unsupported { .. } => None,
        }
    }
}
