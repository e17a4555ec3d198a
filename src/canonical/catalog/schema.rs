use std::collections::BTreeMap;
use std::error::Error;
use std::sync::OnceLock;

use jsonschema::{Draft, Registry, Retrieve, Uri, Validator};
use serde_json::{Value, json};

use super::embedded::{EXTENSIONS, PARTS};
use super::error::CatalogError;
use super::formats::Format;

/// So many errors of one document are told.
const ERRORS: usize = 5;

const CORE: &str = "https://schemas.stacspec.org";

/// What the schemas say of a document.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    /// What breaks a schema, each with its place. No value of the document is in them.
    pub(super) errors: Vec<String>,
    /// The extensions that are not embedded.
    pub(super) unknown: Vec<String>,
}

/// The embedded schemas of STAC and of the platform's own documents, compiled.
pub(super) struct Schemas {
    core: BTreeMap<String, Validator>,
    extensions: BTreeMap<String, Validator>,
    formats: BTreeMap<Format, Validator>,
}

/// Nothing is ever fetched: what is not embedded is an error.
struct Offline;

impl Retrieve for Offline {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        Err(format!("{uri} is not embedded").into())
    }
}

impl Schemas {
    /// The schemas, compiled once.
    pub(super) fn get() -> Result<&'static Self, CatalogError> {
        static SCHEMAS: OnceLock<Result<Schemas, String>> = OnceLock::new();
        match SCHEMAS.get_or_init(Self::compile) {
            Ok(schemas) => Ok(schemas),
            Err(why) => Err(CatalogError::Schemas { why: why.clone() }),
        }
    }

    fn compile() -> Result<Self, String> {
        let mut registry = Registry::new().retriever(Offline);
        for (url, text) in PARTS {
            let schema: Value = serde_json::from_str(text).map_err(text_of)?;
            registry = registry.add(url, schema).map_err(text_of)?;
        }
        let registry = registry.prepare().map_err(text_of)?;
        let build = |draft: Draft, schema: &Value| {
            jsonschema::options()
                .with_draft(draft)
                .should_validate_formats(true)
                .with_retriever(Offline)
                .with_registry(&registry)
                .build(schema)
                .map_err(text_of)
        };
        let mut core = BTreeMap::new();
        for version in ["1.0.0", "1.1.0"] {
            for (kind, path) in
                [("Feature", "item"), ("Collection", "collection"), ("Catalog", "catalog")]
            {
                let url = format!("{CORE}/v{version}/{path}-spec/json-schema/{path}.json");
                let validator = build(Draft::Draft7, &json!({"$ref": url}))?;
                core.insert(format!("{version} {kind}"), validator);
            }
        }
        let mut extensions = BTreeMap::new();
        for (url, text) in EXTENSIONS {
            let schema: Value = serde_json::from_str(text).map_err(text_of)?;
            extensions.insert(url.to_owned(), build(Draft::Draft7, &schema)?);
        }
        let mut formats = BTreeMap::new();
        for format in Format::ALL {
            formats.insert(format, build(Draft::Draft202012, &format.schema())?);
        }
        Ok(Self { core, extensions, formats })
    }

    /// Holds a STAC document against the schemas of its type, version and extensions.
    pub(super) fn judge(&self, document: &Value) -> Judgement {
        let mut judgement = Judgement::default();
        let text = |member: &str| document.get(member).and_then(Value::as_str);
        let (Some(version), Some(kind)) = (text("stac_version"), text("type")) else {
            judgement.errors.push("/: `stac_version` or `type` is missing".into());
            return judgement;
        };
        match self.core.get(&format!("{version} {kind}")) {
            Some(core) => judgement.errors.extend(errors(core, document)),
            None => {
                judgement.errors.push("/stac_version: no schema for this version and type".into());
            }
        }
        let declared = document.get("stac_extensions").and_then(Value::as_array);
        for url in declared.into_iter().flatten().filter_map(Value::as_str) {
            match self.extensions.get(url.trim_end_matches('#')) {
                Some(extension) => judgement.errors.extend(errors(extension, document)),
                None => judgement.unknown.push(url.to_owned()),
            }
        }
        judgement
    }

    /// Holds one of the platform's own documents against the schema of its format.
    pub(super) fn judge_format(&self, format: Format, document: &Value) -> Vec<String> {
        self.formats
            .get(&format)
            .map(|schema| errors(schema, document).collect())
            .unwrap_or_default()
    }
}

fn text_of(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn errors<'a>(
    validator: &'a Validator,
    document: &'a Value,
) -> impl Iterator<Item = String> + use<'a> {
    validator.iter_errors(document).take(ERRORS).map(|error| {
        // Of restricted data no value is printed.
        let message: String = error.masked().to_string().chars().take(200).collect();
        let place = error.instance_path().to_string();
        format!("{}: {message}", if place.is_empty() { "/" } else { &place })
    })
}
