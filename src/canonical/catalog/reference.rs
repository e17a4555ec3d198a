use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use url::Url;

use crate::canonical::layout::version_of;

/// The IRI of the canonical stores' root: an object is named by it and its key.
const ROOT: &str = "kfm://store/";

/// What may not stand as it is in the path of an IRI.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Where a reference in a document leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// To an object of the canonical stores.
    Object(String),
    /// Elsewhere; it is not followed.
    Elsewhere,
}

/// The IRI of an object: the base of the references in it.
pub(super) fn iri_of(key: &str) -> String {
    format!("{ROOT}{}", utf8_percent_encode(key, ESCAPED))
}

/// Follows a reference in the document under `key`: relative to it, `kfm://store/<key>`, or any
/// URL whose path ends in a key of the dataset version that the document is of.
pub(super) fn follow(key: &str, reference: &str) -> Target {
    let Ok(base) = Url::parse(&iri_of(key)) else { return Target::Elsewhere };
    let Ok(url) = base.join(reference) else { return Target::Elsewhere };
    let Ok(path) = percent_decode_str(url.path()).decode_utf8() else {
        return Target::Elsewhere;
    };
    if url.scheme() == base.scheme() && url.host_str() == base.host_str() {
        return Target::Object(path.trim_start_matches('/').to_owned());
    }
    // Published catalogs name objects by the address of their bucket.
    let version = key.strip_prefix("catalog/").map(|rest| rest.splitn(3, '/').take(2));
    let Some(version) = version.map(|parts| parts.collect::<Vec<_>>().join("/")) else {
        return Target::Elsewhere;
    };
    for zone in ["processed", "catalog"] {
        if let Some(at) = path.rfind(&format!("/{zone}/{version}/")) {
            return Target::Object(path[at + 1..].to_owned());
        }
    }
    Target::Elsewhere
}

/// As `follow`, and any URL whose path ends in a key of some dataset version: what provenance
/// leads to is mostly of another one.
pub(super) fn follow_anywhere(key: &str, reference: &str) -> Target {
    let near = follow(key, reference);
    let Target::Elsewhere = near else { return near };
    let path = Url::parse(reference).ok();
    let path = path.as_ref().and_then(|url| percent_decode_str(url.path()).decode_utf8().ok());
    for (at, _) in path.iter().flat_map(|path| path.match_indices("/processed/")) {
        let object = path.as_ref().map_or("", |path| &path[at + 1..]);
        // An id that is made of a spec is hardly there by chance.
        if version_of(object).is_some_and(|(_, version)| version.parts().is_some()) {
            return Target::Object(object.to_owned());
        }
    }
    Target::Elsewhere
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_lead_where_they_should() {
        let key = "catalog/roads/2026-02.abcd1234/stac/items/roads.json";
        let object = |key: &str| Target::Object(key.to_owned());
        for (reference, target) in [
            ("../collection.json", object("catalog/roads/2026-02.abcd1234/stac/collection.json")),
            ("./a%20b.json", object("catalog/roads/2026-02.abcd1234/stac/items/a b.json")),
            ("../../../../../processed/a/b/é#c", object("processed/a/b/é")),
            ("kfm://store/raw/x", object("raw/x")),
            (
                "s3://bucket/live/processed/roads/2026-02.abcd1234/artifacts/a.parquet",
                object("processed/roads/2026-02.abcd1234/artifacts/a.parquet"),
            ),
            ("https://example.org/processed/other/1/a.parquet", Target::Elsewhere),
            ("kfm://run/1", Target::Elsewhere),
            ("dcat://roads@2026-02.abcd1234", Target::Elsewhere),
        ] {
            assert_eq!(follow(key, reference), target, "{reference}");
        }
    }

    #[test]
    fn provenance_leads_to_objects_of_any_version() {
        let key = "catalog/roads/2026-02.abcd1234/prov/bundle.jsonld";
        let object = "processed/rivers/2026-01.00c0ffee/artifacts/a b.csv";
        for iri in [
            "s3://bucket/processed/live/processed/rivers/2026-01.00c0ffee/artifacts/a%20b.csv",
            "kfm://store/processed/rivers/2026-01.00c0ffee/artifacts/a%20b.csv",
        ] {
            assert_eq!(follow_anywhere(key, iri), Target::Object(object.into()), "{iri}");
        }
        for iri in ["https://example.org/processed/other/1/a.csv", "kfm://run/1", "urn:processed"] {
            assert_eq!(follow_anywhere(key, iri), Target::Elsewhere, "{iri}");
        }
    }

    proptest! {
        #[test]
        fn an_object_is_found_under_its_own_iri(segments in proptest::collection::vec("[^/\u{0}]{1,8}", 1..5)) {
            prop_assume!(segments.iter().all(|segment| segment != "." && segment != ".."));
            let key = segments.join("/");
            prop_assert_eq!(follow("catalog/a/b/dcat.jsonld", &iri_of(&key)), Target::Object(key));
        }
    }
}
