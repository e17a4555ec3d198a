use sha2::{Digest as _, Sha256};

use super::{Algorithm, Digest};

/// Chunks from this size on are hashed on all cores by BLAKE3.
const PARALLEL_FROM: usize = 256 * 1024;

/// Hashes a stream of bytes with BLAKE3 and SHA-256 in one pass.
#[derive(Default)]
pub struct BothHashers {
    blake3: blake3::Hasher,
    sha256: Sha256,
    size: u64,
}

/// Hashes a stream of bytes with BLAKE3 alone.
#[derive(Default, Clone)]
pub struct Blake3Hasher {
    blake3: blake3::Hasher,
    size: u64,
}

impl Blake3Hasher {
    /// Takes the next bytes; runs of 256 KiB and more use all cores, so call it off the
    /// asynchronous threads.
    pub fn update(&mut self, bytes: &[u8]) {
        if bytes.len() >= PARALLEL_FROM {
            self.blake3.update_rayon(bytes);
        } else {
            self.blake3.update(bytes);
        }
        self.size += bytes.len() as u64;
    }

    /// The digest of all bytes so far.
    pub fn finish(&self) -> Digest {
        Digest::new(Algorithm::Blake3, *self.blake3.finalize().as_bytes())
    }

    /// How many bytes were hashed.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// The two names of the same bytes, and their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BothDigests {
    /// `blake3:`, the primary name.
    pub blake3: Digest,
    /// `sha256:`, for what the platform's documents say.
    pub sha256: Digest,
    /// How many bytes were hashed.
    pub size: u64,
}

impl BothHashers {
    /// Takes the next bytes; runs of 256 KiB and more use all cores, so call it off the
    /// asynchronous threads.
    pub fn update(&mut self, bytes: &[u8]) {
        if bytes.len() >= PARALLEL_FROM {
            rayon::join(|| self.blake3.update_rayon(bytes).count(), || self.sha256.update(bytes));
        } else {
            self.blake3.update(bytes);
            self.sha256.update(bytes);
        }
        self.size += bytes.len() as u64;
    }

    /// The digests of all bytes so far.
    pub fn finish(&self) -> BothDigests {
        BothDigests {
            blake3: Digest::new(Algorithm::Blake3, *self.blake3.finalize().as_bytes()),
            sha256: Digest::new(Algorithm::Sha256, self.sha256.clone().finalize().into()),
            size: self.size,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn chunks_do_not_matter(cuts in proptest::collection::vec(0usize..700_000, 0..6)) {
            let data: Vec<u8> = (0..700_000u32).map(|i| (i % 251).to_le_bytes()[0]).collect();
            let mut cuts = cuts;
            cuts.push(data.len());
            cuts.sort_unstable();
            let mut hashers = BothHashers::default();
            let mut from = 0;
            for cut in cuts {
                hashers.update(&data[from..cut]);
                from = cut;
            }
            let both = hashers.finish();
            prop_assert_eq!(both.blake3, Digest::blake3(&data));
            prop_assert_eq!(both.sha256, Digest::sha256(&data));
            prop_assert_eq!(both.size, 700_000);
        }
    }
}
