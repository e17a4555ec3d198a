use serde_json::Value;

use super::check::Check;
use super::documents::Role;
use super::parts::Checksum;
use super::rdf::term;
use crate::digest::{Digest, canonical_json};
use crate::model::FindingKind;

impl Check<'_> {
    /// `spdx:checksum`s that cannot be held against the bytes: no value of their algorithm, or no
    /// algorithm that is checked and none beside it.
    pub(super) fn stated_checksums(&mut self) {
        let key = self.documents.key_of(Role::Dcat);
        for distribution in self.documents.distributions() {
            self.unreadable(&key, &distribution.iri, &distribution.checksums);
        }
        let Some(prov) = &self.documents.prov else { return };
        let key = self.documents.key_of(Role::Prov);
        for subject in prov.subjects_with(term::CHECKSUM) {
            self.unreadable(&key, &subject, &prov.checksums(&subject));
        }
    }

    fn unreadable(&mut self, key: &str, subject: &str, checksums: &[Checksum]) {
        let checked = checksums.iter().any(|one| one.digest().is_some());
        for checksum in checksums {
            match checksum {
                Checksum::Malformed { algorithm, value } => {
                    let hint = format!("the spdx:checksumValue of {subject} is no {algorithm}");
                    let kind = FindingKind::ChecksumMismatch;
                    self.differ(kind, key, &hint, "64 hex digits", value.clone());
                }
                Checksum::Unsupported { algorithm } if !checked => {
                    let hint = format!(
                        "the spdx:algorithm of {subject} is not checked: give its BLAKE3 or SHA-256"
                    );
                    let expected = "spdx:checksumAlgorithm_blake3 or spdx:checksumAlgorithm_sha256";
                    let kind = FindingKind::ChecksumUnsupported;
                    self.differ(kind, key, &hint, expected, algorithm.clone());
                }
                Checksum::Digest(_) | Checksum::Unsupported { .. } => {}
            }
        }
    }

    /// `checksums.json` lists files of its own folder, each by a digest; the version's id is made
    /// of the spec that the run receipt holds.
    pub(super) fn receipt(&mut self) {
        let key = self.documents.key_of(Role::Checksums);
        let folder = self.documents.prefix("processed");
        for listed in self.documents.listed() {
            let path = listed.key.strip_prefix(&folder).unwrap_or_default();
            if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
                let hint = "checksums.json lists a path that is no key below its folder";
                self.outside(&key, hint, path);
            }
        }
        let Some(receipt) = self.documents.one(Role::Receipt) else { return };
        if !receipt.json.is_null() {
            self.spec(&receipt.key, &receipt.json);
        }
    }

    /// `spec_hash` is the SHA-256 of the spec, and the version's id ends in its first 8 digits.
    fn spec(&mut self, key: &str, json: &Value) {
        let stated = json.get("spec_hash").and_then(Value::as_str);
        if let (Some(spec), Some(stated)) = (json.get("spec"), stated)
            && let Ok(bytes) = canonical_json(spec)
        {
            let actual = Digest::sha256(&bytes).to_string();
            if actual != stated {
                let hint = "the spec_hash is not that of the spec beside it";
                self.differ(FindingKind::SpecHashMismatch, key, hint, stated, actual);
            }
        }
        let version = self.documents.version.as_str();
        let short = stated.and_then(|hash| hash.strip_prefix("sha256:")?.get(..8));
        if let Some(short) = short
            && version.rsplit('.').next() != Some(short)
        {
            let hint = "the dataset version's id is not made of its spec_hash";
            self.differ(FindingKind::SpecHashMismatch, key, hint, short, version);
        }
    }
}
