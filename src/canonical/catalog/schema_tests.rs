use serde_json::{Value, json};

use super::embedded::{EXTENSIONS, PARTS};
use super::schema::{Judgement, Schemas};

const FILE: &str = "https://stac-extensions.github.io/file/";
const TABLE: &str = "https://stac-extensions.github.io/table/";

fn collection(version: &str) -> Value {
    json!({
        "type": "Collection", "stac_version": version, "id": "a", "description": "b",
        "license": "MIT", "links": [], "stac_extensions": [],
        "extent": {"spatial": {"bbox": [[-102.0, 37.0, -94.6, 40.0]]},
                   "temporal": {"interval": [["2026-01-01T00:00:00Z", null]]}},
    })
}

fn item(version: &str) -> Value {
    json!({
        "type": "Feature", "stac_version": version, "id": "a", "links": [],
        "geometry": {"type": "Point", "coordinates": [-98.0, 38.5]},
        "bbox": [-98.0, 38.5, -98.0, 38.5], "stac_extensions": [],
        "properties": {"datetime": "2026-01-01T00:00:00Z"}, "assets": {"a": {"href": "./a"}},
    })
}

fn catalog(version: &str) -> Value {
    json!({"type": "Catalog", "stac_version": version, "id": "a", "description": "b", "links": []})
}

fn errors(document: &Value) -> Vec<String> {
    Schemas::get().unwrap().judge(document).errors
}

/// Changes the member at a pointer; `Null` takes it away.
fn with(mut document: Value, pointer: &str, value: &Value) -> Value {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(all) => all[member.parse::<usize>().unwrap()] = value.clone(),
        _ if value.is_null() => drop(parent.as_object_mut().unwrap().remove(member).unwrap()),
        _ => parent[member] = value.clone(),
    }
    document
}

#[test]
fn every_type_of_both_versions_passes_and_what_breaks_it_is_told() {
    for version in ["1.0.0", "1.1.0"] {
        for good in [collection(version), item(version), catalog(version)] {
            assert_eq!(Schemas::get().unwrap().judge(&good), Judgement::default(), "{good}");
            for member in ["id", "links"] {
                let told = errors(&with(good.clone(), &format!("/{member}"), &Value::Null));
                assert!(told.iter().any(|error| error.contains(member)), "{told:?}");
            }
        }
        for (pointer, value) in [
            ("/extent", Value::Null),
            ("/license", Value::Null),
            ("/extent/spatial/bbox/0", json!([1, 2, 3])),
            ("/extent/temporal/interval/0/0", json!("yesterday")),
        ] {
            assert_ne!(errors(&with(collection(version), pointer, &value)).len(), 0, "{pointer}");
        }
        for (pointer, value) in [
            ("/properties/datetime", json!(7)),
            ("/properties/datetime", json!("2026-13-01T00:00:00Z")),
            ("/properties/datetime", Value::Null),
            ("/bbox", Value::Null),
            ("/bbox", json!([-98.0, 38.5, -98.0])),
            ("/geometry/type", json!("Circle")),
            ("/geometry/coordinates", json!(["west", "north"])),
            ("/assets/a/href", Value::Null),
            ("/assets/a/roles", json!("data")),
        ] {
            assert_ne!(errors(&with(item(version), pointer, &value)).len(), 0, "{pointer} {value}");
        }
    }
}

#[test]
fn a_version_or_type_that_nobody_knows_is_invalid() {
    for version in ["0.9.0", "1.0.0-rc.1", "1.2.0", "2.0.0", ""] {
        for document in [collection(version), item(version), catalog(version)] {
            assert_eq!(errors(&document).len(), 1, "{version}");
        }
    }
    assert_eq!(errors(&with(item("1.1.0"), "/type", &json!("Thing"))).len(), 1);
    assert_eq!(errors(&json!({})).len(), 1);
    assert_eq!(errors(&json!([])).len(), 1);
}

/// Which of the two generations of the extension refuses what.
#[test]
fn the_file_extension_is_held_to_its_fields() {
    let asset = |version: &str, name: &str, value: Value| {
        let document = with(
            item("1.1.0"),
            "/stac_extensions",
            &json!([format!("{FILE}v{version}/schema.json")]),
        );
        errors(&with(document, &format!("/assets/a/{name}"), &value))
    };
    for version in ["2.0.0", "2.1.0"] {
        for (name, value) in [
            ("file:size", json!(0)),
            ("file:header_size", json!(12)),
            ("file:byte_order", json!("big-endian")),
            ("file:checksum", json!("1220ab")),
            ("file:values", json!([{"values": [0], "summary": "none"}])),
            ("profile:size", json!("whatever")),
        ] {
            assert_eq!(asset(version, name, value), Vec::<String>::new(), "{version} {name}");
        }
        for (name, value) in [
            ("file:size", json!(-1)),
            ("file:size", json!(1.5)),
            ("file:size", json!("12")),
            ("file:header_size", json!(-1)),
            ("file:byte_order", json!("middle-endian")),
            ("file:checksum", json!(7)),
            ("file:values", json!([])),
            ("file:values", json!([{"values": [], "summary": "none"}])),
            ("file:values", json!([{"values": [0], "summary": ""}])),
            ("file:values", json!([{"values": [0]}])),
            ("file:nodata", json!(0)),
        ] {
            let told = asset(version, name, value.clone());
            assert!(told[0].starts_with("/assets/a"), "{version} {name} {value}: {told:?}");
        }
    }
    assert_eq!(asset("2.1.0", "file:local_path", json!("a/b.tif")), Vec::<String>::new());
    assert_ne!(asset("2.1.0", "file:local_path", json!("/a")).len(), 0);
    assert_ne!(asset("2.0.0", "file:local_path", json!("a/b.tif")).len(), 0);
    let linked = with(
        collection("1.1.0"),
        "/links",
        &json!([
            {"rel": "item", "href": "./a", "file:size": -1}
        ]),
    );
    for (version, found) in [("2.0.0", 0), ("2.1.0", 1)] {
        let url = format!("{FILE}v{version}/schema.json");
        assert_eq!(errors(&with(linked.clone(), "/stac_extensions", &json!([url]))).len(), found);
    }
}

#[test]
fn the_table_extension_is_held_to_its_fields() {
    let table = |document: Value, version: &str, name: &str, value: Value| {
        let url = json!([format!("{TABLE}v{version}/schema.json")]);
        let document = with(document, "/stac_extensions", &url);
        let document = with(document, "/properties/table:columns", &json!([{"name": "a"}]));
        errors(&with(document, &format!("/properties/{name}"), &value))
    };
    for version in ["1.0.0", "1.1.0", "1.2.0", "1.3.0"] {
        assert_eq!(table(item("1.0.0"), version, "table:row_count", json!(3)).len(), 0);
        for (name, value) in [
            ("table:row_count", json!(-1)),
            ("table:row_count", json!("3")),
            ("table:columns", json!([{"type": "string"}])),
            ("table:columns", json!([{"name": 7}])),
            ("table:columns", json!({"a": "string"})),
            ("table:primary_geometry", json!(["geometry"])),
        ] {
            assert_ne!(
                table(item("1.1.0"), version, name, value.clone()).len(),
                0,
                "{name} {value}"
            );
        }
        let none = table(item("1.1.0"), version, "table:columns", Value::Null);
        assert_eq!(none.is_empty(), version == "1.3.0", "{version}: columns are required");
    }
    assert_ne!(table(item("1.1.0"), "1.3.0", "table:colums", json!([])).len(), 0);
}

#[test]
fn an_extension_that_is_not_embedded_is_named() {
    let urls = json!([EXTENSIONS[1].0, "https://example.org/v1.0.0/schema.json"]);
    let document = with(collection("1.1.0"), "/stac_extensions", &urls);
    let judgement = Schemas::get().unwrap().judge(&document);
    assert_eq!(judgement.unknown, ["https://example.org/v1.0.0/schema.json"]);
    assert_eq!(judgement.errors, Vec::<String>::new());
}

/// A registry whose every retrieval fails compiles them all: nothing reaches the network.
#[test]
fn whatever_a_schema_refers_to_is_embedded() {
    struct Nothing;
    impl jsonschema::Retrieve for Nothing {
        fn retrieve(
            &self,
            uri: &jsonschema::Uri<String>,
        ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
            panic!("{uri} was asked for")
        }
    }
    let mut registry = jsonschema::Registry::new().retriever(Nothing);
    for (url, text) in PARTS {
        registry = registry.add(url, serde_json::from_str::<Value>(text).unwrap()).unwrap();
    }
    let registry = registry.prepare().unwrap();
    let build = |schema: &Value| {
        jsonschema::options()
            .with_draft(jsonschema::Draft::Draft7)
            .with_retriever(Nothing)
            .with_registry(&registry)
            .build(schema)
    };
    for (url, _) in PARTS {
        build(&json!({"$ref": url})).unwrap();
    }
    for (_, text) in EXTENSIONS {
        build(&serde_json::from_str(text).unwrap()).unwrap();
    }
    let elsewhere = json!({"$ref": "https://example.org/schema.json"});
    let asked = std::panic::AssertUnwindSafe(|| build(&elsewhere));
    assert!(std::panic::catch_unwind(asked).is_err());
}
