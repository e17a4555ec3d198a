//! Is a version named by its spec? `spec_hash` and the id made of it are computed again.

use serde_json::Value;

use super::check::Check;
use super::documents::{Documents, Role};
use crate::canonical::json::parse_strict;
use crate::digest::{Algorithm, Digest, canonical_json};
use crate::model::{DatasetVersionId, FindingKind};

/// Where JSON documents give it.
const PLACES: [&str; 4] =
    ["/spec_hash", "/kfm:spec_hash", "/properties/spec_hash", "/properties/kfm:spec_hash"];

impl Documents {
    /// Every document that gives a spec hash, with what it gives; the receipt first.
    fn spec_hashes(&self) -> Vec<(String, String)> {
        let mut given = Vec::new();
        for role in [Role::Receipt, Role::Collection, Role::Item, Role::Release, Role::Checksums] {
            for document in self.of(role) {
                for said in PLACES.iter().filter_map(|place| document.json.pointer(place)) {
                    let text = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
                    given.push((document.key.clone(), text));
                }
            }
        }
        if let (Some(rdf), Some(record)) = (&self.dcat, self.record()) {
            let said = rdf.own_terms(&["spec_hash", "specHash"]);
            let own = said.into_iter().filter(|(subject, _)| *subject == record);
            given.extend(own.map(|(_, text)| (self.key_of(Role::Dcat), text)));
        }
        given
    }
}

impl Check<'_> {
    /// The spec hash is the SHA-256 of the spec in the receipt (RFC 8785), every document gives
    /// the same, and the version's id ends in its first 8 digits.
    pub(super) fn spec(&mut self) {
        let documents = self.documents;
        let Some(receipt) = documents.one(Role::Receipt) else { return };
        let given = documents.spec_hashes();
        for (key, text) in &given {
            let good = text.parse::<Digest>().is_ok_and(|digest| {
                digest.algorithm() == Algorithm::Sha256 && digest.to_string() == *text
            });
            if !good {
                let hint = "the spec_hash is not of the form sha256:<64 hex digits>";
                self.differ(FindingKind::SpecHashMismatch, key, hint, "sha256:<hex>", text.clone());
                return;
            }
        }
        let Some((_, first)) = given.first() else {
            let hint = "no document gives the spec_hash, so the version's id cannot be recomputed";
            self.find(FindingKind::SpecHashMismatch, &receipt.key, hint);
            return;
        };
        match computed(receipt.spec.as_deref()) {
            Ok(actual) => {
                let hint = "the spec_hash is not that of the spec in the run receipt";
                for (key, text) in given.iter().filter(|(_, text)| *text != actual.to_string()) {
                    self.differ(
                        FindingKind::SpecHashMismatch,
                        key,
                        hint,
                        actual.to_string(),
                        text.clone(),
                    );
                }
            }
            Err(why) => {
                let hint = format!("the spec_hash cannot be recomputed: {why}");
                self.find(FindingKind::SpecHashMismatch, &receipt.key, &hint);
                for (key, text) in given.iter().filter(|(_, text)| text != first) {
                    let hint = "two documents give two spec hashes";
                    let (first, text) = (first.clone(), text.clone());
                    self.differ(FindingKind::SpecHashMismatch, key, hint, first, text);
                }
            }
        }
        self.id_is_of(&receipt.key, first);
    }

    fn id_is_of(&mut self, key: &str, stated: &str) {
        let version = &self.documents.version;
        let slice = version.as_str().rsplit_once('.').map_or(version.as_str(), |(slice, _)| slice);
        let Ok(hash) = stated.parse::<Digest>() else { return };
        let expected = DatasetVersionId::of(slice, hash);
        if version.parts().is_none() || expected.as_ref() != Ok(version) {
            let hint = "the dataset version's id is not made of its spec_hash";
            let expected = expected.map_or_else(|_| stated.to_owned(), String::from);
            let actual = version.to_string();
            self.differ(FindingKind::SpecHashMismatch, key, hint, expected, actual);
        }
    }
}

/// The hash of a spec as it stands in its document.
fn computed(spec: Option<&str>) -> Result<Digest, String> {
    let text = spec.ok_or("the run receipt holds no `spec`, or cannot be read")?;
    let spec = parse_strict(text.as_bytes()).map_err(|error| format!("in the spec, {error}"))?;
    if !matches!(spec, Value::Object(_)) {
        return Err("the `spec` of the run receipt is no object".into());
    }
    let canonical = canonical_json(&spec).map_err(|error| error.to_string())?;
    Ok(Digest::sha256(&canonical))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn a_spec_is_hashed_in_its_canonical_form_or_not_at_all() {
        let known = Digest::sha256(br#"{"a":[1,0.1,1e+30],"b":"\u000f\""}"#);
        let text = "{ \"b\": \"\\u000F\\\"\", \"a\": [1.0, 0.10, 1E30] }";
        assert_eq!(computed(Some(text)), Ok(known));
        for (bad, why) in [
            (r#"{"a": 9007199254740993}"#, "would be rounded"),
            (r#"{"a": 1, "a": 1}"#, "given twice"),
            (r#"{"a": 1e400}"#, "out of range"),
            (r#"{"a": "\ud800"}"#, "hex escape"),
            (r#"{"a": NaN}"#, "expected value"),
            ("[1]", "no object"),
        ] {
            let error = computed(Some(bad)).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
        assert!(computed(None).unwrap_err().contains("holds no `spec`"));
    }

    proptest! {
        #[test]
        fn the_order_of_members_and_white_space_do_not_matter(
            members in proptest::collection::btree_map("\\PC{0,4}", -1000i64..1000, 0..6)
        ) {
            let forth: Map<_, _> = members.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
            let back: Vec<String> =
                members.iter().rev().map(|(k, v)| format!("{} :{v}.0", json!(k))).collect();
            let one = computed(Some(&Value::Object(forth).to_string()));
            prop_assert_eq!(one, computed(Some(&format!("{{\n{}}}", back.join(" ,")))));
        }
    }
}
