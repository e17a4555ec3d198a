//! One name for a set of objects: which keys, and what each holds.

use serde_json::json;

use crate::digest::{Blake3Hasher, Digest};

/// The digest over sorted `(key, blake3)`: that of the RFC 8785 form of `[[key, digest], ...]`.
/// Made piece by piece, so that a version with a million artifacts needs no list of them.
#[derive(Clone, Default)]
pub(crate) struct ContentDigest {
    hasher: Blake3Hasher,
    any: bool,
}

impl ContentDigest {
    /// Adds the next object; keys come by their bytes.
    pub(crate) fn add(&mut self, key: &str, digest: &Digest) {
        self.hasher.update(if self.any { b"," } else { b"[" });
        self.any = true;
        // `serde_json` escapes strings as RFC 8785 asks, and nothing here is a number.
        self.hasher.update(json!([key, digest.to_string()]).to_string().as_bytes());
    }

    /// The digest of all that was added.
    pub(crate) fn finish(mut self) -> Digest {
        self.hasher.update(if self.any { b"]" } else { b"[]" });
        self.hasher.finish()
    }
}

/// The digest over objects that are sorted by the bytes of their keys.
pub(crate) fn content_digest<'a>(
    objects: impl IntoIterator<Item = (&'a str, &'a Digest)>,
) -> Digest {
    let mut content = ContentDigest::default();
    objects.into_iter().for_each(|(key, digest)| content.add(key, digest));
    content.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::digest::digest_json;

    proptest! {
        #[test]
        fn it_is_the_digest_of_the_canonical_list(keys in proptest::collection::vec(any::<String>(), 0..8)) {
            let pairs: Vec<(String, Digest)> =
                keys.into_iter().map(|key| (key.clone(), Digest::blake3(key.as_bytes()))).collect();
            let content = content_digest(pairs.iter().map(|(key, digest)| (key.as_str(), digest)));
            prop_assert_eq!(content, digest_json(&pairs).unwrap());
        }
    }
}
