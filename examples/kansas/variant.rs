use clap::ValueEnum;
use serde_json::{Map, Value, json};
use unicode_normalization::UnicodeNormalization;

use crate::catalog::context;
use crate::{Outcome, json};

/// Another way to write the same: nothing that a checker may find fault with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Variant {
    /// As the fixture is committed.
    #[default]
    Plain,
    /// Members in falling order, no line breaks.
    KeyOrder,
    /// JSON-LD without prefixes: every term is a full IRI.
    FullIri,
    /// JSON-LD with `dcterms:` where others write `dct:`, and the context in two parts.
    Prefixes,
    /// References from the root of the store instead of from the document.
    AbsoluteHrefs,
    /// References with escapes that none of their letters needs.
    EncodedHrefs,
    /// Members that no checker knows, where they are allowed.
    ExtraFields,
    /// Text, and the name of a file in work, decomposed.
    Nfd,
    /// Graphs, links and lists that have no order, from the last to the first.
    Reordered,
    /// The version of a format as it was spelled first.
    FirstSpelling,
    /// Every asset named by SHA-256.
    Sha256,
    /// Every asset named by BLAKE3.
    Blake3,
    /// STAC 1.0.0.
    Stac100,
    /// Files that have nothing to do with anything, in work.
    Strays,
}

/// Lists whose order says nothing.
const UNORDERED: [&str; 10] = [
    "@graph",
    "artifacts",
    "checks",
    "dcat:distribution",
    "dcat:keyword",
    "inputs",
    "keywords",
    "links",
    "outputs",
    "spdx:checksum",
];

impl Variant {
    /// Whether an asset is named by BLAKE3; text is named by SHA-256 otherwise.
    pub(crate) fn names_by_blake3(self, binary: bool) -> bool {
        match self {
            Self::Sha256 => false,
            Self::Blake3 => true,
            _ => binary,
        }
    }

    /// A key in work.
    pub(crate) fn key(self, key: &str) -> String {
        if self == Self::Nfd { key.nfd().collect() } else { key.to_owned() }
    }

    /// The bytes of a document under its key.
    pub(crate) fn render(self, key: &str, document: &Value) -> Outcome<Vec<u8>> {
        let linked = key.ends_with(".jsonld");
        let mut document = document.clone();
        match self {
            Self::KeyOrder => return Ok(json::falling(&document)?.into_bytes()),
            Self::FullIri if linked => expand(&mut document),
            Self::Prefixes if linked => rename(&mut document),
            Self::AbsoluteHrefs => hrefs(&mut document, &|href| absolute(key, href)),
            Self::EncodedHrefs => {
                hrefs(&mut document, &|href| href.replace('_', "%5F").replace('y', "%79"));
            }
            Self::ExtraFields if !key.starts_with("audit/") => extend(&mut document),
            Self::Nfd => walk_text(&mut document, &|text| text.nfd().collect()),
            Self::Reordered => reverse(&mut document),
            Self::FirstSpelling => spell_first(&mut document),
            Self::Stac100 if document["stac_version"].is_string() => {
                document["stac_version"] = json!("1.0.0");
            }
            _ => {}
        }
        json::pretty(&document)
    }
}

/// `version: 1`, which no run receipt ever had.
fn spell_first(document: &mut Value) {
    let Value::Object(members) = document else { return };
    for name in ["kfm_checksums_version", "kfm_raw_manifest_version", "kfm_release_version"] {
        if members.remove(name).is_some() {
            members.insert("version".to_owned(), json!(1));
        }
    }
}

fn children(value: &mut Value) -> Vec<&mut Value> {
    match value {
        Value::Object(members) => members.iter_mut().map(|(_, value)| value).collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => Vec::new(),
    }
}

fn walk_text(value: &mut Value, change: &dyn Fn(&str) -> String) {
    if let Value::String(text) = value {
        *text = change(text);
    }
    for child in children(value) {
        walk_text(child, change);
    }
}

fn rename_members(value: &mut Value, change: &dyn Fn(&str) -> String) {
    if let Value::Object(members) = value {
        let renamed = std::mem::take(members).into_iter();
        *members = renamed.map(|(name, value)| (change(&name), value)).collect::<Map<_, _>>();
    }
    for child in children(value) {
        rename_members(child, change);
    }
}

/// Writes out prefixed names in members, ids and types, and drops the context.
fn expand(document: &mut Value) {
    let context = context();
    let full = |name: &str| {
        let (prefix, local) = name.split_once(':').unwrap_or((name, "//"));
        match context[prefix].as_str() {
            Some(iri) if !local.starts_with("//") => format!("{iri}{local}"),
            _ => name.to_owned(),
        }
    };
    if let Value::Object(members) = document {
        members.remove("@context");
    }
    rename_members(document, &full);
    names_only(document, &full);
}

/// Changes what stands under `@id` and `@type`.
fn names_only(value: &mut Value, change: &dyn Fn(&str) -> String) {
    for name in ["@id", "@type"] {
        if let Some(named) = value.get_mut(name) {
            walk_text(named, change);
        }
    }
    for child in children(value) {
        names_only(child, change);
    }
}

fn rename(document: &mut Value) {
    let Value::Object(mut context) = context() else { return };
    let terms = context.remove("dct");
    let renamed = |name: &str| name.replace("dct:", "dcterms:");
    rename_members(document, &renamed);
    names_only(document, &renamed);
    document["@context"] = json!([context, {"dcterms": terms}]);
}

/// Changes the references that lead to objects.
fn hrefs(value: &mut Value, change: &dyn Fn(&str) -> String) {
    for path in ["/href", "/dcat:downloadURL/@id"] {
        if let Some(Value::String(href)) = value.pointer_mut(path)
            && !href.contains("://")
        {
            *href = change(href);
        }
    }
    for child in children(value) {
        hrefs(child, change);
    }
}

fn absolute(key: &str, href: &str) -> String {
    let mut path: Vec<&str> = key.split('/').collect();
    path.pop();
    for segment in href.split('/') {
        match segment {
            "." => {}
            ".." => drop(path.pop()),
            name => path.push(name),
        }
    }
    format!("kfm://store/{}", path.join("/"))
}

fn extend(document: &mut Value) {
    let graph = document["@graph"].is_array();
    let first = if graph { &mut document["@graph"][0] } else { document };
    first["kfm:note"] = json!("seen by nobody but the archive");
    if first["properties"].is_object() {
        first["properties"]["kfm:shelf"] = json!({"row": 7, "tags": ["a", null]});
    }
}

fn reverse(value: &mut Value) {
    for name in UNORDERED {
        if let Some(Value::Array(items)) = value.get_mut(name) {
            items.reverse();
        }
    }
    for child in children(value) {
        reverse(child);
    }
}
