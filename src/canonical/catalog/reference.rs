use object_store::ObjectStoreScheme;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use url::Url;

use crate::model::DatasetVersionId;

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
    /// To something that is no file: a run, a record, an agent.
    Elsewhere,
    /// To no place of the canonical stores.
    Outside(Outside),
}

/// Why a reference leads to no place of the canonical stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outside {
    /// Its `..` climb above the root.
    AboveRoot,
    /// It names a host, or a place in an object store that is no key.
    Host,
    /// It cannot be read as a reference.
    Unreadable,
}

impl Outside {
    /// In words, after "it".
    pub(super) fn why(self) -> &'static str {
        match self {
            Self::AboveRoot => "climbs above the root of the store",
            Self::Host => "leads to another host",
            Self::Unreadable => "cannot be read as a reference",
        }
    }
}

/// The IRI of an object: the base of the references in it.
pub(super) fn iri_of(key: &str) -> String {
    format!("{ROOT}{}", utf8_percent_encode(key, ESCAPED))
}

/// Follows a reference in the document under `key`: relative to it, `kfm://store/<key>`, or the
/// address of an object store whose path ends in a key. An object is named by its key, whatever
/// bucket the document was written for: a restored store still speaks of the one that was lost.
pub(super) fn follow(key: &str, reference: &str) -> Target {
    // As readers of URLs do.
    let reference = reference.trim_matches(|c: char| c <= ' ');
    let Some((scheme, rest)) = split_scheme(reference) else { return relative(key, reference) };
    match scheme.as_str() {
        "kfm" => match rest.strip_prefix("//store") {
            Some(path) if path.is_empty() || path.starts_with(['/', '?', '#']) => {
                walk(Vec::new(), path_of(path))
            }
            _ => Target::Elsewhere,
        },
        "http" | "https" | "file" | "s3" | "s3a" | "gs" | "az" | "adl" | "azure" | "abfs"
        | "abfss" | "memory" => address(key, reference),
        "ftp" | "ftps" | "sftp" | "hdfs" | "webdav" => Target::Outside(Outside::Host),
        _ => Target::Elsewhere,
    }
}

/// The scheme in lower case, and what follows its colon.
fn split_scheme(reference: &str) -> Option<(String, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let mut letters = scheme.chars();
    let first = letters.next().is_some_and(|c| c.is_ascii_alphabetic());
    let others = letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    (first && others).then(|| (scheme.to_ascii_lowercase(), rest))
}

/// What stands before the query and the fragment.
fn path_of(reference: &str) -> &str {
    reference.split(['?', '#']).next().unwrap_or_default()
}

fn relative(key: &str, reference: &str) -> Target {
    let path = path_of(reference);
    if path.starts_with("//") {
        return Target::Outside(Outside::Host);
    }
    if path.is_empty() {
        return Target::Object(key.to_owned());
    }
    if path.starts_with('/') {
        return walk(Vec::new(), path);
    }
    let mut at: Vec<String> = key.split('/').map(str::to_owned).collect();
    at.pop();
    walk(at, path)
}

/// Goes along a percent-encoded path. A URL parser would stop at the root without a word.
fn walk(mut at: Vec<String>, path: &str) -> Target {
    let path = path.strip_prefix('/').unwrap_or(path);
    let mut in_folder = false;
    for encoded in path.split('/') {
        let Ok(decoded) = percent_decode_str(encoded).decode_utf8() else {
            return Target::Outside(Outside::Unreadable);
        };
        for segment in decoded.split('/') {
            in_folder = matches!(segment, "." | "..");
            match segment {
                "." => {}
                ".." => {
                    if at.pop().is_none() {
                        return Target::Outside(Outside::AboveRoot);
                    }
                }
                name => at.push(name.to_owned()),
            }
        }
    }
    if in_folder {
        at.push(String::new());
    }
    Target::Object(at.join("/"))
}

/// The key at the end of an address in an object store; any other host is outside.
fn address(key: &str, reference: &str) -> Target {
    let Ok(url) = Url::parse(reference) else { return Target::Outside(Outside::Unreadable) };
    let is_store = matches!(
        ObjectStoreScheme::parse(&url),
        Ok((scheme, _)) if !matches!(scheme, ObjectStoreScheme::Http)
    );
    let Ok(path) = percent_decode_str(url.path()).decode_utf8() else {
        return Target::Outside(Outside::Unreadable);
    };
    match key_in(key, &path) {
        Some(found) if is_store => Target::Object(found),
        _ => Target::Outside(Outside::Host),
    }
}

/// The key that a path ends in: one of the version that `key` is of, else one of any version,
/// else one of an acquisition.
fn key_in(key: &str, path: &str) -> Option<String> {
    let mut own = key.splitn(4, '/');
    if let (Some("catalog" | "processed" | "releases"), Some(dataset), Some(version), Some(_)) =
        (own.next(), own.next(), own.next(), own.next())
    {
        for zone in ["processed", "catalog", "releases"] {
            if let Some(at) = path.rfind(&format!("/{zone}/{dataset}/{version}/")) {
                return Some(path[at + 1..].to_owned());
            }
        }
    }
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let starts = |is_start: fn(&[&str]) -> bool| {
        let at = (0..segments.len()).find(|at| is_start(&segments[*at..]))?;
        Some(segments[at..].join("/"))
    };
    starts(|rest| match rest {
        ["processed" | "catalog" | "releases", _, version, _, ..] => is_version(version),
        _ => false,
    })
    .or_else(|| starts(|rest| matches!(rest, ["raw", _, _, _, ..])))
}

/// `<slice>.<8 hex digits>`.
fn is_version(text: &str) -> bool {
    let hash = text.rsplit_once('.').map(|(_, hash)| hash);
    let is_hash = hash.is_some_and(|h| h.len() == 8 && h.bytes().all(|b| b.is_ascii_hexdigit()));
    is_hash && text.parse::<DatasetVersionId>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "catalog/roads/2026-02.abcd1234/stac/items/roads.json";
    const DATA: &str = "processed/roads/2026-02.abcd1234/artifacts/a.parquet";

    fn object(key: &str) -> Target {
        Target::Object(key.to_owned())
    }

    #[test]
    fn references_to_objects_lead_to_their_keys() {
        for (reference, target) in [
            ("../collection.json", "catalog/roads/2026-02.abcd1234/stac/collection.json"),
            ("./a%20b.json", "catalog/roads/2026-02.abcd1234/stac/items/a b.json"),
            ("a+b%2Bc.json?v=1#x", "catalog/roads/2026-02.abcd1234/stac/items/a+b+c.json"),
            ("", KEY),
            ("#assets", KEY),
            ("../../../../../processed/a/b/é#c", "processed/a/b/é"),
            ("/raw/roads/x", "raw/roads/x"),
            ("kfm://store/raw/x", "raw/x"),
            ("KFM://store/raw/./y/../x?a", "raw/x"),
            ("s3://bucket/live/processed/roads/2026-02.abcd1234/artifacts/a.parquet", DATA),
            ("file:///srv/kfm/processed/roads/2026-02.abcd1234/artifacts/a.parquet?x#y", DATA),
            (
                "https://kfm.s3.eu-west-1.amazonaws.com/processed/roads/2026-02.abcd1234/artifacts/a.parquet",
                DATA,
            ),
            ("gs://bucket/x/processed/other/2026-01.00000000/artifacts/raw/b/c/d", {
                "processed/other/2026-01.00000000/artifacts/raw/b/c/d"
            }),
            ("s3://bucket/live/raw/roads/20260210/artifacts/a.csv", {
                "raw/roads/20260210/artifacts/a.csv"
            }),
        ] {
            assert_eq!(follow(KEY, reference), object(target), "{reference}");
        }
    }

    #[test]
    fn what_leads_out_says_why() {
        for (reference, why) in [
            ("../../../../../../etc/passwd", Outside::AboveRoot),
            ("..%2f../..%2F../../../etc/passwd", Outside::AboveRoot),
            ("%2e%2e/%2E%2E/../../../../x", Outside::AboveRoot),
            ("kfm://store/raw/../../x", Outside::AboveRoot),
            ("/../x", Outside::AboveRoot),
            ("//elsewhere.example/x", Outside::Host),
            ("https://elsewhere.example/processed/roads/2026-02.abcd1234/artifacts/a", {
                Outside::Host
            }),
            ("s3://bucket/something/else", Outside::Host),
            ("ftp://host/x", Outside::Host),
            ("a%ff", Outside::Unreadable),
            ("http://[", Outside::Unreadable),
        ] {
            assert_eq!(follow(KEY, reference), Target::Outside(why), "{reference}");
        }
        for reference in ["kfm://run/1", "kfm://stores/x", "dcat://roads@1", "urn:a", "mailto:a@b"]
        {
            assert_eq!(follow(KEY, reference), Target::Elsewhere, "{reference}");
        }
    }

    fn segment() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => Just("..".to_owned()),
            1 => Just(".".to_owned()),
            1 => Just("%2e%2E".to_owned()),
            2 => "[a-zA-Z0-9é _~-]{1,6}",
            1 => "%[2-7][0-9A-F]".prop_filter("a slash of its own", |text| text != "%2F"),
        ]
    }

    proptest! {
        #[test]
        fn an_object_is_found_under_its_own_iri(segments in proptest::collection::vec("[^/\u{0}]{1,8}", 1..5)) {
            prop_assume!(segments.iter().all(|segment| segment != "." && segment != ".."));
            let key = segments.join("/");
            prop_assert_eq!(follow("catalog/a/b/dcat.jsonld", &iri_of(&key)), Target::Object(key));
        }

        /// Below the root it says what a URL parser says; above it, it tells.
        #[test]
        fn relative_references_resolve_as_urls_do(segments in proptest::collection::vec(segment(), 1..12)) {
            let reference = segments.join("/");
            let mut depth = 5_i32;
            let climbs = segments.iter().any(|segment| {
                match percent_decode_str(segment).decode_utf8_lossy().as_ref() {
                    ".." => depth -= 1,
                    "." => {}
                    _ => depth += 1,
                }
                depth < 0
            });
            let url = Url::parse(&iri_of(KEY)).unwrap().join(&format!("./{reference}")).unwrap();
            let joined = percent_decode_str(url.path()).decode_utf8_lossy().into_owned();
            let above = Target::Outside(Outside::AboveRoot);
            let expected = if climbs { above } else { object(&joined[1..]) };
            prop_assert_eq!(follow(KEY, &format!("./{reference}")), expected);
        }

        #[test]
        fn nothing_that_is_read_leads_out_of_the_store(reference in "\\PC{0,40}") {
            if let Target::Object(key) = follow(KEY, &reference) {
                prop_assert!(key.split('/').all(|segment| segment != ".." && segment != "."), "{}", key);
            }
        }
    }
}
