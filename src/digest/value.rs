use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The hash function that made a digest; one is never relabelled as the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// BLAKE3 with 32 bytes of output: what Coppice names things by.
    Blake3,
    /// SHA-256: what catalogs, receipts and the ledger of a platform use.
    Sha256,
}

impl Algorithm {
    /// The name as written before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::Sha256 => "sha256",
        }
    }
}

/// A 32-byte digest, always written with its algorithm: `blake3:<64 hex>` or `sha256:<64 hex>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    bytes: [u8; 32],
}

impl Digest {
    /// Wraps 32 bytes that `algorithm` made.
    pub fn new(algorithm: Algorithm, bytes: [u8; 32]) -> Self {
        Self { algorithm, bytes }
    }

    /// Hashes `bytes` with BLAKE3.
    pub fn blake3(bytes: &[u8]) -> Self {
        Self::new(Algorithm::Blake3, *blake3::hash(bytes).as_bytes())
    }

    /// Hashes `bytes` with SHA-256.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::new(Algorithm::Sha256, Sha256::digest(bytes).into())
    }

    /// The algorithm that made it.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The 64 lower-case hex digits, without the algorithm.
    pub fn hex(&self) -> String {
        blake3::Hash::from_bytes(self.bytes).to_hex().to_string()
    }

    /// The first 16 hex digits, for names that a database limits in length.
    pub fn short(&self) -> String {
        self.hex()[..16].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Says why a text is no digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is no digest: expected blake3:<64 hex> or sha256:<64 hex>")]
pub struct ParseDigestError {
    text: String,
}

impl ParseDigestError {
    pub(super) fn of(text: &str) -> Self {
        Self { text: text.chars().take(80).collect() }
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || ParseDigestError::of(text);
        let (name, hex) = text.split_once(':').ok_or_else(fail)?;
        let algorithm = match name {
            "blake3" => Algorithm::Blake3,
            "sha256" => Algorithm::Sha256,
            _ => return Err(fail()),
        };
        if hex.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(fail());
        }
        let hash = blake3::Hash::from_hex(hex).ok().ok_or_else(fail)?;
        Ok(Self::new(algorithm, *hash.as_bytes()))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A digest with its algorithm.",
            "pattern": "^(blake3|sha256):[0-9a-f]{64}$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_as_written_and_nothing_else_is_read() {
        for digest in [Digest::blake3(b"x"), Digest::sha256(b"x")] {
            assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        }
        let good = Digest::blake3(b"x").to_string();
        for bad in ["", "blake3", "md5:00", "blake3:00", &good.to_uppercase(), &good[7..]] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
