use super::check::Check;
use super::documents::Role;
use super::parts::Checksum;
use super::rdf::term;
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

    /// `checksums.json` lists files of its own folder.
    pub(super) fn listing(&mut self) {
        let key = self.documents.key_of(Role::Checksums);
        let folder = self.documents.prefix("processed");
        for listed in self.documents.listed() {
            let path = listed.key.strip_prefix(&folder).unwrap_or_default();
            if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
                let hint = "checksums.json lists a path that is no key below its folder";
                self.outside(&key, hint, path);
            }
        }
    }
}
