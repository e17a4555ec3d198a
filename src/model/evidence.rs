use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::DatasetVersionId;
use crate::digest::Digest;

/// What may not stand as it is in a part of a reference.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'@');
/// As `ESCAPED`, where a part may have slashes.
const ESCAPED_PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?');

/// What a ledger record, a release or a search record points to as its evidence. It is read
/// without a network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidenceRef {
    /// `dcat://<dataset>@<version>[#dist=<distribution>]`: a DCAT record.
    Dcat {
        /// The dataset.
        dataset: String,
        /// Its version.
        version: DatasetVersionId,
        /// One distribution of it.
        distribution: Option<String>,
    },
    /// `stac://<collection>/items/<item>[#asset=<asset>]`: a STAC item.
    Stac {
        /// The collection.
        collection: String,
        /// The item.
        item: String,
        /// One asset of it.
        asset: Option<String>,
    },
    /// `prov://<run id>`: an activity; the run id may be written as `kfm://run/<id>`.
    Prov {
        /// The run, without `kfm://run/`.
        run: String,
    },
    /// `doc://<digest>[#page=<page>]`: an object by its content.
    Doc {
        /// The digest of the bytes.
        digest: Digest,
        /// One page of it, from 1.
        page: Option<u32>,
    },
    /// `graph://<entity>[#rel=<relation>]`: a node of the graph.
    Graph {
        /// The entity.
        entity: String,
        /// One relation of it.
        relation: Option<String>,
    },
}

/// Says why a text is no evidence reference.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is no evidence reference: {why}")]
pub struct ParseEvidenceError {
    text: String,
    why: &'static str,
}

impl FromStr for EvidenceRef {
    type Err = ParseEvidenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text).map_err(|why| ParseEvidenceError { text: text.to_owned(), why })
    }
}

fn read(text: &str) -> Result<EvidenceRef, &'static str> {
    const SCHEMES: &str = "expected dcat://, stac://, prov://, doc:// or graph://";
    let (scheme, rest) = text.split_once("://").ok_or(SCHEMES)?;
    let (body, fragment) = match rest.split_once('#') {
        Some((body, fragment)) => (body, Some(fragment)),
        None => (rest, None),
    };
    match scheme {
        "dcat" => {
            let (dataset, version) =
                body.split_once('@').ok_or("expected dcat://<dataset>@<version>")?;
            let version = decoded(version)?.parse().ok().ok_or("the version is no path segment")?;
            let distribution = named(fragment, "dist", "expected #dist=<distribution>")?;
            Ok(EvidenceRef::Dcat { dataset: decoded(dataset)?, version, distribution })
        }
        "stac" => {
            let shape = "expected stac://<collection>/items/<item>";
            let (collection, item) = body.split_once("/items/").ok_or(shape)?;
            if collection.contains('/') || item.contains('/') {
                return Err(shape);
            }
            let asset = named(fragment, "asset", "expected #asset=<asset>")?;
            Ok(EvidenceRef::Stac { collection: decoded(collection)?, item: decoded(item)?, asset })
        }
        "prov" => {
            let whole = "a prov:// reference has no fragment";
            let run = body.strip_prefix("kfm://run/").unwrap_or(body);
            if fragment.is_some() {
                Err(whole)
            } else {
                Ok(EvidenceRef::Prov { run: decoded(run)? })
            }
        }
        "doc" => {
            let digest = body.parse().ok().ok_or("expected doc://<algorithm>:<hex>")?;
            let page = named(fragment, "page", "expected #page=<number>")?;
            let page = page.map(|page| page.parse::<u32>()).transpose();
            let page = page.ok().filter(|page| *page != Some(0)).ok_or("the page is no number")?;
            Ok(EvidenceRef::Doc { digest, page })
        }
        "graph" => {
            let relation = named(fragment, "rel", "expected #rel=<relation>")?;
            Ok(EvidenceRef::Graph { entity: decoded(body)?, relation })
        }
        _ => Err(SCHEMES),
    }
}

/// The value of a fragment of the one form that the scheme has.
fn named(
    fragment: Option<&str>,
    name: &str,
    why: &'static str,
) -> Result<Option<String>, &'static str> {
    let Some(fragment) = fragment else { return Ok(None) };
    let value = fragment.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
    value.map_or(Err(why), decoded).map(Some)
}

fn decoded(part: &str) -> Result<String, &'static str> {
    if part.is_empty() {
        return Err("a part of it is empty");
    }
    if part.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("it has white space");
    }
    let decoded = percent_decode_str(part).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).ok().ok_or("it is no UTF-8")
}

impl fmt::Display for EvidenceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |text| utf8_percent_encode(text, ESCAPED);
        let path = |text| utf8_percent_encode(text, ESCAPED_PATH);
        let (name, fragment) = match self {
            Self::Dcat { dataset, version, distribution } => {
                write!(f, "dcat://{}@{}", part(dataset), part(version.as_str()))?;
                ("dist", distribution.as_deref())
            }
            Self::Stac { collection, item, asset } => {
                write!(f, "stac://{}/items/{}", part(collection), part(item))?;
                ("asset", asset.as_deref())
            }
            Self::Prov { run } => return write!(f, "prov://{}", path(run)),
            Self::Doc { digest, page } => {
                write!(f, "doc://{digest}")?;
                return page.map_or(Ok(()), |page| write!(f, "#page={page}"));
            }
            Self::Graph { entity, relation } => {
                write!(f, "graph://{}", path(entity))?;
                ("rel", relation.as_deref())
            }
        };
        fragment.map_or(Ok(()), |value| write!(f, "#{name}={}", path(value)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_are_read_and_others_refused() {
        let hex = Digest::sha256(b"x").to_string();
        let (page, no_page) = (format!("doc://{hex}#page=3"), format!("doc://{hex}#page=0"));
        for good in [
            "dcat://ks_airports@2026-02.c4f9633b",
            "dcat://ks_airports@2026-02.c4f9633b#dist=ks_airports.parquet",
            "stac://ks_airports/items/ks_airports#asset=a%20b",
            "prov://019c4619-0ac0-7dec-84d0-3fb7e9f6ee5f",
            "graph://county/20001#rel=borders",
            &page,
        ] {
            let read: EvidenceRef = good.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(read.to_string(), good);
        }
        let run: EvidenceRef = "prov://kfm://run/7".parse().unwrap();
        assert_eq!(run, EvidenceRef::Prov { run: "7".into() });
        for bad in [
            "",
            "dcat:ks_airports@1",
            "dcat://ks_airports",
            "dcat://ks_airports@",
            "dcat://@1",
            "dcat://a@1#part=x",
            "dcat://a@1#dist=",
            "dcat://a@1/2",
            "stac://ks_airports",
            "stac://a/b/items/c",
            "prov://",
            "prov://7#x",
            "doc://7",
            "doc://sha256:00",
            &no_page,
            "graph://",
            "graph://a b",
            "https://example.org/",
        ] {
            assert!(bad.parse::<EvidenceRef>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            a in "\\PC{1,12}", b in "\\PC{1,12}", c in proptest::option::of("\\PC{1,12}"),
            page in proptest::option::of(1u32..)
        ) {
            let version: Result<DatasetVersionId, _> = b.parse();
            let digest = Digest::blake3(a.as_bytes());
            let mut all = vec![
                EvidenceRef::Stac { collection: a.clone(), item: b.clone(), asset: c.clone() },
                EvidenceRef::Doc { digest, page },
                EvidenceRef::Graph { entity: a.clone(), relation: c.clone() },
            ];
            if let Ok(version) = version {
                all.push(EvidenceRef::Dcat { dataset: a, version, distribution: c });
            }
            for one in all {
                let text = one.to_string();
                prop_assert_eq!(text.parse::<EvidenceRef>(), Ok(one), "{}", text);
            }
        }
    }
}
