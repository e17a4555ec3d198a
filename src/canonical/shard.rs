//! A shard of the manifest: zstd JSON Lines, one object a line, sorted by the bytes of the keys.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::manifest::ShardRef;
use crate::digest::{CanonicalError, Digest, canonical_json};
use crate::model::{DatasetVersionId, PolicyLabel, Zone};
use crate::store::Attributes;

/// A shard is cut at so many objects.
pub(crate) const LONGEST: usize = 10_000;

/// A shard that unpacks to more than this is none.
const UNPACKED: u64 = 256 * 1024 * 1024;

/// One object of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Entry {
    /// Its key, verbatim.
    pub(crate) key: String,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// The BLAKE3 of its bytes; the name of its blob, unless it has pieces.
    pub(crate) digest: Digest,
    /// The SHA-256 of its bytes, for the platform's documents.
    pub(crate) sha256: Digest,
    /// The blob that lists its pieces, if it is larger than one blob may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pieces: Option<Digest>,
    /// Its zone.
    pub(crate) zone: Zone,
    /// Its media type: what the store says, else by its name.
    pub(crate) content_type: String,
    /// How its bytes are encoded, where the store says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_encoding: Option<String>,
    /// The other HTTP headers that the store serves it with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, String>,
    /// What its owner wrote beside it, where the store keeps that.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
    /// The dataset version that it belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dataset_version_id: Option<DatasetVersionId>,
    /// Who may see that version, by the catalog; none is deny.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy_label: Option<PolicyLabel>,
    /// How it was seen when it was sealed.
    pub(crate) seen: Seen,
}

impl Entry {
    /// What a store is to keep of it beside its bytes.
    pub(crate) fn attributes(&self) -> Attributes {
        Attributes {
            content_type: Some(self.content_type.clone()).filter(|kind| !kind.is_empty()),
            content_encoding: self.content_encoding.clone(),
            headers: self.headers.clone(),
            metadata: self.metadata.clone(),
        }
    }
}

/// How an object was seen in its store; an object that still looks so is not read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Seen {
    /// Its etag; of a file made of inode, modification time and size.
    pub(crate) etag: Option<String>,
    /// When it was last modified.
    pub(crate) modified: DateTime<Utc>,
}

/// Why bytes are no shard.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShardError {
    /// They do not unpack.
    #[error("failed to unpack the shard")]
    Zstd(#[source] std::io::Error),
    /// They are not those that the digest names.
    #[error("failed to prove the shard: expected {expected}, found {actual}")]
    Altered { expected: Digest, actual: Digest },
    /// A line is no entry.
    #[error("failed to read line {line} of the shard")]
    Line {
        line: usize,
        #[source]
        source: serde_json::Error,
    },
    /// An entry has no canonical form.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

/// Packs entries that are sorted by key; gives the reference and the blob's bytes.
pub(crate) fn pack(prefix: &str, entries: &[Entry]) -> Result<(ShardRef, Vec<u8>), ShardError> {
    let mut lines = Vec::new();
    for entry in entries {
        lines.extend(canonical_json(entry)?);
        lines.push(b'\n');
    }
    let shard = ShardRef {
        zone: Zone::of_key(prefix),
        prefix: prefix.to_owned(),
        digest: Digest::blake3(&lines),
        objects: entries.len() as u64,
        bytes: entries.iter().map(|entry| entry.size).sum(),
    };
    let packed = zstd::encode_all(&lines[..], 3).map_err(ShardError::Zstd)?;
    Ok((shard, packed))
}

/// Unpacks a shard and proves that it is the one that was named.
pub(crate) fn unpack(name: &Digest, packed: &[u8]) -> Result<Vec<Entry>, ShardError> {
    use std::io::Read;
    let mut lines = Vec::new();
    let reader = zstd::Decoder::new(packed).map_err(ShardError::Zstd)?;
    // A damaged or forged blob must not fill the memory.
    reader.take(UNPACKED).read_to_end(&mut lines).map_err(ShardError::Zstd)?;
    let actual = Digest::blake3(&lines);
    if actual != *name {
        return Err(ShardError::Altered { expected: *name, actual });
    }
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let entry = |(line, bytes): (usize, &[u8])| {
        serde_json::from_slice(bytes).map_err(|source| ShardError::Line { line: line + 1, source })
    };
    lines.enumerate().map(entry).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::canonical::layout::media_type;

    pub(crate) fn any_entry() -> impl Strategy<Value = Entry> {
        let key = proptest::collection::vec("[^/\0]{1,12}", 1..5).prop_map(|s| s.join("/"));
        (key, any::<u64>(), any::<[u8; 4]>(), any::<bool>(), 0i64..4_000_000_000).prop_map(
            |(key, size, seed, large, seconds)| Entry {
                // RFC 8785 numbers are doubles; sizes beyond 2^53 do not exist.
                size: size >> 11,
                digest: Digest::blake3(&seed),
                sha256: Digest::sha256(&seed),
                pieces: large.then(|| Digest::blake3(&[seed[0]])),
                zone: Zone::of_key(&key),
                content_type: media_type(&key).to_owned(),
                content_encoding: large.then(|| "gzip".to_owned()),
                headers: large
                    .then(|| ("cache-control".to_owned(), key.clone()))
                    .into_iter()
                    .collect(),
                metadata: large.then(|| (key.clone(), "\u{e9}".to_owned())).into_iter().collect(),
                dataset_version_id: large.then(|| "2026-02.abcd1234".parse().unwrap()),
                policy_label: large.then_some(PolicyLabel::Internal),
                seen: Seen {
                    etag: large.then(|| "\"e\"".to_owned()),
                    modified: DateTime::from_timestamp(seconds, u32::from(seed[0]) * 1000).unwrap(),
                },
                key,
            },
        )
    }

    proptest! {
        #[test]
        fn a_shard_reads_back_as_written_and_no_bit_may_flip(
            entries in proptest::collection::vec(any_entry(), 1..20),
            at in any::<proptest::sample::Index>(),
        ) {
            let (shard, packed) = pack("p/", &entries).unwrap();
            prop_assert_eq!(shard.objects, entries.len() as u64);
            prop_assert_eq!(&unpack(&shard.digest, &packed).unwrap(), &entries);
            let mut lines = Vec::new();
            std::io::Read::read_to_end(&mut zstd::Decoder::new(&packed[..]).unwrap(), &mut lines)
                .unwrap();
            let at = at.index(lines.len());
            lines[at] ^= 1;
            let flipped = zstd::encode_all(&lines[..], 1).unwrap();
            prop_assert!(unpack(&shard.digest, &flipped).is_err());
        }
    }
}
