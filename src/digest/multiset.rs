//! An order-independent digest of rows that counts duplicates and merges across partitions.
//!
//! `LtHash` (Bellare and Micciancio 1997; Lewi et al., "Securing Update Propagation with
//! Homomorphic Hashing", 2019): each row is expanded by the BLAKE3 XOF to 1,024 16-bit lanes, and
//! lanes are summed modulo 2^16. XOR of digests is not used, because equal rows cancel.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Digest, ParseDigestError};

const LANES: usize = 1024;

/// The running sum of a multiset of rows. Constant memory (2 KiB), whatever the number of rows.
#[derive(Clone, PartialEq, Eq)]
pub struct Multiset {
    lanes: Box<[u16; LANES]>,
    count: u64,
}

impl Default for Multiset {
    fn default() -> Self {
        Self { lanes: Box::new([0; LANES]), count: 0 }
    }
}

impl Multiset {
    /// Adds one row, given as its encoded bytes.
    pub fn add(&mut self, row: &[u8]) {
        let mut expanded = [0u8; LANES * 2];
        blake3::Hasher::new().update(row).finalize_xof().fill(&mut expanded);
        for (lane, pair) in self.lanes.iter_mut().zip(expanded.as_chunks::<2>().0) {
            *lane = lane.wrapping_add(u16::from_le_bytes(*pair));
        }
        self.count += 1;
    }

    /// Adds all rows of another multiset.
    pub fn merge(&mut self, other: &Self) {
        for (lane, more) in self.lanes.iter_mut().zip(other.lanes.iter()) {
            *lane = lane.wrapping_add(*more);
        }
        self.count += other.count;
    }

    /// How many rows were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The digest under the name of the row encoding (without its version).
    pub fn finish(&self, encoding: &str) -> MultisetDigest {
        let mut hasher = blake3::Hasher::new();
        for lane in self.lanes.iter() {
            hasher.update(&lane.to_le_bytes());
        }
        let digest = Digest::new(super::Algorithm::Blake3, *hasher.finalize().as_bytes());
        MultisetDigest { encoding: format!("{encoding}-v1"), digest, count: self.count }
    }
}

/// The printed form of a multiset: `<encoding>-v1:<64 hex>:<count>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultisetDigest {
    /// The row encoding with its version, such as `pgcopy-v1`.
    pub encoding: String,
    digest: Digest,
    /// How many rows it covers, duplicates counted.
    pub count: u64,
}

impl fmt::Display for MultisetDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.encoding, self.digest.hex(), self.count)
    }
}

impl FromStr for MultisetDigest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let mut parts = text.rsplitn(3, ':');
            let count = parts.next()?.parse().ok()?;
            let digest = format!("blake3:{}", parts.next()?).parse().ok()?;
            let encoding = parts.next().filter(|name| !name.is_empty())?.to_owned();
            Some(Self { encoding, digest, count })
        };
        read().ok_or_else(|| ParseDigestError::of(text))
    }
}

impl Serialize for MultisetDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MultisetDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(rows: &[Vec<u8>]) -> Multiset {
        let mut sum = Multiset::default();
        for row in rows {
            sum.add(row);
        }
        sum
    }

    proptest! {
        #[test]
        fn order_and_partition_do_not_matter(
            mut rows in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..30),
            cut in 0usize..30,
        ) {
            let whole = of(&rows).finish("t");
            rows.reverse();
            let cut = cut.min(rows.len());
            let mut merged = of(&rows[..cut]);
            merged.merge(&of(&rows[cut..]));
            prop_assert_eq!(&merged.finish("t"), &whole);
            prop_assert_eq!(whole.to_string().parse::<MultisetDigest>().unwrap(), whole);
        }

        #[test]
        fn a_changed_a_lost_and_a_doubled_row_show(
            rows in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..20), 1..30),
        ) {
            let whole = of(&rows).finish("t").to_string();
            let mut changed = rows.clone();
            changed[0][0] ^= 1;
            let mut doubled = rows.clone();
            doubled.push(rows[0].clone());
            doubled.push(rows[0].clone());
            for other in [&changed, &doubled, &rows[1..].to_vec()] {
                prop_assert_ne!(of(other).finish("t").to_string(), whole.clone());
            }
        }
    }
}
