//! What is deployed to Kubernetes says what the cluster understands, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    Container, EnvVar, Namespace, PersistentVolumeClaim, PodSpec, PodTemplateSpec,
    SecretKeySelector, ServiceAccount, Volume,
};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyEgressRule};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bench::{Bench, repository};

const OVERLAYS: [&str; 3] = ["dev", "stage", "prod"];
/// What a rehearsal reads and writes of an environment.
const OF_REHEARSALS: [&str; 4] = ["backup", "scratch", "scratch_graph", "withdrawals"];
/// What a rehearsal must not reach.
const TARGETS: [&str; 4] = ["canonical", "projections", "postgis", "graph"];

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

/// An object of the base.
fn object<T: DeserializeOwned>(kind: &str, name: &str) -> T {
    strictly(&documents("base", "resources")[&(kind.to_owned(), name.to_owned())]).unwrap()
}

/// The pods of rehearsals and of the restore, as the base has them or an overlay patches them.
fn templates(of: &str, list: &str) -> [PodTemplateSpec; 2] {
    let documents = documents(of, list);
    let named = |kind: &str, name: &str| {
        let found = documents.get(&(kind.to_owned(), name.to_owned()));
        found.unwrap_or_else(|| panic!("{of} has no {kind} {name}"))
    };
    let rehearse: CronJob = strictly(named("CronJob", "coppice-rehearse")).unwrap();
    let restore: Job = strictly(named("Job", "coppice-restore")).unwrap();
    [rehearse.spec.unwrap().job_template.spec.unwrap().template, restore.spec.unwrap().template]
}

fn pods() -> [PodSpec; 2] {
    templates("base", "resources").map(|template| template.spec.unwrap())
}

fn labels() -> [BTreeMap<String, String>; 2] {
    templates("base", "resources").map(|template| template.metadata.unwrap().labels.unwrap())
}

/// Whether a selector chooses what has these labels.
fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    assert!(selector.match_expressions.is_none(), "expressions are not looked at here");
    let mut wanted = selector.match_labels.iter().flatten();
    wanted.all(|(name, value)| labels.get(name) == Some(value))
}

/// What an overlay says of the plan.
fn literals(overlay: &str) -> BTreeMap<String, String> {
    let kustomization = yaml(&folder("overlays").join(overlay).join("kustomization.yaml"));
    let maps = kustomization["configMapGenerator"].as_array().unwrap();
    let map = maps.iter().find(|map| map["name"] == "coppice-plan").unwrap();
    let literal = |text: &Value| {
        let (name, value) = text.as_str().unwrap().split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    };
    map["literals"].as_array().unwrap().iter().map(literal).collect()
}

/// Where the plan of an overlay is in the repository, which pods have below `/plans/current`.
fn plan_of(overlay: &str) -> String {
    let plan = literals(overlay).remove("plan").unwrap();
    plan.strip_prefix("/plans/current/").unwrap_or_else(|| panic!("{plan}")).to_owned()
}

/// What the plan of an overlay says of its environment.
fn environment_of(overlay: &str) -> Value {
    let plan = yaml(&repository().join(plan_of(overlay)));
    let environment = plan["spec"]["environments"][&literals(overlay)["environment"]].clone();
    assert!(environment.is_object(), "{overlay}: its plan has no such environment");
    environment
}

/// All texts in a part of a plan.
fn texts(part: &Value) -> Vec<&str> {
    match part {
        Value::String(text) => vec![text.as_str()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// The variables that fields of an environment refer to.
fn references<'a>(environment: &'a Value, fields: &[&str]) -> BTreeSet<&'a str> {
    let texts = fields.iter().flat_map(|field| texts(&environment[*field]));
    texts.filter_map(|text| text.strip_prefix("env:")).collect()
}

/// The variables that an overlay adds to a pod, with the key of the secret that each comes from.
fn secrets(template: PodTemplateSpec) -> BTreeMap<String, SecretKeySelector> {
    let [container] = <[_; 1]>::try_from(template.spec.unwrap().containers).unwrap();
    // By another name it would be a container more.
    assert_eq!(container.name, "coppice");
    assert!(container.env_from.is_none(), "each key is named");
    let named = |variable: EnvVar| {
        assert!(variable.value.is_none(), "{} is written out", variable.name);
        (variable.name, variable.value_from.unwrap().secret_key_ref.unwrap())
    };
    container.env.into_iter().flatten().map(named).collect()
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
        assert_eq!(literals(overlay)["environment"], overlay);
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
        let security = pod.security_context.unwrap();
        assert_eq!(security.run_as_non_root, Some(true));
        // The user of the image, to whom the claim is given.
        assert_eq!(security.run_as_user, Some(10001));
        assert_eq!(security.fs_group, Some(10001));
        assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
        let inits = pod.init_containers.into_iter().flatten();
        for container in inits.chain(pod.containers) {
            let name = container.name;
            let security = container.security_context.unwrap();
            assert_eq!(security.read_only_root_filesystem, Some(true), "{name}");
            assert_eq!(security.allow_privilege_escalation, Some(false), "{name}");
            assert_eq!(security.capabilities.unwrap().drop.unwrap(), ["ALL"], "{name}");
            // What is said of the pod holds for each container that says nothing else.
            assert!(security.run_as_user.is_none() && security.seccomp_profile.is_none(), "{name}");
            assert_ne!(security.run_as_non_root, Some(false), "{name}");
            assert!(container.env_from.is_none(), "{name}: a pod has no more than the plan names");
            let resources = container.resources.unwrap();
            assert!(resources.requests.is_some() && resources.limits.is_some(), "{name}");
            // Values of secrets stand in no document: each comes from where the cluster keeps it.
            for variable in container.env.into_iter().flatten() {
                assert!(variable.value.is_none(), "{name}: {} is written out", variable.name);
            }
        }
    }
}

/// What a container may write to, by where it is mounted.
fn writable<'a>(pod: &'a PodSpec, container: &'a Container) -> BTreeMap<&'a str, &'a Volume> {
    let mounts = container.volume_mounts.iter().flatten();
    let open = mounts.filter(|mount| mount.read_only != Some(true));
    let volume = |name: &str| {
        let mut volumes = pod.volumes.iter().flatten();
        volumes.find(|volume| volume.name == name).unwrap_or_else(|| panic!("no volume {name}"))
    };
    open.map(|mount| (mount.mount_path.as_str(), volume(&mount.name))).collect()
}

#[test]
fn pods_write_to_their_state_and_to_tmp_alone() {
    let state: PersistentVolumeClaim = object("PersistentVolumeClaim", "coppice-state");
    assert_eq!(state.spec.unwrap().access_modes.unwrap(), ["ReadWriteOnce"]);
    for pod in pods() {
        let open = writable(&pod, &pod.containers[0]);
        assert_eq!(open.keys().copied().collect::<Vec<_>>(), ["/state", "/tmp"]);
        let claim = open["/state"].persistent_volume_claim.as_ref().unwrap();
        assert_eq!(claim.claim_name, "coppice-state");
        assert_ne!(claim.read_only, Some(true));
        assert!(open["/tmp"].empty_dir.is_some());
        for container in pod.init_containers.iter().flatten() {
            // It fetches the plan, and never touches what is kept.
            let open = writable(&pod, container);
            assert_eq!(open.keys().copied().collect::<Vec<_>>(), ["/plans", "/tmp"]);
            assert!(open.values().all(|volume| volume.empty_dir.is_some()));
        }
    }
}

#[test]
fn what_pods_run_is_a_command_of_ours() {
    for overlay in OVERLAYS {
        let (plan, literals) = (plan_of(overlay), literals(overlay));
        let values = [
            ("$(COPPICE_PLAN)", plan.as_str()),
            ("$(COPPICE_ENV)", literals["environment"].as_str()),
            ("$(INCIDENT_REASON)", "bucket lost"),
            ("$(INCIDENT_ACTOR)", "kim"),
            ("$(INCIDENT_AT)", "2026-11-24T02:10:00Z"),
        ];
        let mut bench = Bench::new();
        // A pod is told its environment by this variable alone.
        bench.set("COPPICE_ENV", &literals["environment"]);
        for (pod, name) in pods().into_iter().zip(["rehearse", "restore"]) {
            let args = pod.containers[0].args.clone().unwrap();
            assert_eq!(args[0], name);
            let args = args.iter().map(|arg| {
                let found = values.iter().find(|(variable, _)| arg == variable);
                found.map_or_else(|| arg.replace("/state/", ""), |(_, value)| (*value).to_owned())
            });
            let args: Vec<String> = args.collect();
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            // Command line, plan and environment are taken. No secret is given, so that nothing is
            // reached, and that is what is told.
            let said = bench.run(&args).expect(1).stderr;
            let missing = format!("env:COPPICE_{}_", overlay.to_uppercase());
            assert!(said.contains("credentials") && said.contains(&missing), "{said}");
        }
    }
}

#[test]
fn pods_reach_every_store_of_their_environment_by_url() {
    for overlay in OVERLAYS {
        let environment = environment_of(overlay);
        let stores = environment.as_object().unwrap().iter();
        for (name, store) in stores.filter(|(_, field)| field.get("url").is_some()) {
            let zones = store["zones"].as_object().into_iter().flat_map(|zones| zones.values());
            for url in zones.chain([&store["url"]]) {
                // A path means a place beside the plan, where a pod can write nothing.
                let scheme = url.as_str().unwrap().split_once("://").map(|(scheme, _)| scheme);
                let far = scheme.is_some_and(|scheme| ["s3", "gs", "az"].contains(&scheme));
                assert!(far, "{overlay}: {name} is at {url}");
            }
        }
        // Neither does a pod have the file of a secret.
        let files = texts(&environment).into_iter().filter(|text| text.starts_with("file:"));
        assert_eq!(files.count(), 0, "{overlay}");
        assert!(environment["postgis"]["server"].is_object(), "{overlay}: none but the pod has it");
    }
    assert_eq!(environment_of("prod")["protected"], true);
}

#[test]
fn pods_are_given_what_their_plan_refers_to_and_rehearsals_open_no_target() {
    for overlay in OVERLAYS {
        let environment = environment_of(overlay);
        let of_rehearsals = references(&environment, &OF_REHEARSALS);
        assert!(of_rehearsals.is_disjoint(&references(&environment, &TARGETS)), "{overlay}");
        let all = environment.as_object().unwrap().keys().map(String::as_str);
        let all = references(&environment, &all.collect::<Vec<_>>());
        let patched = templates(&format!("overlays/{overlay}"), "patches").map(secrets);
        for (given, wanted) in patched.iter().zip([&of_rehearsals, &all]) {
            let names: BTreeSet<&str> = given.keys().map(String::as_str).collect();
            assert_eq!(names, *wanted, "{overlay}");
            for (name, key) in given {
                let of_rehearsal = of_rehearsals.contains(name.as_str());
                let secret = if of_rehearsal { "coppice-rehearsal" } else { "coppice-credentials" };
                assert_eq!((key.name.as_str(), &key.key), (secret, name), "{overlay}");
                assert_ne!(key.optional, Some(true), "{overlay}: {name} has to be there");
            }
        }
    }
}

#[test]
fn pods_are_probed_while_they_start_by_a_command_of_ours() {
    let bench = Bench::new();
    for pod in pods() {
        let container = &pod.containers[0];
        // A recovery that waits for a store must not be ended for waiting.
        assert!(container.liveness_probe.is_none() && container.readiness_probe.is_none());
        let probe = container.startup_probe.clone().unwrap();
        let command = probe.exec.unwrap().command.unwrap();
        assert_eq!(command, ["coppice", "runs", "--format", "json"]);
        let args: Vec<&str> = command[1..].iter().map(String::as_str).collect();
        bench.run(&args).expect(0);
    }
}

#[test]
fn no_node_is_drained_under_a_restore() {
    let budget: PodDisruptionBudget = object("PodDisruptionBudget", "coppice-restore");
    let budget = budget.spec.unwrap();
    assert_eq!(budget.min_available, Some(IntOrString::Int(1)));
    let selector = budget.selector.unwrap();
    let [rehearse, restore] = labels();
    assert!(selects(&selector, &restore), "{selector:?} is not {restore:?}");
    assert!(!selects(&selector, &rehearse), "rehearsals are run again, and keep no node");
}

#[test]
fn nobody_reaches_a_pod() {
    let policy: NetworkPolicy = object("NetworkPolicy", "coppice");
    let policy = policy.spec.unwrap();
    // What is restricted is what is named here; rules that are not there let nothing through.
    assert_eq!(policy.policy_types.unwrap(), ["Ingress", "Egress"]);
    assert!(policy.ingress.unwrap_or_default().is_empty());
    let selector = policy.pod_selector.unwrap();
    for labels in labels() {
        assert!(selects(&selector, &labels), "{selector:?} is not {labels:?}");
    }
}

/// What a rule lets through; a rule or port that says nothing would let everything.
fn ports(rule: &NetworkPolicyEgressRule) -> Vec<String> {
    let ports = rule.ports.clone().unwrap_or_default();
    assert!(!ports.is_empty(), "every port is open: {rule:?}");
    let named = ports.into_iter().map(|port| {
        assert!(port.end_port.is_none(), "a range: {port:?}");
        let Some(IntOrString::Int(number)) = port.port else { panic!("no number: {port:?}") };
        format!("{} {number}", port.protocol.unwrap_or_default())
    });
    named.collect()
}

#[test]
fn pods_reach_names_object_stores_and_postgres_alone() {
    let policy: NetworkPolicy = object("NetworkPolicy", "coppice");
    let rules = policy.spec.unwrap().egress.unwrap();
    let open: BTreeSet<String> = rules.iter().flat_map(ports).collect();
    let known = ["TCP 443", "TCP 53", "TCP 5432", "UDP 53"].map(str::to_owned);
    assert_eq!(open, BTreeSet::from(known));
    let asks =
        |rule: &&NetworkPolicyEgressRule| ports(rule).iter().any(|port| port.ends_with(" 53"));
    for rule in rules.iter().filter(asks) {
        // Elsewhere a name can be asked for to carry something out.
        let [peer] = <[_; 1]>::try_from(rule.to.clone().unwrap()).unwrap();
        let names = peer.namespace_selector.unwrap().match_labels.unwrap();
        assert_eq!(names["kubernetes.io/metadata.name"], "kube-system");
        assert!(peer.ip_block.is_none());
    }
}

#[test]
fn a_restore_starts_when_somebody_says_so_and_can_end_rehearsals_before() {
    let restore: Job = object("Job", "coppice-restore");
    assert_eq!(restore.spec.unwrap().suspend, Some(true));
    let rehearse: CronJob = object("CronJob", "coppice-rehearse");
    let rehearse = rehearse.spec.unwrap();
    assert_eq!(rehearse.concurrency_policy.as_deref(), Some("Forbid"));
    // They share a claim that is on one node at a time; the runbook finds them by this label.
    let (name, value) = ("app.kubernetes.io/component", "rehearse");
    assert_eq!(rehearse.job_template.metadata.unwrap().labels.unwrap()[name], value);
    let runbook = fs::read_to_string(repository().join("docs/operate.md")).unwrap();
    assert!(runbook.contains(&format!("delete jobs --selector {name}={value} ")));
}
