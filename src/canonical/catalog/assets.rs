use serde_json::Value;

use super::check::Check;
use super::documents::Role;
use super::multihash::{NotMultihash, read_multihash};
use super::parts::Asset;
use super::reference::{Target, follow};
use crate::model::FindingKind;

impl Check<'_> {
    /// STAC assets lead to objects of the stores, and their `file:checksum` is a multihash that
    /// can be checked. Whether it is that of the bytes is said by `claims`.
    pub(super) fn assets(&mut self) {
        for asset in self.documents.assets() {
            let leads = follow(asset.item, asset.href);
            if let Target::Object(object) = &leads
                && object.starts_with(&self.documents.prefix("processed"))
                && asset.json.get("file:checksum").is_none()
            {
                let hint = format!("the asset {} has no file:checksum", asset.name);
                self.find(FindingKind::SchemaInvalid, asset.item, &hint);
            }
            let astray = match leads {
                Target::Object(_) => None,
                Target::Outside(outside) => Some(outside.why()),
                Target::Elsewhere => Some("is no file"),
            };
            if let Some(why) = astray.filter(|_| is_data(&asset)) {
                let hint = format!("the asset {} holds data, and its href {why}", asset.name);
                self.outside(asset.item, &hint, asset.href);
            }
            if let Some(text) = asset.json.get("file:checksum").and_then(Value::as_str) {
                let object = match follow(asset.item, asset.href) {
                    Target::Object(object) => Some(object),
                    _ => None,
                };
                self.multihash(asset.item, asset.name, text, object.as_deref());
            }
        }
        self.link_checksums();
    }

    /// Links may have checksums as assets have.
    fn link_checksums(&mut self) {
        let documents = self.documents;
        let stac = [Role::Collection, Role::Item, Role::Stac];
        for document in stac.into_iter().flat_map(|role| documents.of(role)) {
            let links = document.json.get("links").and_then(Value::as_array);
            for link in links.into_iter().flatten() {
                let text = |member: &str| link.get(member).and_then(Value::as_str);
                let (Some(href), Some(hash)) = (text("href"), text("file:checksum")) else {
                    continue;
                };
                let Target::Object(object) = follow(&document.key, href) else { continue };
                self.multihash(&document.key, href, hash, Some(&object));
                if let Ok(stated) = read_multihash(hash) {
                    self.hold_digest(&document.key, &object, stated);
                }
            }
        }
    }

    fn multihash(&mut self, key: &str, name: &str, text: &str, object: Option<&str>) {
        match read_multihash(text) {
            Ok(_) => {}
            Err(NotMultihash::Unsupported(function)) => {
                let hint = format!(
                    "the file:checksum of {name} is a {function}, which is not checked: give its \
                     BLAKE3 or SHA-256"
                );
                let kind = FindingKind::ChecksumUnsupported;
                self.differ(kind, key, &hint, "1e20<hex> or 1220<hex>", text);
            }
            Err(why) => {
                let hint = format!(
                    "the file:checksum of {name} is no multihash: write 1e20 and the BLAKE3, or \
                     1220 and the SHA-256, in lower-case hex"
                );
                let kind = FindingKind::ChecksumNotMultihash;
                self.differ(kind, key, &hint, "1e20<hex> or 1220<hex>", text);
                if let (NotMultihash::Named(stated), Some(object)) = (why, object) {
                    self.hold_digest(key, object, stated);
                }
            }
        }
    }
}

/// Whether an asset is one of the version's own files: it says so, or its bytes are described.
fn is_data(asset: &Asset<'_>) -> bool {
    let roles = asset.json.get("roles").and_then(Value::as_array);
    let has_role = roles.is_none_or(|roles| roles.iter().any(|role| role == "data"));
    has_role || asset.json.get("file:checksum").is_some()
}
