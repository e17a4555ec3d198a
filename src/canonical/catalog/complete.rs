//! Does every document name every artifact?

use std::collections::BTreeMap;

use serde_json::Value;

use super::check::Check;
use super::claims::Claim;
use super::documents::Role;
use crate::model::FindingKind;

/// Who must name each artifact, and what it means if it does not.
const NAMING: [(Role, FindingKind, &str); 5] = [
    (Role::Checksums, FindingKind::DanglingLink, "checksums.json does not list the artifact"),
    (
        Role::Dcat,
        FindingKind::DanglingLink,
        "the artifact has no dcat:distribution: the catalog does not know it",
    ),
    (
        Role::Item,
        FindingKind::DanglingLink,
        "no STAC asset leads to the artifact: who searches does not find it",
    ),
    (
        Role::Prov,
        FindingKind::ProvenanceIncomplete,
        "the provenance bundle does not speak of the artifact: where it is from is unknown",
    ),
    (
        Role::Receipt,
        FindingKind::ProvenanceIncomplete,
        "the artifact is no output of the run receipt: what made it is unknown",
    ),
];

impl Check<'_> {
    /// An artifact that a document leaves out, and an object that nobody names.
    pub(super) fn completeness(&mut self, claims: &BTreeMap<&str, Vec<&Claim>>) {
        let folder = self.documents.prefix("processed");
        let is_there = |check: &Self, object: &str| !check.is_gone(object);
        let artifacts: Vec<&str> = claims
            .iter()
            .filter(|(object, _)| is_artifact(&folder, object))
            .filter(|(object, claims)| {
                claims.iter().any(|claim| claim.role == Role::Checksums) || is_there(self, object)
            })
            .map(|(object, _)| *object)
            .collect();
        for (role, kind, hint) in NAMING {
            if !self.speaks(role) {
                continue;
            }
            for object in &artifacts {
                let named = claims[object].iter().any(|claim| claim.role == role);
                let is_known = named || (role == Role::Receipt && self.is_output(object));
                if !is_known {
                    let key = self.speaker(role);
                    self.differ(kind, &key, hint, *object, "nothing");
                }
            }
        }
        let nameless = |object: &&str| is_artifact(&folder, object) && !claims.contains_key(object);
        let nameless: Vec<&str> = self.documents.below("processed").filter(nameless).collect();
        for object in nameless {
            let hint = "no document of the version names it; find out who wrote it, then move it \
                        away by hand";
            self.find(FindingKind::Extra, object, hint);
        }
    }

    /// Whether a document of the role is there and can be read; one that is not has its finding.
    fn speaks(&self, role: Role) -> bool {
        match role {
            Role::Dcat => self.documents.record().is_some(),
            Role::Prov => self.documents.prov.is_some(),
            Role::Item => {
                let readable = |role| self.documents.of(role).any(|one| one.json.is_object());
                readable(Role::Item) || readable(Role::Collection)
            }
            role => self.documents.one(role).is_some_and(|document| document.json.is_object()),
        }
    }

    /// The key of the document that should speak: of items the first, or the collection.
    fn speaker(&self, role: Role) -> String {
        match (role, self.documents.one(Role::Item)) {
            (Role::Item, Some(item)) => item.key.clone(),
            (Role::Item, None) => self.documents.key_of(Role::Collection),
            (role, _) => self.documents.key_of(role),
        }
    }

    /// Whether the receipt names the bytes of an object by their digest alone.
    fn is_output(&self, object: &str) -> bool {
        let Some(bytes) = (self.digests)(object) else { return false };
        let outputs = self.documents.one(Role::Receipt).and_then(|one| one.json.get("outputs"));
        outputs.and_then(Value::as_array).into_iter().flatten().any(|output| {
            let digest = output.get("digest").and_then(Value::as_str);
            let names = [bytes.blake3, bytes.sha256].map(|digest| digest.to_string());
            digest.is_some_and(|digest| names.iter().any(|name| name == digest))
        })
    }
}

/// Whether a key is that of an artifact; what is said of it (`checksums.json`, `qa/`) is none.
fn is_artifact(folder: &str, object: &str) -> bool {
    let rest = object.strip_prefix(folder);
    rest.is_some_and(|rest| rest != "checksums.json" && !rest.starts_with("qa/"))
}
