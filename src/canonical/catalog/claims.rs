//! What each document says of each object, side by side.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::check::Check;
use super::documents::{Documents, Role};
use super::multihash::read_multihash;
use super::parts::Checksum;
use super::rdf::term;
use super::reference::{Target, follow};
use crate::digest::{Algorithm, BothDigests, Digest};
use crate::model::FindingKind;

/// What one document says of one object.
pub(super) struct Claim {
    /// What the document is for; items speak for the collection too.
    pub(super) role: Role,
    /// The key of the document.
    pub(super) from: String,
    /// The key of the object.
    pub(super) object: String,
    pub(super) size: Option<u64>,
    pub(super) media_type: Option<String>,
    pub(super) digests: Vec<Digest>,
}

impl Documents {
    /// All that the documents say of objects.
    pub(super) fn claims(&self) -> Vec<Claim> {
        let mut claims = Vec::new();
        let from = self.key_of(Role::Checksums);
        for listed in self.listed() {
            let (from, object) = (from.clone(), listed.key);
            let (size, media_type, digests) = (listed.size, listed.media_type, listed.digests);
            let role = Role::Checksums;
            claims.push(Claim { role, from, object, size, media_type, digests });
        }
        let from = self.key_of(Role::Dcat);
        for one in self.distributions() {
            let Some(object) = one.object else { continue };
            let digests = one.checksums.iter().filter_map(Checksum::digest).collect();
            let (from, role, size, media_type) =
                (from.clone(), Role::Dcat, one.size, one.media_type);
            claims.push(Claim { role, from, object, size, media_type, digests });
        }
        for asset in self.assets() {
            let Target::Object(object) = follow(asset.item, asset.href) else { continue };
            let text = |name: &str| asset.json.get(name).and_then(Value::as_str);
            let digest = text("file:checksum").and_then(|hash| read_multihash(hash).ok());
            claims.push(Claim {
                role: Role::Item,
                from: asset.item.to_owned(),
                object,
                size: asset.json.get("file:size").and_then(Value::as_u64),
                media_type: text("type").map(str::to_owned),
                digests: digest.into_iter().collect(),
            });
        }
        claims.extend(self.prov_claims());
        claims.extend(self.receipt_claims());
        claims
    }

    fn prov_claims(&self) -> Vec<Claim> {
        let Some(prov) = &self.prov else { return Vec::new() };
        let from = self.key_of(Role::Prov);
        let mut subjects = prov.subjects_with(term::TYPE);
        subjects.extend(prov.subjects_with(term::CHECKSUM));
        subjects.sort();
        subjects.dedup();
        let read = |subject: String| match follow(&from, &subject) {
            // A blank node is named by the document and a fragment.
            Target::Object(object) if object != from => Some(Claim {
                role: Role::Prov,
                from: from.clone(),
                object,
                size: None,
                media_type: None,
                digests: prov.checksums(&subject).iter().filter_map(Checksum::digest).collect(),
            }),
            _ => None,
        };
        subjects.into_iter().filter_map(read).collect()
    }

    fn receipt_claims(&self) -> Vec<Claim> {
        let Some(receipt) = self.one(Role::Receipt) else { return Vec::new() };
        let entries = ["inputs", "outputs"].into_iter().flat_map(|member| {
            receipt.json.get(member).and_then(Value::as_array).into_iter().flatten()
        });
        let read = |entry: &Value| {
            let Target::Object(object) = follow(&receipt.key, entry.get("uri")?.as_str()?) else {
                return None;
            };
            let digest = entry.get("digest").and_then(Value::as_str);
            Some(Claim {
                role: Role::Receipt,
                from: receipt.key.clone(),
                object,
                size: None,
                media_type: None,
                digests: digest.and_then(|text| text.parse().ok()).into_iter().collect(),
            })
        };
        entries.filter_map(read).collect()
    }

    /// The objects outside the version's own folders that documents speak of: what it was made of.
    pub(crate) fn sources(&self) -> BTreeSet<String> {
        let own = ["processed", "catalog", "releases"].map(|zone| self.prefix(zone));
        let claims = self.claims().into_iter().map(|claim| claim.object);
        claims.filter(|object| !own.iter().any(|prefix| object.starts_with(prefix))).collect()
    }
}

impl Check<'_> {
    /// Holds every claim against the bytes; where nobody knows the bytes, against the other
    /// claims. Media types and the lists of artifacts are held against each other.
    pub(super) fn claims(&mut self) {
        let claims = self.documents.claims();
        let mut by_object: BTreeMap<&str, Vec<&Claim>> = BTreeMap::new();
        for claim in &claims {
            by_object.entry(&claim.object).or_default().push(claim);
        }
        for (object, claims) in &by_object {
            match (self.digests)(object) {
                Some(bytes) => claims.iter().for_each(|claim| self.hold(claim, &bytes, claims)),
                None if self.is_gone(object) => claims.iter().for_each(|claim| self.gone(claim)),
                None => self.agree(claims),
            }
            self.media_types(claims);
        }
        self.completeness(&by_object);
    }

    fn gone(&mut self, claim: &Claim) {
        let object = &claim.object;
        if claim.role == Role::Checksums {
            let hint = "checksums.json lists the artifact and it is not there: restore it";
            self.find(FindingKind::Missing, object, hint);
        } else {
            let hint = "the document leads to an object that is not there: restore it";
            self.differ(FindingKind::DanglingLink, &claim.from, hint, object, "nothing");
        }
    }

    fn hold(&mut self, claim: &Claim, bytes: &BothDigests, all: &[&Claim]) {
        let object = &claim.object;
        if let Some(stated) = claim.size
            && stated != bytes.size
        {
            let hint = format!("the size given of {object} is not that of its bytes");
            let (kind, actual) = (FindingKind::ChecksumMismatch, bytes.size.to_string());
            self.differ(kind, &claim.from, &hint, stated.to_string(), actual);
        }
        for stated in &claim.digests {
            let actual = of(bytes, stated.algorithm());
            if *stated == actual {
                continue;
            }
            let mut hint = format!("the checksum given of {object} is not that of its bytes");
            let other = [bytes.blake3, bytes.sha256].into_iter().find(|d| d.hex() == stated.hex());
            if let Some(other) = other {
                let name = other.algorithm().name();
                hint = format!("the checksum given of {object} is its {name}, under another name");
            } else if let Some(right) = all.iter().find(|one| one.digests.contains(&actual)) {
                hint = format!("{hint}; {} gives the right one", right.from);
            }
            let (expected, actual) = (stated.to_string(), actual.to_string());
            self.differ(FindingKind::ChecksumMismatch, &claim.from, &hint, expected, actual);
        }
    }

    /// Nobody knows the bytes: at least the documents must say the same.
    fn agree(&mut self, claims: &[&Claim]) {
        for algorithm in [Algorithm::Blake3, Algorithm::Sha256] {
            let digest = |claim: &Claim| {
                let mut digests = claim.digests.iter();
                digests.find(|one| one.algorithm() == algorithm).map(ToString::to_string)
            };
            self.same("digest", claims, digest);
        }
        self.same("size", claims, |claim| claim.size.map(|size| size.to_string()));
    }

    fn media_types(&mut self, claims: &[&Claim]) {
        self.same("media type", claims, |claim| {
            let text = claim.media_type.as_ref()?.split(';').next()?;
            Some(text.trim().to_ascii_lowercase())
        });
    }

    /// Names the first document that says something, and every one that says another thing.
    fn same(&mut self, what: &str, claims: &[&Claim], said: impl Fn(&Claim) -> Option<String>) {
        let mut all = claims.iter().filter_map(|claim| Some((claim, said(claim)?)));
        let Some((first, expected)) = all.next() else { return };
        for (claim, actual) in all.filter(|(_, actual)| *actual != expected) {
            let (object, other) = (&claim.object, &first.from);
            let hint = format!("{other} gives another {what} of {object}: find out which is right");
            let expected = format!("{expected} ({other})");
            self.differ(FindingKind::DocumentsDisagree, &claim.from, &hint, expected, actual);
        }
    }
}

fn of(bytes: &BothDigests, algorithm: Algorithm) -> Digest {
    match algorithm {
        Algorithm::Blake3 => bytes.blake3,
        Algorithm::Sha256 => bytes.sha256,
    }
}
