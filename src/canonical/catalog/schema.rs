use std::collections::BTreeMap;
use std::sync::OnceLock;

use jsonschema::{Registry, Validator};
use serde_json::Value;

use super::error::CatalogError;

/// So many errors of one document are told.
const ERRORS: usize = 5;

const CORE: &str = "https://schemas.stacspec.org";

macro_rules! embedded {
    ($($url:literal => $path:literal,)*) => {
        [$(($url, include_str!(concat!("schemas/", $path)))),*]
    };
}

/// What the schemas refer to, by the URL that they use.
const PARTS: [(&str, &str); 22] = embedded! {
    "http://json-schema.org/draft-07/schema" => "json-schema/draft-07.json",
    "https://geojson.org/schema/Feature.json" => "geojson/Feature.json",
    "https://geojson.org/schema/Geometry.json" => "geojson/Geometry.json",
    "https://schemas.stacspec.org/v1.0.0/catalog-spec/json-schema/catalog.json" => "v1.0.0/catalog.json",
    "https://schemas.stacspec.org/v1.0.0/collection-spec/json-schema/collection.json" => "v1.0.0/collection.json",
    "https://schemas.stacspec.org/v1.0.0/item-spec/json-schema/basics.json" => "v1.0.0/basics.json",
    "https://schemas.stacspec.org/v1.0.0/item-spec/json-schema/datetime.json" => "v1.0.0/datetime.json",
    "https://schemas.stacspec.org/v1.0.0/item-spec/json-schema/instrument.json" => "v1.0.0/instrument.json",
    "https://schemas.stacspec.org/v1.0.0/item-spec/json-schema/item.json" => "v1.0.0/item.json",
    "https://schemas.stacspec.org/v1.0.0/item-spec/json-schema/licensing.json" => "v1.0.0/licensing.json",
    "https://schemas.stacspec.org/v1.0.0/item-spec/json-schema/provider.json" => "v1.0.0/provider.json",
    "https://schemas.stacspec.org/v1.1.0/catalog-spec/json-schema/catalog.json" => "v1.1.0/catalog.json",
    "https://schemas.stacspec.org/v1.1.0/collection-spec/json-schema/collection.json" => "v1.1.0/collection.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/bands.json" => "v1.1.0/bands.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/basics.json" => "v1.1.0/basics.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/common.json" => "v1.1.0/common.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/data-values.json" => "v1.1.0/data-values.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/datetime.json" => "v1.1.0/datetime.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/instrument.json" => "v1.1.0/instrument.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json" => "v1.1.0/item.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/licensing.json" => "v1.1.0/licensing.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/provider.json" => "v1.1.0/provider.json",
};

/// The extensions whose fields are known, by the URL that documents declare.
const EXTENSIONS: [(&str, &str); 5] = embedded! {
    "https://stac-extensions.github.io/file/v2.0.0/schema.json" => "extensions/file.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json" => "extensions/file.json",
    "https://stac-extensions.github.io/table/v1.0.0/schema.json" => "extensions/table.json",
    "https://stac-extensions.github.io/table/v1.1.0/schema.json" => "extensions/table.json",
    "https://stac-extensions.github.io/table/v1.2.0/schema.json" => "extensions/table.json",
};

/// What the schemas say of a document.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    /// What breaks a schema, each with its place.
    pub(super) errors: Vec<String>,
    /// The extensions that are not embedded.
    pub(super) unknown: Vec<String>,
}

/// The embedded schemas of STAC, compiled. Nothing is ever fetched.
pub(super) struct Schemas {
    core: BTreeMap<String, Validator>,
    extensions: BTreeMap<String, Validator>,
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
        let mut registry = Registry::new();
        for (url, text) in PARTS {
            let schema: Value = serde_json::from_str(text).map_err(text_of)?;
            registry = registry.add(url, schema).map_err(text_of)?;
        }
        let registry = registry.prepare().map_err(text_of)?;
        let mut core = BTreeMap::new();
        for version in ["1.0.0", "1.1.0"] {
            for (kind, path) in
                [("Feature", "item"), ("Collection", "collection"), ("Catalog", "catalog")]
            {
                let url = format!("{CORE}/v{version}/{path}-spec/json-schema/{path}.json");
                let schema = serde_json::json!({"$ref": url});
                let validator = jsonschema::options()
                    .with_draft(jsonschema::Draft::Draft7)
                    .with_registry(&registry)
                    .build(&schema)
                    .map_err(text_of)?;
                core.insert(format!("{version} {kind}"), validator);
            }
        }
        let mut extensions = BTreeMap::new();
        for (url, text) in EXTENSIONS {
            let schema: Value = serde_json::from_str(text).map_err(text_of)?;
            let validator = jsonschema::draft7::new(&schema).map_err(text_of)?;
            extensions.insert(url.to_owned(), validator);
        }
        Ok(Self { core, extensions })
    }

    /// Holds a STAC document against the schemas of its type, version and extensions.
    pub(super) fn judge(&self, document: &Value) -> Judgement {
        let mut judgement = Judgement::default();
        let text = |member: &str| document.get(member).and_then(Value::as_str);
        let (Some(version), Some(kind)) = (text("stac_version"), text("type")) else {
            judgement.errors.push("`stac_version` or `type` is missing".into());
            return judgement;
        };
        match self.core.get(&format!("{version} {kind}")) {
            Some(core) => judgement.errors.extend(errors(core, document)),
            None => judgement.errors.push(format!("no schema for a {kind} of STAC {version}")),
        }
        let declared = document.get("stac_extensions").and_then(Value::as_array);
        for url in declared.into_iter().flatten().filter_map(Value::as_str) {
            match self.extensions.get(url) {
                Some(extension) => judgement.errors.extend(errors(extension, document)),
                None => judgement.unknown.push(url.to_owned()),
            }
        }
        judgement
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
        // The message may quote the whole document.
        let message: String = error.to_string().chars().take(200).collect();
        let place = error.instance_path().to_string();
        format!("{}: {message}", if place.is_empty() { "/" } else { &place })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn collection(version: &str) -> Value {
        json!({
            "type": "Collection", "stac_version": version, "id": "a", "description": "b",
            "license": "MIT", "links": [],
            "extent": {"spatial": {"bbox": [[-102.0, 37.0, -94.6, 40.0]]},
                       "temporal": {"interval": [["2026-01-01T00:00:00Z", null]]}},
        })
    }

    #[test]
    fn both_versions_pass_and_what_breaks_them_is_told() {
        let schemas = Schemas::get().unwrap();
        for version in ["1.0.0", "1.1.0"] {
            let mut good = collection(version);
            assert_eq!(schemas.judge(&good), Judgement::default(), "{version}");
            good.as_object_mut().unwrap().remove("extent");
            let told = schemas.judge(&good).errors;
            assert!(told.iter().any(|error| error.contains("extent")), "{told:?}");
        }
        assert_eq!(schemas.judge(&collection("0.9.0")).errors.len(), 1);
        assert_eq!(schemas.judge(&json!({})).errors.len(), 1);
    }

    #[test]
    fn an_extension_is_held_against_its_fields_or_said_to_be_unknown() {
        let schemas = Schemas::get().unwrap();
        let mut document = collection("1.1.0");
        document["stac_extensions"] =
            json!([EXTENSIONS[1].0, "https://example.org/v1.0.0/schema.json"]);
        document["assets"] = json!({"a": {"href": "./a", "file:size": -1}});
        let judgement = schemas.judge(&document);
        assert_eq!(judgement.unknown, ["https://example.org/v1.0.0/schema.json"]);
        assert!(judgement.errors[0].contains("/assets/a/file:size"), "{:?}", judgement.errors);
    }
}
