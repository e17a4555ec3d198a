//! Environments are kept apart, and so are two runs on one target.

use std::fs;

use crate::bench::{Bench, copy};

#[test]
fn a_target_without_a_marker_is_refused_before_any_write() {
    let bench = Bench::new();
    bench.seal();
    let refused = bench.json(&["restore", "plans/kansas.yaml", "--env", "dev"]).expect(5).json();
    assert_eq!(refused["error"]["code"], "fenced", "{refused:#}");
    let hint = refused["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("coppice init") && hint.contains("--env dev"), "{hint}");
    assert!(!bench.canonical().exists(), "something was written");
}

#[test]
fn a_target_with_anothers_marker_is_refused() {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    let marker = bench.canonical().join(".coppice/environment.json");
    let text = fs::read_to_string(&marker).unwrap();
    fs::write(&marker, text.replace("\"dev\"", "\"prod\"")).unwrap();
    let refused = bench.json(&["restore", "plans/kansas.yaml", "--env", "dev"]).expect(5).json();
    assert_eq!(refused["error"]["code"], "fenced");
    assert!(refused["error"]["message"].as_str().unwrap().contains("prod"), "{refused:#}");
    assert!(!bench.canonical().join("processed").exists(), "something was written");
}

#[test]
fn a_copy_of_a_marked_store_is_refused() {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    copy(&bench.canonical(), &bench.path(".coppice/copy"));
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    fs::write(&plan, text.replacen("dev/canonical", "copy", 1)).unwrap();
    let refused = bench.json(&["restore", "plans/kansas.yaml", "--env", "dev"]).expect(5).json();
    assert!(refused["error"]["message"].as_str().unwrap().contains("copy"), "{refused:#}");
}

#[test]
fn a_rehearsal_of_an_environment_never_asks_for_its_credentials() {
    let bench = Bench::new();
    bench.seal();
    // The environment `stage` names a secret that nobody set; a rehearsal does not need it.
    fs::create_dir_all(bench.path(".coppice/stage")).unwrap();
    copy(&bench.backup(), &bench.path(".coppice/stage/backup"));
    let args = ["rehearse", "plans/kansas.yaml", "--env", "stage"];
    let receipt = bench.json(&args).expect(0).json();
    assert_eq!(receipt["predicate"]["environment"], "stage");
}

#[test]
fn a_protected_environment_wants_a_reason() {
    let bench = Bench::new();
    bench.seal();
    copy(&bench.backup(), &bench.path(".coppice/stage/backup"));
    let args = ["restore", "plans/kansas.yaml", "--env", "stage"];
    let refused = bench.json(&args).expect(2).json();
    assert_eq!(refused["error"]["code"], "usage");
    assert!(refused["error"]["hint"].as_str().unwrap().contains("--reason"), "{refused:#}");
}
