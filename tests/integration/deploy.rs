//! What is deployed to Kubernetes says what the cluster understands, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, PodSpec, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bench::repository;

const OVERLAYS: [&str; 3] = ["dev", "stage", "prod"];

fn folder(below: &str) -> PathBuf {
    repository().join("deploy/kubernetes").join(below)
}

fn yaml(file: &Path) -> Value {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// Reads a document as the API's own type; a field that it does not know is a mistake.
fn strictly<T: DeserializeOwned>(document: &Value) -> Result<T, String> {
    let mut unknown = BTreeSet::new();
    let read = serde_ignored::deserialize(document, |path| {
        unknown.insert(path.to_string());
    });
    let read: T = read.map_err(|error| error.to_string())?;
    // The types keep these two to themselves.
    unknown.retain(|path| path != "apiVersion" && path != "kind");
    if unknown.is_empty() { Ok(read) } else { Err(format!("unknown: {unknown:?}")) }
}

fn check(document: &Value) -> Result<(), String> {
    let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    match (text("apiVersion").as_str(), text("kind").as_str()) {
        ("batch/v1", "CronJob") => strictly::<CronJob>(document).map(drop),
        ("batch/v1", "Job") => strictly::<Job>(document).map(drop),
        ("v1", "Namespace") => strictly::<Namespace>(document).map(drop),
        ("v1", "PersistentVolumeClaim") => strictly::<PersistentVolumeClaim>(document).map(drop),
        ("v1", "ServiceAccount") => strictly::<ServiceAccount>(document).map(drop),
        ("networking.k8s.io/v1", "NetworkPolicy") => strictly::<NetworkPolicy>(document).map(drop),
        ("policy/v1", "PodDisruptionBudget") => strictly::<PodDisruptionBudget>(document).map(drop),
        other => Err(format!("what is {other:?}?")),
    }
}

/// The documents that a kustomization takes from its own folder, by kind and name.
fn documents(of: &str, list: &str) -> BTreeMap<(String, String), Value> {
    let kustomization = yaml(&folder(of).join("kustomization.yaml"));
    let mut found = BTreeMap::new();
    for entry in kustomization[list].as_array().into_iter().flatten() {
        let file = entry["path"].as_str().or(entry.as_str()).unwrap();
        let path = folder(of).join(file);
        if path.is_dir() {
            assert!(path.join("kustomization.yaml").is_file(), "{file}");
            continue;
        }
        let document = yaml(&path);
        check(&document).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let name = (text(&document["kind"]), text(&document["metadata"]["name"]));
        assert!(found.insert(name, document).is_none(), "{} twice", path.display());
    }
    found
}

fn pods() -> [PodSpec; 2] {
    let base = documents("base", "resources");
    let of = |kind: &str, name: &str| &base[&(kind.to_owned(), name.to_owned())];
    let rehearse: CronJob = strictly(of("CronJob", "coppice-rehearse")).unwrap();
    let restore: Job = strictly(of("Job", "coppice-restore")).unwrap();
    let restore = restore.spec.unwrap();
    assert_eq!(restore.suspend, Some(true), "a restore starts when somebody says so");
    let rehearse = rehearse.spec.unwrap();
    assert_eq!(rehearse.concurrency_policy.as_deref(), Some("Forbid"));
    [rehearse.job_template.spec.unwrap().template.spec.unwrap(), restore.template.spec.unwrap()]
}

#[test]
fn every_document_is_of_the_clusters_own_types() {
    let base = documents("base", "resources");
    assert_eq!(base.len(), 6);
    for overlay in OVERLAYS {
        let of = format!("overlays/{overlay}");
        assert_eq!(documents(&of, "resources").len(), 1, "{overlay}: its namespace");
        for named in documents(&of, "patches").keys() {
            assert!(base.contains_key(named), "{overlay} patches {named:?}, which is not there");
        }
        let kustomization = yaml(&folder(&of).join("kustomization.yaml"));
        assert_eq!(kustomization["namespace"], format!("coppice-{overlay}"));
        let literals = kustomization["configMapGenerator"][0]["literals"].to_string();
        assert!(literals.contains(&format!("environment={overlay}")), "{literals}");
    }
    // The check finds what it is there for.
    let mut wrong = base.into_values().find(|one| one["kind"] == "CronJob").unwrap();
    wrong["spec"]["concurencyPolicy"] = "Forbid".into();
    let why = check(&wrong).unwrap_err();
    assert!(why.contains("concurencyPolicy"), "{why}");
}

#[test]
fn pods_may_do_nothing_that_they_need_not() {
    for pod in pods() {
        assert_eq!(pod.automount_service_account_token, Some(false));
        assert_eq!(pod.security_context.unwrap().run_as_non_root, Some(true));
        let inits = pod.init_containers.into_iter().flatten();
        for container in inits.chain(pod.containers) {
            let name = container.name;
            let security = container.security_context.unwrap();
            assert_eq!(security.read_only_root_filesystem, Some(true), "{name}");
            assert_eq!(security.allow_privilege_escalation, Some(false), "{name}");
            assert_eq!(security.capabilities.unwrap().drop.unwrap(), ["ALL"], "{name}");
            let resources = container.resources.unwrap();
            assert!(resources.requests.is_some() && resources.limits.is_some(), "{name}");
            // Values of secrets stand in no document: each comes from where the cluster keeps it.
            for variable in container.env.into_iter().flatten() {
                assert!(variable.value.is_none(), "{name}: {} is written out", variable.name);
            }
        }
    }
}

#[test]
fn what_pods_run_is_a_command_of_ours() {
    let names = ["rehearse", "restore"];
    for (pod, name) in pods().into_iter().zip(names) {
        let args = pod.containers[0].args.clone().unwrap();
        let values = [
            ("$(COPPICE_PLAN)", "plans/kansas.yaml"),
            ("$(COPPICE_ENV)", "dev"),
            ("$(INCIDENT_REASON)", "bucket lost"),
            ("$(INCIDENT_ACTOR)", "kim"),
            ("$(INCIDENT_AT)", "2026-11-24T02:10:00Z"),
        ];
        let args = args.iter().map(|arg| {
            let found = values.iter().find(|(variable, _)| arg == variable);
            found.map_or(arg.as_str(), |(_, value)| *value)
        });
        // The command line is taken; nothing is sealed yet, so that is what is told.
        let args: Vec<&str> = args.collect();
        assert_eq!(args[0], name);
        let bench = crate::bench::Bench::new();
        let args = [&args[..], &["--env", "dev"]].concat();
        let args: Vec<_> = args.iter().map(|arg| arg.replace("/state/", "")).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let said = bench.run(&args).expect(1).stderr;
        assert!(said.contains("snapshot-missing"), "{said}");
    }
}
