//! One edit of the fixture after another, each with all that must be found.

use serde_json::{Value, json};

use super::tests::{Bench, ITEM, changed, edited, kinds};
use crate::digest::Digest;
use crate::model::FindingKind as K;

const DCAT: &str = "dcat.jsonld";
const COLLECTION: &str = "stac/collection.json";
const PROV: &str = "prov/bundle.jsonld";
const RECEIPT: &str = "receipts/run_receipt.json";
const PARQUET: &str = "artifacts/ks_populated_places.parquet";
const GEOJSON: &str = "artifacts/ks_populated_places.geojson";

#[tokio::test]
async fn every_finding_says_where_what_and_what_to_do() {
    let findings = changed("catalog", ITEM, |item| {
        item["assets"]["ks_populated_places.parquet"]["type"] = json!("text/csv");
    });
    let findings = findings.await;
    assert_eq!(kinds(&findings), [K::DocumentsDisagree]);
    for finding in findings {
        assert!(finding.key.is_some() && finding.dataset_version_id.is_some(), "{finding:?}");
        assert!(finding.hint.contains("checksums.json"), "{finding:?}");
        let expected = finding.expected.unwrap();
        assert!(expected.starts_with("application/vnd.apache.parquet (processed/"), "{expected}");
        assert_eq!(finding.actual.as_deref(), Some("text/csv"));
    }
}

#[tokio::test]
async fn an_artifact_is_named_by_every_document() {
    let without = |item: &mut Value| {
        item["assets"].as_object_mut().unwrap().remove("ks_populated_places.parquet").unwrap();
    };
    let found = changed("catalog", ITEM, without).await;
    assert_eq!(kinds(&found), [K::DanglingLink]);
    assert!(found[0].expected.as_ref().unwrap().ends_with(PARQUET), "{found:?}");

    let without = |dcat: &mut Value| {
        dcat["dcat:distribution"].as_array_mut().unwrap().pop().unwrap();
    };
    assert_eq!(kinds(&changed("catalog", DCAT, without).await), [K::DanglingLink]);

    let without = |prov: &mut Value| {
        let graph = prov["@graph"].as_array_mut().unwrap();
        graph.retain(|node| !node["@id"].as_str().unwrap().ends_with(PARQUET));
    };
    assert_eq!(kinds(&changed("catalog", PROV, without).await), [K::ProvenanceIncomplete]);

    let without = |receipt: &mut Value| {
        receipt["outputs"].as_array_mut().unwrap().pop().unwrap();
    };
    assert_eq!(kinds(&changed("catalog", RECEIPT, without).await), [K::ProvenanceIncomplete]);

    let without = |list: &mut Value| {
        list["artifacts"].as_array_mut().unwrap().pop().unwrap();
    };
    assert_eq!(kinds(&changed("processed", "checksums.json", without).await), [K::DanglingLink]);
}

#[tokio::test]
async fn an_output_may_be_named_by_its_digest_alone() {
    let found = changed("catalog", RECEIPT, |receipt| {
        for output in receipt["outputs"].as_array_mut().unwrap() {
            output["uri"] = json!("urn:elsewhere");
        }
    });
    assert_eq!(found.await, vec![]);
}

#[tokio::test]
async fn an_object_that_nobody_names_is_extra() {
    let mut bench = Bench::new().await;
    let stray = bench.key("processed", "artifacts/stray.bin");
    std::fs::write(bench.platform.path(&stray), b"x").unwrap();
    bench.hash();
    let found = bench.findings().await;
    assert_eq!(kinds(&found), [K::Extra]);
    assert_eq!(found[0].key.as_ref(), Some(&stray));
}

/// The reference that must lead to an object of this store, and every way to another place.
#[tokio::test]
async fn references_out_of_the_store_are_found() {
    let bench = Bench::new().await;
    let key = bench.key("processed", PARQUET);
    for href in [
        format!("https://mirror.example/{key}"),
        format!("../../../../../../{key}"),
        format!("..%2f../../../../../{key}"),
        "s3://elsewhere/a.parquet".to_owned(),
        "ftp://host/a.parquet".to_owned(),
        "kfm://run/1".to_owned(),
    ] {
        let found = changed("catalog", ITEM, |item| {
            item["assets"]["ks_populated_places.parquet"]["href"] = json!(href);
        });
        let found = found.await;
        assert_eq!(kinds(&found), [K::DanglingLink], "{href}: {found:#?}");
        assert!(found.iter().any(|one| one.actual.as_ref() == Some(&href)), "{href}: {found:#?}");
        let found = changed("catalog", DCAT, |dcat| {
            for one in dcat["dcat:distribution"].as_array_mut().unwrap() {
                let url = one["dcat:downloadURL"]["@id"].as_str().unwrap();
                if url.ends_with("parquet") {
                    one["dcat:downloadURL"]["@id"] = json!(href);
                }
            }
        });
        assert_eq!(kinds(&found.await), [K::DanglingLink], "{href}");
    }
}

/// The same object by every address that it has.
#[tokio::test]
async fn harmless_spellings_are_no_findings() {
    let bench = Bench::new().await;
    let key = bench.key("processed", PARQUET);
    let version = key.split('/').nth(2).unwrap().to_owned();
    for href in [
        format!("kfm://store/{key}"),
        format!("/{key}"),
        format!("s3://kfm-prod/live/{key}"),
        format!("s3://kfm-prod/{key}?versionId=1#part"),
        format!("file:///srv/kfm/{key}"),
        format!("https://kfm.s3.us-east-2.amazonaws.com/{key}"),
        format!("../../../../../processed/./ks_populated_places/{version}/x/../%61rtifacts/{}", {
            "ks_populated_places%2Eparquet"
        }),
    ] {
        let found = changed("catalog", ITEM, |item| {
            item["assets"]["ks_populated_places.parquet"]["href"] = json!(href);
        });
        assert_eq!(found.await, vec![], "{href}");
    }
    let found = changed("catalog", COLLECTION, |collection| {
        let links = collection["links"].as_array_mut().unwrap();
        links.push(json!({"rel": "self", "href": "https://example.org/collection.json"}));
        links.push(json!({"rel": "about", "href": "https://example.org/"}));
    });
    assert_eq!(found.await, vec![]);
}

#[tokio::test]
async fn links_between_item_and_collection_hold() {
    let elsewhere = "https://elsewhere.example/x.json";
    for (path, rel, href) in [
        (ITEM, "parent", elsewhere),
        (ITEM, "parent", "./ks_populated_places.json"),
        (ITEM, "root", "../../../../../../x.json"),
        (ITEM, "root", "../gone.json"),
        (ITEM, "collection", elsewhere),
        (ITEM, "collection", "../../dcat.jsonld"),
        (ITEM, "self", "kfm://store/raw/x"),
        (COLLECTION, "item", "../dcat.jsonld"),
        (COLLECTION, "root", elsewhere),
        (COLLECTION, "describedby", elsewhere),
        (COLLECTION, "self", "kfm://store/raw/x"),
    ] {
        let found = changed("catalog", path, |document| {
            let links = document["links"].as_array_mut().unwrap();
            links.retain(|link| link["rel"] != rel);
            links.push(json!({"rel": rel, "href": href}));
        });
        assert_eq!(kinds(&found.await), [K::DanglingLink], "{path} {rel} {href}");
    }
}

#[tokio::test]
async fn documents_agree_on_version_run_id_and_rows() {
    for (path, from, to) in [
        (RECEIPT, "\"dataset_version_id\": \"2026", "\"dataset_version_id\": \"2025"),
        (DCAT, "\"dcat:version\": \"2026", "\"dcat:version\": \"2025"),
        (DCAT, "\"kfm:row_count\": 299", "\"kfm:row_count\": 298"),
        (COLLECTION, "\"kfm:dataset_version_id\": \"2026", "\"kfm:dataset_version_id\": \"2025"),
        (COLLECTION, "\"id\": \"ks_populated_places\"", "\"id\": \"places\""),
        (ITEM, "\"kfm:dataset_version_id\": \"2026", "\"kfm:dataset_version_id\": \"2025"),
        (ITEM, "\"id\": \"ks_populated_places\"", "\"id\": \"places\""),
        (PROV, "dcat://ks_populated_places@2026", "dcat://ks_populated_places@2025"),
    ] {
        assert_eq!(edited(path, from, to).await, [K::DocumentsDisagree], "{path}: {from}");
    }
    let run = edited(RECEIPT, "\"run_id\": \"kfm://run/", "\"run_id\": \"kfm://run/0").await;
    assert_eq!(run, [K::DocumentsDisagree, K::DanglingLink]);
    let found = changed("processed", "checksums.json", |list| list["dataset"] = json!("places"));
    assert_eq!(kinds(&found.await), [K::DocumentsDisagree]);
    let found = changed("releases", "release.json", |release| {
        release["dataset_version_id"] = json!("2025-01.00000000");
    });
    assert_eq!(kinds(&found.await), [K::DocumentsDisagree]);
    let run = edited(DCAT, "kfm://run/", "kfm://run/0").await;
    assert_eq!(run, [K::DocumentsDisagree, K::DanglingLink]);
}

/// Where the bytes are known each document is held against them; else against each other.
#[tokio::test]
async fn digests_and_sizes_agree_where_nobody_knows_the_bytes() {
    let mut bench = Bench::new().await;
    let item = bench.key("catalog", ITEM);
    bench.platform.edit(&item, |text| text.replace("\"file:size\": ", "\"file:size\": 1"));
    bench.hash();
    assert_eq!(bench.kinds().await, [K::ChecksumMismatch]);
    for path in [PARQUET, GEOJSON] {
        bench.bytes.remove(&bench.key("processed", path)).unwrap();
    }
    assert_eq!(bench.kinds().await, [K::DocumentsDisagree]);
    bench.platform.edit(&item, |text| text.replace("\"file:size\": 1", "\"file:size\": "));
    assert_eq!(bench.findings().await, vec![]);
    let dcat = bench.key("catalog", DCAT);
    let right = bench.bytes_of(&bench.key("processed", GEOJSON)).blake3.hex();
    let wrong = Digest::blake3(b"wrong").hex();
    bench.platform.edit(&dcat, |text| text.replace(&right, &wrong));
    let found = bench.findings().await;
    assert_eq!(kinds(&found), [K::DocumentsDisagree]);
    assert!(found.iter().all(|one| one.hint.contains("checksums.json")), "{found:#?}");
}

#[tokio::test]
async fn a_checksum_under_another_name_is_found_by_recomputing() {
    let bench = Bench::new().await;
    let bytes = bench.bytes_of(&bench.key("processed", PARQUET));
    let (blake3, sha256) = (bytes.blake3.hex(), bytes.sha256.hex());
    let found = changed("catalog", DCAT, |dcat| {
        let text = dcat.to_string().replace(&blake3, "X").replace(&sha256, &blake3);
        *dcat = serde_json::from_str(&text.replace('X', &sha256)).unwrap();
    });
    let found = found.await;
    assert_eq!(kinds(&found), [K::ChecksumMismatch]);
    assert!(found.iter().all(|one| one.hint.contains("under another name")), "{found:#?}");
    let found = changed("catalog", ITEM, |item| {
        let hash = &mut item["assets"]["ks_populated_places.parquet"]["file:checksum"];
        *hash = json!(format!("1220{blake3}"));
    });
    assert_eq!(kinds(&found.await), [K::ChecksumMismatch]);
}

#[tokio::test]
async fn algorithms_are_read_in_every_spelling_and_others_are_named() {
    let spelled = |algorithm: &str| {
        let algorithm = algorithm.to_owned();
        move |dcat: &mut Value| {
            for one in dcat["dcat:distribution"].as_array_mut().unwrap() {
                let checksums = one["spdx:checksum"].as_array_mut().unwrap();
                checksums
                    .retain(|one| one["spdx:algorithm"]["@id"].as_str().unwrap().ends_with("256"));
                checksums[0]["spdx:algorithm"] = json!({"@id": algorithm});
            }
        }
    };
    for algorithm in [
        "spdx:checksumAlgorithm_sha256",
        "http://spdx.org/rdf/terms#checksumAlgorithm_sha256",
        "http://spdx.org/rdf/terms#checksumAlgorithm_SHA256",
        "https://spdx.org/rdf/3.0.1/terms/Core/HashAlgorithm/sha256",
    ] {
        assert_eq!(changed("catalog", DCAT, spelled(algorithm)).await, vec![], "{algorithm}");
    }
    let wrong = changed("catalog", DCAT, spelled("spdx:checksumAlgorithm_blake3")).await;
    assert_eq!(kinds(&wrong), [K::ChecksumMismatch]);
    let sha1 = changed("catalog", DCAT, spelled("spdx:checksumAlgorithm_sha1")).await;
    assert_eq!(kinds(&sha1), [K::ChecksumUnsupported]);
    let short = changed("catalog", DCAT, |dcat| {
        let value = &mut dcat["dcat:distribution"][0]["spdx:checksum"][0]["spdx:checksumValue"];
        value["@value"] = json!("abcd");
    });
    assert_eq!(kinds(&short.await), [K::ChecksumMismatch]);
    let sha1 = format!("1114{}", "ab".repeat(20));
    let found = changed("catalog", ITEM, |item| {
        item["assets"]["ks_populated_places.parquet"]["file:checksum"] = json!(sha1);
    });
    assert_eq!(kinds(&found.await), [K::ChecksumUnsupported]);
}

#[tokio::test]
async fn the_platforms_own_documents_keep_their_formats() {
    for (zone, path, pointer, value) in [
        ("processed", "checksums.json", "/artifacts/0/size", json!("12")),
        ("processed", "checksums.json", "/artifacts/0/path", json!("")),
        ("processed", "checksums.json", "/artifacts/0/blake3", json!("abcd")),
        ("catalog", RECEIPT, "/created_at", json!("yesterday")),
        ("catalog", RECEIPT, "/kfm_run_receipt_version", json!("v9")),
        ("catalog", RECEIPT, "/environment/git_commit", Value::Null),
        ("catalog", RECEIPT, "/inputs/0/digest", json!("md5:abcd")),
        ("releases", "release.json", "/evidence_refs/0", json!("http://example.org")),
        ("releases", "release.json", "/status", json!("")),
    ] {
        let found = changed(zone, path, |document| {
            *document.pointer_mut(pointer).unwrap() = value;
        });
        let found = found.await;
        assert!(kinds(&found).contains(&K::SchemaInvalid), "{path}{pointer}: {found:#?}");
        let place = pointer.split('/').nth(1).unwrap();
        assert!(found.iter().any(|one| one.hint.contains(place)), "{path}{pointer}: {found:#?}");
    }
    for (zone, path, own) in [
        ("processed", "checksums.json", "kfm_checksums_version"),
        ("releases", "release.json", "kfm_release_version"),
    ] {
        let first = |version: Option<Value>| {
            changed(zone, path, |document| {
                let members = document.as_object_mut().unwrap();
                members.remove(own).unwrap();
                members.extend(version.map(|it| ("version".to_owned(), it)));
            })
        };
        assert_eq!(kinds(&first(Some(json!(1))).await), [], "{path}");
        assert!(kinds(&first(Some(json!(2))).await).contains(&K::SchemaInvalid), "{path}");
        assert!(kinds(&first(None).await).contains(&K::SchemaInvalid), "{path}");
    }
    let mut bench = Bench::new().await;
    let report = bench.key("processed", "qa/validation_report.json");
    bench.platform.edit(&report, |_| "{".to_owned());
    bench.hash();
    assert_eq!(bench.kinds().await, [K::ChecksumMismatch, K::SchemaInvalid]);
}

#[tokio::test]
async fn a_missing_receipt_or_list_holds_the_version_back() {
    for (zone, path) in [("catalog", RECEIPT), ("processed", "checksums.json")] {
        let mut bench = Bench::new().await;
        let key = bench.key(zone, path);
        bench.platform.remove(&key);
        bench.hash();
        let found = bench.findings().await;
        let missing =
            found.iter().find(|one| one.kind == K::Missing && one.key.as_ref() == Some(&key));
        assert!(missing.unwrap().blocks(), "{found:#?}");
    }
}
