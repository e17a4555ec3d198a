use data_encoding::HEXLOWER;
use multihash::Multihash;

use crate::digest::{Algorithm, Digest};

/// Says why a STAC `file:checksum` cannot be held against the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotMultihash {
    /// It has the form that the platform's own examples have: a name, a colon, hex digits.
    Named(Digest),
    /// It is a multihash of a function that is known and cannot be checked: which one.
    Unsupported(String),
    /// It is something else.
    Malformed,
}

/// No function gives more bytes.
const LONGEST: usize = 128;
const SHA256: u64 = 0x12;
const BLAKE3: u64 = 0x1e;

/// Reads a multihash in lower-case hex: the function and the length as varints, then the digest.
pub(super) fn read_multihash(text: &str) -> Result<Digest, NotMultihash> {
    if let Ok(named) = text.parse() {
        return Err(NotMultihash::Named(named));
    }
    let Ok(bytes) = HEXLOWER.decode(text.as_bytes()) else { return Err(NotMultihash::Malformed) };
    let Ok(hash) = Multihash::<LONGEST>::from_bytes(&bytes) else {
        return Err(NotMultihash::Malformed);
    };
    let name = name_of(hash.code()).ok_or(NotMultihash::Malformed)?;
    let algorithm = match hash.code() {
        SHA256 => Algorithm::Sha256,
        BLAKE3 => Algorithm::Blake3,
        _ => return Err(NotMultihash::Unsupported(name)),
    };
    match <[u8; 32]>::try_from(hash.digest()) {
        Ok(digest) => Ok(Digest::new(algorithm, digest)),
        Err(_) if hash.digest().is_empty() => Err(NotMultihash::Malformed),
        Err(_) => {
            let bytes = hash.digest().len();
            Err(NotMultihash::Unsupported(format!("{name} of {bytes} bytes")))
        }
    }
}

/// The names of the multicodec table's hash functions that stand in catalogs.
fn name_of(code: u64) -> Option<String> {
    let name = match code {
        0x00 => "identity",
        0x11 => "sha1",
        SHA256 => "sha2-256",
        0x13 => "sha2-512",
        0x14 => "sha3-512",
        0x15 => "sha3-384",
        0x16 => "sha3-256",
        0x17 => "sha3-224",
        0x18 => "shake-128",
        0x19 => "shake-256",
        0x1a => "keccak-224",
        0x1b => "keccak-256",
        0x1c => "keccak-384",
        0x1d => "keccak-512",
        BLAKE3 => "blake3",
        0x20 => "sha2-384",
        0x56 => "dbl-sha2-256",
        0xd4 => "md4",
        0xd5 => "md5",
        0x1013 => "sha2-224",
        0x1014 => "sha2-512-224",
        0x1015 => "sha2-512-256",
        0x1053 => "ripemd-160",
        0xb201..=0xb240 => return Some(format!("blake2b-{}", (code - 0xb200) * 8)),
        0xb241..=0xb260 => return Some(format!("blake2s-{}", (code - 0xb240) * 8)),
        _ => return None,
    };
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_functions_are_read_and_nothing_is_taken_for_another() {
        let (blake3, sha256) = (Digest::blake3(b"x"), Digest::sha256(b"x"));
        assert_eq!(read_multihash(&format!("1e20{}", blake3.hex())), Ok(blake3));
        assert_eq!(read_multihash(&format!("1220{}", sha256.hex())), Ok(sha256));
        assert_eq!(read_multihash(&sha256.to_string()), Err(NotMultihash::Named(sha256)));
        let upper = format!("1220{}", sha256.hex().to_uppercase());
        for bad in ["", "12", "1220", "1220zz", &upper, "1220é", "1e2000", &sha256.hex(), "1e00"] {
            assert_eq!(read_multihash(bad), Err(NotMultihash::Malformed), "{bad}");
        }
    }

    #[test]
    fn functions_that_cannot_be_checked_are_named() {
        let unsupported = |name: &str| Err(NotMultihash::Unsupported(name.to_owned()));
        for (code, length, name) in [
            ("11", 20, "sha1"),
            ("13", 64, "sha2-512"),
            ("d501", 16, "md5"),
            ("a0e402", 32, "blake2b-256"),
            ("12", 20, "sha2-256 of 20 bytes"),
        ] {
            let text = format!("{code}{length:02x}{}", "ab".repeat(length));
            assert_eq!(read_multihash(&text), unsupported(name), "{text}");
        }
        // A varint that is longer than it need be, and a code that nobody knows.
        assert_eq!(read_multihash(&format!("920020{}", "ab".repeat(32))), {
            Err(NotMultihash::Malformed)
        });
        assert_eq!(read_multihash("7f01ab"), Err(NotMultihash::Malformed));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-f]{0,140}") {
            if let Ok(digest) = read_multihash(&text) {
                prop_assert_eq!(digest.hex(), &text[4..]);
            }
        }
    }
}
