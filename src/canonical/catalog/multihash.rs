use crate::digest::{Algorithm, Digest};

/// Says why a STAC `file:checksum` is no multihash that can be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotMultihash {
    /// It has the form that the platform's own examples have: a name, a colon, hex digits.
    Named(Digest),
    /// It is a multihash of another function.
    OtherFunction,
    /// It is something else.
    Malformed,
}

/// Reads a multihash in lower-case hex: `1e20` and 64 digits is BLAKE3, `1220` and 64 digits is
/// SHA-256.
pub(super) fn read_multihash(text: &str) -> Result<Digest, NotMultihash> {
    if let Ok(named) = text.parse() {
        return Err(NotMultihash::Named(named));
    }
    let hex = text.len() >= 4
        && text.len().is_multiple_of(2)
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !hex {
        return Err(NotMultihash::Malformed);
    }
    let algorithm = match &text[..4] {
        "1e20" => Algorithm::Blake3,
        "1220" => Algorithm::Sha256,
        _ => return Err(NotMultihash::OtherFunction),
    };
    format!("{}:{}", algorithm.name(), &text[4..]).parse().map_or(Err(NotMultihash::Malformed), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_functions_are_read_and_nothing_is_taken_for_another() {
        let (blake3, sha256) = (Digest::blake3(b"x"), Digest::sha256(b"x"));
        assert_eq!(read_multihash(&format!("1e20{}", blake3.hex())), Ok(blake3));
        assert_eq!(read_multihash(&format!("1220{}", sha256.hex())), Ok(sha256));
        assert_eq!(read_multihash(&sha256.to_string()), Err(NotMultihash::Named(sha256)));
        for bad in ["", "12", "1220", "1220zz", &sha256.hex().to_uppercase(), "1220é", "1e2000"] {
            assert_eq!(read_multihash(bad), Err(NotMultihash::Malformed), "{bad}");
        }
        assert_eq!(read_multihash("1114ff"), Err(NotMultihash::OtherFunction));
    }
}
