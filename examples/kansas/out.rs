use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::Outcome;
use crate::variant::Variant;

/// Where the fixture is written.
pub(crate) struct Out {
    root: PathBuf,
    pub(crate) variant: Variant,
}

/// What was written under a key.
#[derive(Clone)]
pub(crate) struct Written {
    pub(crate) key: String,
    pub(crate) size: usize,
    pub(crate) blake3: String,
    pub(crate) sha256: String,
    pub(crate) media_type: &'static str,
}

impl Out {
    pub(crate) fn new(root: PathBuf, variant: Variant) -> Self {
        Self { root, variant }
    }

    pub(crate) fn put(
        &self,
        key: &str,
        media_type: &'static str,
        bytes: &[u8],
    ) -> Outcome<Written> {
        let path = self.root.join(key);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, bytes)?;
        Ok(Written {
            key: key.to_owned(),
            size: bytes.len(),
            blake3: blake3::hash(bytes).to_hex().to_string(),
            sha256: sha256(bytes),
            media_type,
        })
    }

    /// Writes a document as the variant renders it.
    pub(crate) fn document(
        &self,
        key: &str,
        media_type: &'static str,
        document: &Value,
    ) -> Outcome<Written> {
        self.put(key, media_type, &self.variant.render(key, document)?)
    }
}

impl Written {
    /// The last segment of the key.
    pub(crate) fn name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or(&self.key)
    }

    /// The name under which receipts and provenance know the object.
    pub(crate) fn uri(&self) -> String {
        format!("kfm://store/{}", self.key)
    }
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    blake3::Hash::from_bytes(Sha256::digest(bytes).into()).to_hex().to_string()
}
