//! What is its name? Digests of bytes, of JSON documents and of multisets of rows.

mod canonical;
mod hash;
mod multiset;
mod value;

pub use canonical::{CanonicalError, canonical_json, digest_json};
pub use hash::{Blake3Hasher, BothDigests, BothHashers};
pub use multiset::{Multiset, MultisetDigest};
pub use value::{Algorithm, Digest, ParseDigestError};
