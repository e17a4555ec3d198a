//! What `make rehearse-services` does, against the servers that the tests share: each test has
//! buckets' prefixes and databases of its own.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::cloud::{Cloud, sql};
use super::objects::list;
use crate::bench::{erased, found, repository};

fn outcomes(receipt: &Value) -> BTreeMap<String, String> {
    let all = receipt["projections"].as_array().unwrap().iter();
    all.map(|p| (p["job"].as_str().unwrap().into(), p["outcome"].as_str().unwrap().into()))
        .collect()
}

/// Whether the graph was proven on a SPARQL server; `None`: there is none.
fn graph_is_on_a_server(receipt: &Value) -> Option<bool> {
    let all = receipt["projections"].as_array().unwrap();
    let graph = all.iter().find(|projection| projection["job"] == "graph/kansas")?;
    Some(graph["covers"].to_string().contains("SPARQL server") && graph["proven"] == true)
}

#[test]
fn a_recovery_on_servers_is_whole_from_snapshot_to_a_migration() {
    let cloud = Cloud::whole("recovery");
    let sealed = cloud.seal();
    assert_eq!(sealed["state"], "clean", "{sealed:#}");

    // With no credentials of dev, which nobody has marked.
    let rehearsed = cloud.receipt(0, "SCRATCH", "dev", &["rehearse"]);
    assert_eq!(rehearsed["outcome"], "recovered", "{rehearsed:#}");
    assert_eq!(rehearsed["snapshot"], sealed["snapshot"]);
    assert_eq!(graph_is_on_a_server(&rehearsed), Some(true), "{rehearsed:#}");
    assert_eq!(list(&cloud.at("kansas-scratch")), BTreeMap::new(), "scratch holds something still");

    cloud.init("stage");
    let restored = cloud.receipt(0, "STAGE", "stage", &["restore"]);
    assert_eq!(restored["outcome"], "recovered", "{restored:#}");
    assert_eq!(found(&restored), erased());
    for (job, outcome) in outcomes(&restored) {
        assert_eq!(outcome, "rebuilt", "{job}");
    }
    assert_eq!(graph_is_on_a_server(&restored), Some(true), "{restored:#}");
    let places = "SELECT count(*), count(DISTINCT ST_SRID(geom)) FROM kansas.places";
    assert_eq!(sql(&cloud.url("stage"), places), "299|1");
    let again = cloud.receipt(0, "STAGE", "stage", &["restore"]);
    assert!(outcomes(&again).values().all(|outcome| outcome == "unchanged"), "{again:#}");

    let query = cloud.bench.path("rebuild/postgis/places.sql");
    let text = fs::read_to_string(&query).unwrap();
    fs::write(&query, format!("{text}\nORDER BY 1\n")).unwrap();
    let migrated = cloud.receipt(0, "STAGE", "stage", &["rebuild", "--only", "postgis/places"]);
    let rebuilt: Vec<_> =
        outcomes(&migrated).into_iter().filter(|(_, outcome)| outcome == "rebuilt").collect();
    assert_eq!(rebuilt.len(), 2, "the job and what depends on it: {rebuilt:?}");
}

#[test]
fn compose_publishes_on_loopback_only_and_names_no_secret() {
    let text = fs::read_to_string(repository().join("docker-compose.yml")).unwrap();
    let ports: Vec<_> = text.lines().filter(|line| line.contains("ports:")).collect();
    assert_eq!(ports.len(), 3);
    let published: Vec<_> =
        ports.iter().flat_map(|line| line.split('"').skip(1).step_by(2)).collect();
    assert_eq!(published.len(), 5);
    for port in published {
        assert!(port.starts_with("127.0.0.1:${"), "{port}");
    }
    let with_value =
        text.lines().find(|line| line.trim().starts_with("- COPPICE_") && line.contains('='));
    assert_eq!(with_value, None);
}
