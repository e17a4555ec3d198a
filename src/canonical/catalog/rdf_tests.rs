use serde_json::{Value, json};

use super::tests::{Bench, ITEM, PLACES, changed, edited, kinds};
use crate::model::{FindingKind as K, Severity};

const BUNDLE: &str = "prov/bundle.jsonld";
const RECEIPT: &str = "receipts/run_receipt.json";

/// The nodes of the PROV bundle that have a type.
fn nodes<'a>(bundle: &'a mut Value, class: &str) -> Vec<&'a mut Value> {
    let graph = bundle["@graph"].as_array_mut().unwrap();
    graph.iter_mut().filter(|node| node["@type"].to_string().contains(class)).collect()
}

fn artifacts(bundle: &mut Value) -> Vec<&mut Value> {
    let all = nodes(bundle, "prov:Entity").into_iter();
    all.filter(|node| node["@id"].as_str().unwrap().contains("/processed/")).collect()
}

type Change = Box<dyn FnOnce(&mut Value)>;

fn on_graph(change: impl FnOnce(&mut Vec<Value>) + 'static) -> Change {
    Box::new(move |bundle| change(bundle["@graph"].as_array_mut().unwrap()))
}

#[tokio::test]
async fn what_the_provenance_lacks_is_told_by_name() {
    let lacks: Vec<(&str, Change)> = vec![
        (
            "used what the bundle does not declare",
            on_graph(|graph| graph.retain(|node| !node["@id"].to_string().contains("/raw/"))),
        ),
        (
            "an activity is named that the bundle does not declare",
            Box::new(|bundle| {
                artifacts(bundle)[0]["prov:wasGeneratedBy"] = json!({"@id": "kfm://run/other"});
            }),
        ),
        (
            "an entity is generated once",
            Box::new(|bundle| {
                let run = json!({"@id": "kfm://run/other", "@type": "prov:Activity",
                    "prov:wasAssociatedWith": {"@id": "urn:kfm:agent:kfm-pipeline"},
                    "prov:generated": {"@id": artifacts(bundle)[0]["@id"]}});
                bundle["@graph"].as_array_mut().unwrap().push(run);
            }),
        ),
        (
            "the times contradict each other",
            Box::new(|bundle| {
                let time = json!({"@type": "xsd:dateTime", "@value": "2026-02-10T00:00:00Z"});
                nodes(bundle, "prov:Activity")[0]["prov:endedAtTime"] = time;
            }),
        ),
        (
            "the times contradict each other",
            Box::new(|bundle| {
                let time = json!({"@type": "xsd:dateTime", "@value": "2027-02-10T00:00:00Z"});
                artifacts(bundle)[0]["prov:generatedAtTime"] = time;
            }),
        ),
        (
            "the time is no xsd:dateTime",
            Box::new(|bundle| {
                nodes(bundle, "prov:Activity")[0]["prov:startedAtTime"] = json!("at noon");
            }),
        ),
        (
            "does not say who did it",
            Box::new(|bundle| {
                let run = nodes(bundle, "prov:Activity").remove(0);
                run.as_object_mut().unwrap().remove("prov:wasAssociatedWith");
            }),
        ),
        (
            "an agent that is not declared",
            on_graph(|graph| graph.retain(|node| !node["@type"].to_string().contains("Agent"))),
        ),
        (
            "the artifact is no entity of the bundle",
            on_graph(|graph| graph.retain(|node| !node["@id"].to_string().contains(".parquet"))),
        ),
        (
            "has no spdx:checksum",
            Box::new(|bundle| {
                artifacts(bundle)[0].as_object_mut().unwrap().remove("spdx:checksum");
            }),
        ),
        (
            "does not say which activity generated it",
            Box::new(|bundle| {
                artifacts(bundle)[0].as_object_mut().unwrap().remove("prov:wasGeneratedBy");
            }),
        ),
        (
            "does not say what it was derived from",
            Box::new(|bundle| {
                artifacts(bundle)[0].as_object_mut().unwrap().remove("prov:wasDerivedFrom");
            }),
        ),
        (
            "a derivation names what the bundle does not declare",
            Box::new(|bundle| {
                artifacts(bundle)[0]["prov:wasDerivedFrom"] = json!([{"@id": "urn:lost"}]);
            }),
        ),
    ];
    for (told, change) in lacks {
        let found = changed("catalog", BUNDLE, change).await;
        assert_eq!(kinds(&found), [K::ProvenanceIncomplete], "{told}: {found:#?}");
        assert!(found.iter().any(|finding| finding.hint.contains(told)), "{told}: {found:#?}");
        assert!(found.iter().all(|one| one.key.as_ref().unwrap().ends_with(BUNDLE)), "{told}");
    }
}

#[tokio::test]
async fn what_derives_from_itself_is_told_with_its_path() {
    let itself = changed("catalog", BUNDLE, |bundle| {
        let artifact = artifacts(bundle).remove(0);
        artifact["prov:wasDerivedFrom"] = json!([{"@id": artifact["@id"]}]);
    });
    let through_run = changed("catalog", BUNDLE, |bundle| {
        let id = artifacts(bundle)[0]["@id"].clone();
        nodes(bundle, "prov:Activity")[0]["prov:used"] = json!([{"@id": id}]);
    });
    for (found, steps) in [(itself.await, 1), (through_run.await, 2)] {
        assert_eq!(kinds(&found), [K::ProvenanceCycle], "{found:#?}");
        let path = found[0].actual.as_deref().unwrap();
        assert_eq!(path.matches(" -> ").count(), steps, "{path}");
        let (first, last) = (path.split(" -> ").next(), path.split(" -> ").last());
        assert_eq!(first, last);
        assert!(found[0].blocks());
    }
}

/// Says in the PROV bundle of counties that they come of what adjacency has, which comes of them.
fn circle_of_two(bench: &Bench, of: &str) {
    let key = |dataset: &str, path: &str| {
        let keys = bench.platform.keys(&format!("catalog/{dataset}"));
        keys.into_iter().find(|key| key.ends_with(path)).unwrap()
    };
    let adjacency = key("ks_county_adjacency", BUNDLE);
    let version = adjacency.split('/').nth(2).unwrap().to_owned();
    let earlier = of.replace("VERSION", &version);
    bench.platform.edit(&key("ks_counties", BUNDLE), |text| {
        let mut bundle: Value = serde_json::from_str(&text).unwrap();
        for artifact in artifacts(&mut bundle) {
            artifact["prov:wasDerivedFrom"] = json!([{"@id": earlier}]);
        }
        let graph = bundle["@graph"].as_array_mut().unwrap();
        graph.push(json!({"@id": earlier, "@type": "prov:Entity"}));
        bundle.to_string()
    });
}

#[tokio::test]
async fn a_circle_through_two_datasets_is_told_of_both() {
    for of in [
        "kfm://store/processed/ks_county_adjacency/VERSION/artifacts/ks_county_adjacency_edges.csv",
        "s3://live/processed/ks_county_adjacency/VERSION/artifacts/ks_county_adjacency_edges.csv",
        "dcat://ks_county_adjacency@VERSION",
    ] {
        let mut bench = Bench::new().await;
        circle_of_two(&bench, of);
        bench.hash();
        let found = bench.findings().await;
        assert_eq!(kinds(&found), [K::ProvenanceCycle], "{of}: {found:#?}");
        let keys: Vec<&str> =
            found.iter().filter_map(|one| one.key.as_deref()?.split('/').nth(1)).collect();
        assert!(keys.contains(&"ks_counties"), "{of}: {keys:?}");
        assert!(keys.contains(&"ks_county_adjacency"), "{of}: {keys:?}");
        assert!(!keys.contains(&PLACES), "{of}: {keys:?}");
        // The other one is read where only one is asked for.
        bench.versions.retain(|known| known.dataset == "ks_counties");
        let found = bench.findings().await;
        assert_eq!(kinds(&found), [K::ProvenanceCycle], "{of}: {found:#?}");
        assert!(found.iter().all(|one| one.key.as_ref().unwrap().contains("/ks_counties/")));
    }
}

#[tokio::test]
async fn a_spec_that_cannot_be_hashed_or_is_another_is_told() {
    for (from, to, kinds) in [
        ("\"spec\":", "\"specs\":", vec![K::SpecHashMismatch]),
        ("\"spec\": {", "\"spec\": {\"n\": 9007199254740993,", vec![K::SpecHashMismatch]),
        (
            "\"spec\": {",
            "\"spec\": {\"n\": 1, \"n\": 1,",
            vec![K::SchemaInvalid, K::SpecHashMismatch],
        ),
        (
            "\"spec_hash\": \"sha256:",
            "\"spec_hash\": \"blake3:",
            vec![K::SchemaInvalid, K::SpecHashMismatch],
        ),
        (
            "\"run_id\": \"kfm://run/",
            "\"run_id\": \"kfm://run/0",
            vec![K::DocumentsDisagree, K::DanglingLink],
        ),
        ("\"created_at\":", "\"at_ns\": 1770703200000000001, \"created_at\":", vec![]),
    ] {
        assert_eq!(edited(RECEIPT, from, to).await, kinds, "{to}");
    }
    let other = "\"kfm:spec_hash\": \"sha256:0";
    let dcat = edited("dcat.jsonld", "\"kfm:spec_hash\": \"sha256:d", other).await;
    assert_eq!(dcat, [K::SpecHashMismatch]);
}

#[tokio::test]
async fn the_record_and_what_it_states_are_of_the_version() {
    let named = edited("dcat.jsonld", "\"@id\": \"dcat://ks_", "\"@id\": \"dcat://other_ks_").await;
    assert_eq!(named, [K::DanglingLink]);
    let from = "\"kfm:dataset_version_id\": \"2026";
    let stated = edited("dcat.jsonld", from, &from.replace("2026", "2025")).await;
    assert_eq!(stated, [K::DocumentsDisagree, K::DanglingLink]);
}

#[tokio::test]
async fn every_label_of_every_document_counts() {
    let found = changed("catalog", "dcat.jsonld", |record| {
        record["kfm:policy_label"] = json!(["public", "restricted"]);
    });
    assert_eq!(kinds(&found.await), [K::PolicyLabelConflict]);
    let found = changed("catalog", "dcat.jsonld", |record| {
        record["dcat:distribution"][0]["kfm:policy_label"] = json!("internal");
    });
    assert_eq!(kinds(&found.await), [K::PolicyLabelConflict]);
    let found = changed("catalog", ITEM, |item| {
        for asset in item["assets"].as_object_mut().unwrap().values_mut() {
            asset["kfm:policy_label"] = json!("restricted");
        }
    });
    assert_eq!(kinds(&found.await), [K::PolicyLabelConflict]);
    let found =
        changed("catalog", ITEM, |item| item["properties"]["kfm:policy_label"] = json!(null));
    assert_eq!(kinds(&found.await), [K::PolicyLabelUnknown]);
}

#[tokio::test]
async fn a_release_whose_evidence_leads_nowhere_warns() {
    let bench = Bench::new().await;
    let key = bench.key("releases", "release.json");
    let item = format!("items/{PLACES}\"");
    bench.platform.edit(&key, |text| text.replace(&item, "items/other\", \"doc:nothing\""));
    let found = bench.findings().await;
    assert_eq!(kinds(&found), [K::DanglingLink, K::SchemaInvalid]);
    let links: Vec<_> = found.iter().filter(|one| one.kind == K::DanglingLink).collect();
    assert_eq!(links.len(), 2);
    assert!(links.iter().all(|one| one.severity == Severity::Warns), "{found:#?}");
}

#[tokio::test]
async fn terms_that_mean_nothing_are_told() {
    for (from, to) in [
        ("\"dct:title\"", "\"title\""),
        ("\"dct:title\"", "\"dcterms:title\""),
        ("\"@type\": \"dcat:Dataset\"", "\"@type\": [\"dcat:Dataset\", \"Thing\"]"),
    ] {
        assert_eq!(edited("dcat.jsonld", from, to).await, [K::SchemaInvalid], "{to}");
    }
}

/// Spells every prefixed name out, and takes the context away.
fn spelled_out(document: &Value) -> Value {
    let context = document["@context"].clone();
    let name = move |text: &str| -> String {
        let parts = text.split_once(':').filter(|(_, rest)| !rest.starts_with("//"));
        let full = parts
            .and_then(|(prefix, rest)| Some(format!("{}{rest}", context.get(prefix)?.as_str()?)));
        full.unwrap_or_else(|| text.to_owned())
    };
    spell(document, false, &name)
}

/// `is_name`: the value is an id or a type.
fn spell(value: &Value, is_name: bool, name: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| spell(item, is_name, name)).collect(),
        Value::String(text) if is_name => name(text).into(),
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| {
                let is_name = matches!(key.as_str(), "@id" | "@type");
                (name(key), spell(value, is_name, name))
            };
            members.iter().filter(|(key, _)| *key != "@context").map(member).collect()
        }
        other => other.clone(),
    }
}

#[tokio::test]
async fn prefixed_and_spelled_out_documents_have_the_same_findings() {
    let damages: [fn(&mut Value); 5] = [
        |_| {},
        |dcat| dcat["dcat:distribution"][0]["dcat:byteSize"]["@value"] = json!("1"),
        |dcat| dcat["kfm:policy_label"] = json!("secret"),
        |dcat| drop(dcat.as_object_mut().unwrap().remove("dct:license")),
        |dcat| dcat["prov:wasGeneratedBy"]["@id"] = json!("kfm://run/none"),
    ];
    for damage in damages {
        let prefixed = changed("catalog", "dcat.jsonld", |dcat| {
            dcat["kfm:touched"] = json!(true);
            damage(dcat);
        });
        let full = changed("catalog", "dcat.jsonld", |dcat| {
            dcat["kfm:touched"] = json!(true);
            damage(dcat);
            *dcat = spelled_out(dcat);
        });
        assert_eq!(prefixed.await, full.await);
    }
    let bundle = changed("catalog", BUNDLE, |bundle| *bundle = spelled_out(bundle)).await;
    assert_eq!(bundle, vec![]);
    let known = changed("catalog", BUNDLE, |bundle| {
        bundle["@context"] = json!("https://www.w3.org/ns/prov");
    });
    assert_eq!(known.await, vec![]);
}
