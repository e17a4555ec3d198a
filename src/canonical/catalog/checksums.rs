use serde_json::Value;

use super::check::Check;
use super::documents::Role;
use super::multihash::{NotMultihash, read_multihash};
use super::rdf::term;
use super::reference::{Target, follow};
use crate::model::FindingKind;

impl Check<'_> {
    /// STAC assets lead to objects, and their `file:checksum` is a multihash of the bytes.
    pub(super) fn assets(&mut self) {
        for asset in self.documents.assets() {
            let Target::Object(object) = follow(asset.item, asset.href) else { continue };
            if self.is_gone(&object) {
                let hint = format!("the asset {} leads to an object that is not there", asset.name);
                self.differ(FindingKind::DanglingLink, asset.item, &hint, &object, "nothing");
            }
            self.hold_size(
                asset.item,
                &object,
                asset.json.get("file:size").and_then(Value::as_u64),
            );
            let Some(text) = asset.json.get("file:checksum").and_then(Value::as_str) else {
                if object.starts_with(&self.documents.prefix("processed")) {
                    let hint = format!("the asset {} has no file:checksum", asset.name);
                    self.find(FindingKind::SchemaInvalid, asset.item, &hint);
                }
                continue;
            };
            match read_multihash(text) {
                Ok(stated) => self.hold_digest(asset.item, &object, stated),
                Err(why) => {
                    let hint = format!(
                        "the file:checksum of the asset {} is no BLAKE3 or SHA-256 multihash",
                        asset.name
                    );
                    let kind = FindingKind::ChecksumNotMultihash;
                    self.differ(kind, asset.item, &hint, "1e20<hex> or 1220<hex>", text);
                    if let NotMultihash::Named(stated) = why {
                        self.hold_digest(asset.item, &object, stated);
                    }
                }
            }
        }
    }

    /// `checksums.json`: every artifact is there, with the size and digests given.
    pub(super) fn listed(&mut self) {
        let key = self.documents.key_of(Role::Checksums);
        let Some(document) = self.documents.one(Role::Checksums) else { return };
        if document.json.is_null() {
            return;
        }
        let entries = document.json.get("artifacts").and_then(Value::as_array).map(Vec::len);
        let listed = self.documents.listed();
        if entries != Some(listed.len()) || listed.iter().any(|entry| entry.digests.is_empty()) {
            let hint = "an entry has no path, or no digest that can be read";
            self.find(FindingKind::SchemaInvalid, &key, hint);
        }
        for entry in listed {
            if (self.digests)(&entry.key).is_none() {
                let hint = "checksums.json lists the artifact and it is not there: restore it";
                self.find(FindingKind::Missing, &entry.key, hint);
            }
            self.hold_size(&key, &entry.key, entry.size);
            for digest in entry.digests {
                self.hold_digest(&key, &entry.key, digest);
            }
        }
    }

    /// Every `spdx:checksum` that PROV gives of an object.
    pub(super) fn stated_checksums(&mut self) {
        let Some(prov) = &self.documents.prov else { return };
        let key = self.documents.key_of(Role::Prov);
        for subject in prov.subjects_with(term::CHECKSUM) {
            if let Target::Object(object) = follow(&key, &subject) {
                for digest in prov.checksums(&subject) {
                    self.hold_digest(&key, &object, digest);
                }
            }
        }
    }

    /// The run receipt: it is of this version, and its inputs and outputs are the bytes.
    pub(super) fn receipt(&mut self) {
        let Some(receipt) = self.documents.one(Role::Receipt) else { return };
        let (key, json) = (&receipt.key, &receipt.json);
        if json.is_null() {
            return;
        }
        let text = |member: &str| json.get(member).and_then(Value::as_str);
        for member in ["kfm_run_receipt_version", "run_id", "operation", "created_at"] {
            if text(member).is_none() {
                let hint = format!("the run receipt has no `{member}`");
                self.find(FindingKind::SchemaInvalid, key, &hint);
            }
        }
        let version = self.documents.version.as_str();
        if text("dataset_version_id") != Some(version) {
            let actual = text("dataset_version_id").unwrap_or("nothing");
            let hint = "the run receipt is of another dataset version";
            self.differ(FindingKind::DanglingLink, key, hint, version, actual);
        }
        for member in ["inputs", "outputs"] {
            for entry in json.get(member).and_then(Value::as_array).into_iter().flatten() {
                let text = |member: &str| entry.get(member).and_then(Value::as_str);
                let (Some(uri), Some(digest)) = (text("uri"), text("digest")) else { continue };
                if let (Target::Object(object), Ok(stated)) = (follow(key, uri), digest.parse()) {
                    self.hold_digest(key, &object, stated);
                }
            }
        }
    }
}
