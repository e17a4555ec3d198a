use serde_json::{Value, json};

use crate::dataset::Dataset;
use crate::out::{Out, Written};
use crate::variant::Variant;
use crate::{Outcome, json};

/// One dataset version and all that went into it.
pub(crate) struct Build {
    pub(crate) dataset: Dataset,
    pub(crate) inputs: Vec<Written>,
    pub(crate) artifacts: Vec<Written>,
    pub(crate) report: Written,
    /// The UUID of the run that made it.
    pub(crate) run: String,
    /// The second at which its input came in.
    pub(crate) at: i64,
    /// The version that it replaces.
    pub(crate) former: Option<String>,
}

/// The bounds of the state, for the collection of a table without geometry.
const KANSAS: [f64; 4] = [-102.051_744, 36.993_016, -94.588_413, 40.003_162];

impl Build {
    /// The evidence reference of the STAC item.
    pub(crate) fn stac(&self) -> String {
        let name = &self.dataset.described.name;
        format!("stac://{name}/items/{name}")
    }

    /// The evidence reference of the DCAT record of the version that it replaces.
    pub(crate) fn former(&self) -> Option<String> {
        let version = self.former.as_ref()?;
        Some(format!("dcat://{}@{version}", self.dataset.described.name))
    }

    pub(crate) fn run_id(&self) -> String {
        format!("kfm://run/{}", self.run)
    }
}

/// Writes the DCAT, STAC and PROV documents and the run receipt.
pub(crate) fn write(out: &Out, build: &Build) -> Outcome {
    let prefix = build.dataset.prefix("catalog");
    let name = &build.dataset.described.name;
    for (path, media_type, document) in [
        ("dcat.jsonld", "application/ld+json", dcat(build)),
        ("stac/collection.json", "application/json", collection(build)),
        (&*format!("stac/items/{name}.json"), "application/geo+json", item(build, out.variant)),
        ("prov/bundle.jsonld", "application/ld+json", prov(build)),
        ("receipts/run_receipt.json", "application/json", receipt(build)?),
    ] {
        out.document(&format!("{prefix}/{path}"), media_type, &document)?;
    }
    Ok(())
}

/// The prefixes of the linked documents.
pub(crate) fn context() -> Value {
    json!({
        "dcat": "http://www.w3.org/ns/dcat#",
        "dct": "http://purl.org/dc/terms/",
        "foaf": "http://xmlns.com/foaf/0.1/",
        "geo": "http://www.opengis.net/ont/geosparql#",
        "kfm": "urn:kfm:term:",
        "prov": "http://www.w3.org/ns/prov#",
        "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
        "spdx": "http://spdx.org/rdf/terms#",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
    })
}

fn time(text: &str) -> Value {
    json!({"@type": "xsd:dateTime", "@value": text})
}

fn checksums(written: &Written) -> Value {
    let one = |algorithm: &str, hex: &str| {
        json!({
            "@type": "spdx:Checksum",
            "spdx:algorithm": {"@id": format!("spdx:checksumAlgorithm_{algorithm}")},
            "spdx:checksumValue": {"@type": "xsd:hexBinary", "@value": hex},
        })
    };
    json!([one("blake3", &written.blake3), one("sha256", &written.sha256)])
}

/// From `catalog/<dataset>/<version>/` to the root.
fn up(key: &str, levels: usize) -> String {
    format!("{}{key}", "../".repeat(levels))
}

fn dcat(build: &Build) -> Value {
    let (dataset, described) = (&build.dataset, &build.dataset.described);
    let [west, south, east, north] = dataset.measured.bbox.unwrap_or(KANSAS);
    let polygon = format!(
        "POLYGON(({west} {south}, {east} {south}, {east} {north}, {west} {north}, {west} {south}))"
    );
    let distributions: Vec<Value> = build
        .artifacts
        .iter()
        .map(|written| {
            json!({
                "@id": format!("{}#dist={}", dataset.dcat(), written.name()),
                "@type": "dcat:Distribution",
                "dct:title": written.name(),
                "dct:license": {"@id": described.license.1},
                "dcat:downloadURL": {"@id": up(&written.key, 3)},
                "dcat:mediaType": {"@id": format!(
                    "https://www.iana.org/assignments/media-types/{}", written.media_type
                )},
                "dcat:byteSize": {"@type": "xsd:nonNegativeInteger", "@value":
                    written.size.to_string()},
                "spdx:checksum": checksums(written),
            })
        })
        .collect();
    let mut record = json!({
        "@context": context(),
        "@id": dataset.dcat(),
        "@type": "dcat:Dataset",
        "dct:identifier": described.name,
        "dct:title": {"@language": "en", "@value": described.title},
        "dct:description": {"@language": "en", "@value": described.description},
        "dct:issued": time(&json::at(build.at + 180 * 60)),
        "dct:license": {"@id": described.license.1},
        "dct:publisher": {"@type": "foaf:Organization", "foaf:name": "Kansas Frontier Matrix"},
        "dct:source": described.source,
        "dct:spatial": {
            "@type": "dct:Location",
            "dcat:bbox": {"@type": "geo:wktLiteral", "@value": polygon},
        },
        "dct:temporal": {
            "@type": "dct:PeriodOfTime",
            "dcat:startDate": time(&described.time.0),
            "dcat:endDate": time(&described.time.1),
        },
        "dcat:keyword": described.keywords,
        "dcat:version": dataset.version,
        "dcat:distribution": distributions,
        "kfm:dataset_version_id": dataset.version,
        "kfm:policy_label": described.policy_label,
        "kfm:row_count": dataset.measured.rows,
        "kfm:spec_hash": dataset.spec_hash,
        "prov:wasGeneratedBy": {"@id": build.run_id()},
    });
    if let Some(until) = &described.embargo_until {
        record["kfm:embargo_until"] = time(until);
    }
    if let Some(former) = build.former() {
        record["dcat:previousVersion"] = json!({"@id": former});
        record["prov:wasRevisionOf"] = json!({"@id": former});
    }
    record
}

fn collection(build: &Build) -> Value {
    let (dataset, described) = (&build.dataset, &build.dataset.described);
    let item = format!("./items/{}.json", described.name);
    let mut links = vec![
        json!({"rel": "root", "href": "./collection.json", "type": "application/json"}),
        json!({"rel": "item", "href": item, "type": "application/geo+json"}),
        json!({"rel": "describedby", "href": "../dcat.jsonld", "type": "application/ld+json"}),
        json!({"rel": "license", "href": described.license.1}),
    ];
    if let Some(former) = &build.former {
        let href = format!("../../{former}/stac/collection.json");
        links.push(json!({"rel": "predecessor-version", "href": href, "type": "application/json"}));
    }
    json!({
        "type": "Collection",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": described.name,
        "title": described.title,
        "description": described.description,
        "keywords": described.keywords,
        "license": described.license.0,
        "providers": [{"name": described.source, "roles": ["producer"]}],
        "extent": {
            "spatial": {"bbox": [dataset.measured.bbox.unwrap_or(KANSAS)]},
            "temporal": {"interval": [[described.time.0, described.time.1]]},
        },
        "kfm:dataset_version_id": dataset.version,
        "kfm:policy_label": described.policy_label,
        "links": links,
    })
}

fn item(build: &Build, variant: Variant) -> Value {
    let (dataset, described) = (&build.dataset, &build.dataset.described);
    let columns: Vec<Value> =
        described.columns.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
    let mut properties = json!({
        "title": described.title,
        "description": described.description,
        "datetime": null,
        "start_datetime": described.time.0,
        "end_datetime": described.time.1,
        "license": described.license.0,
        "table:columns": columns,
        "table:row_count": dataset.measured.rows,
        "kfm:dataset_version_id": dataset.version,
        "kfm:policy_label": described.policy_label,
    });
    let assets: serde_json::Map<String, Value> =
        build.artifacts.iter().map(|a| (a.name().to_owned(), asset(a, variant))).collect();
    let mut item = json!({
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/file/v2.1.0/schema.json",
            "https://stac-extensions.github.io/table/v1.2.0/schema.json",
        ],
        "id": described.name,
        "collection": described.name,
        "geometry": null,
        "links": [
            {"rel": "root", "href": "../collection.json", "type": "application/json"},
            {"rel": "parent", "href": "../collection.json", "type": "application/json"},
            {"rel": "collection", "href": "../collection.json", "type": "application/json"},
            {"rel": "receipt", "href": "../../receipts/run_receipt.json",
             "type": "application/json"},
        ],
        "assets": assets,
    });
    if let Some([west, south, east, north]) = dataset.measured.bbox {
        item["bbox"] = json!([west, south, east, north]);
        item["geometry"] = json!({
            "type": "Polygon",
            "coordinates": [[
                [west, south], [east, south], [east, north], [west, north], [west, south],
            ]],
        });
        properties["table:primary_geometry"] = json!("geometry");
    }
    if let Some(until) = &described.embargo_until {
        properties["kfm:embargo_until"] = json!(until);
    }
    item["properties"] = properties;
    item
}

/// Parquet is named by BLAKE3, the text forms by SHA-256: both are multihashes.
fn asset(written: &Written, variant: Variant) -> Value {
    let binary = written.media_type == "application/vnd.apache.parquet";
    let multihash = if variant.names_by_blake3(binary) {
        format!("1e20{}", written.blake3)
    } else {
        format!("1220{}", written.sha256)
    };
    json!({
        "href": up(&written.key, 5),
        "type": written.media_type,
        "title": written.name(),
        "roles": ["data"],
        "file:checksum": multihash,
        "file:size": written.size,
    })
}

fn prov(build: &Build) -> Value {
    let entity = |written: &Written| {
        json!({
            "@id": written.uri(),
            "@type": "prov:Entity",
            "dct:identifier": written.name(),
            "spdx:checksum": checksums(written),
        })
    };
    let used: Vec<Value> = build.inputs.iter().map(|w| json!({"@id": w.uri()})).collect();
    let mut graph = vec![
        json!({
            "@id": build.run_id(),
            "@type": "prov:Activity",
            "rdfs:label": format!("Build of {}", build.dataset.described.title),
            "prov:startedAtTime": time(&json::at(build.at + 30 * 60)),
            "prov:endedAtTime": time(&json::at(build.at + 31 * 60)),
            "prov:used": used,
            "prov:wasAssociatedWith": {"@id": "urn:kfm:agent:kfm-pipeline"},
        }),
        json!({
            "@id": "urn:kfm:agent:kfm-pipeline",
            "@type": ["prov:Agent", "prov:SoftwareAgent"],
            "foaf:name": "kfm-pipeline",
        }),
    ];
    let mut record = json!({
        "@id": build.dataset.dcat(),
        "@type": "prov:Entity",
        "prov:wasGeneratedBy": {"@id": build.run_id()},
    });
    if let Some(former) = build.former() {
        record["prov:wasRevisionOf"] = json!({"@id": former});
        graph.push(json!({"@id": former, "@type": "prov:Entity"}));
    }
    graph.push(record);
    graph.extend(build.inputs.iter().map(entity));
    for written in &build.artifacts {
        let mut artifact = entity(written);
        artifact["prov:wasGeneratedBy"] = json!({"@id": build.run_id()});
        artifact["prov:wasDerivedFrom"] = json!(used);
        graph.push(artifact);
    }
    json!({"@context": context(), "@graph": graph})
}

fn receipt(build: &Build) -> Outcome<Value> {
    let label = &build.dataset.described.policy_label;
    let named = |written: &Written| json!({"uri": written.uri(), "digest": format!("sha256:{}", written.sha256)});
    Ok(json!({
        "kfm_run_receipt_version": "v1",
        "run_id": build.run_id(),
        "actor": {"principal": "kfm-pipeline", "role": "publisher"},
        "operation": "process",
        "dataset_version_id": build.dataset.version,
        "inputs": build.inputs.iter().map(named).collect::<Vec<_>>(),
        "outputs": build.artifacts.iter().map(named).collect::<Vec<_>>(),
        "environment": {
            "container_digest": json::digest(&json!("kfm-pipeline container"))?,
            "git_commit": "8f4e2c6a1b3d5f7092a4c6e8f0b2d4f6a8c0e2f4",
            "params_digest": json::digest(&json!({"pipeline_version": 1}))?,
        },
        "validation": {
            "status": "passed",
            "report_digest": format!("sha256:{}", build.report.sha256),
        },
        "policy": {
            "decision_id": format!("{}-{label}", build.run),
            "policy_label": label,
        },
        "created_at": json::at(build.at + 90 * 60),
        "spec": build.dataset.spec,
        "spec_hash": build.dataset.spec_hash,
    }))
}
