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

/// A bench whose environment `dev` is protected, with plan and jobs in a git tree.
fn protected() -> Bench {
    let bench = Bench::new();
    let every = "rehearse_every: 90d";
    bench.edit("plans/kansas.yaml", every, &format!("{every}\n      protected: true"));
    // What is sealed and what runs leave behind is not for git.
    fs::write(bench.path(".gitignore"), "/.coppice/\n/state/\n").unwrap();
    bench.git(&["init", "--quiet"]);
    bench.git(&["add", "."]);
    bench.git(&["commit", "--quiet", "--message", "plan and jobs"]);
    bench.seal();
    bench
}

#[test]
fn a_protected_environment_is_recovered_by_what_is_committed_once_it_is_confirmed() {
    let bench = protected();
    bench.init();
    // Off a terminal nobody can be asked; another environment's name confirms nothing.
    let unsure = ["restore", "plans/kansas.yaml", "--env", "dev", "--reason", "disk lost"];
    let wrong: [&[&str]; 2] = [&[], &["--confirm", "stage"]];
    for more in wrong {
        let refused = bench.json(&[&unsure[..], more].concat()).expect(2).json();
        assert_eq!(refused["error"]["code"], "usage", "{refused:#}");
        // Nothing else is lacking.
        assert_eq!(refused["error"]["hint"], "add --confirm dev", "{refused:#}");
    }
    assert_eq!(bench.newest_run(), None);
    assert!(!bench.canonical().join("processed").exists(), "something was written");

    let receipt = bench.receipt(0, &["restore", "--reason", "disk lost", "--confirm", "dev"]);
    assert_eq!(receipt["git_commit"], bench.git(&["rev-parse", "HEAD"]), "{receipt:#}");
    assert_eq!(receipt["reason"], "disk lost");
}

/// Demands that a protected environment is not recovered while a file is not as committed.
#[track_caller]
fn refused_while_changed(file: &str) {
    let bench = protected();
    let path = bench.path(file);
    let committed = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{committed}\n")).unwrap();
    let args = ["restore", "plans/kansas.yaml", "--env", "dev"];
    let args = [&args[..], &["--reason", "disk lost", "--confirm", "dev"]].concat();
    let refused = bench.json(&args).expect(2).json();
    assert_eq!(refused["error"]["code"], "usage", "{refused:#}");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("not committed"), "{message}");
    let folder = file.split('/').next().unwrap();
    assert!(message.contains(folder), "it does not say where: {message}");
    assert!(refused["error"]["hint"].as_str().unwrap().contains("commit"), "{refused:#}");
    assert_eq!(bench.newest_run(), None);
    // What is only looked at changes nothing, so it may be looked at before it is committed.
    bench.json(&["restore", "plans/kansas.yaml", "--env", "dev", "--dry-run"]).expect(0);
}

#[test]
fn a_plan_that_is_not_committed_changes_no_protected_environment() {
    refused_while_changed("plans/kansas.yaml");
}

#[test]
fn a_job_that_is_not_committed_changes_no_protected_environment() {
    refused_while_changed("rebuild/postgis/places.sql");
}

#[test]
fn a_plan_that_git_ignores_is_not_committed() {
    let bench = protected();
    bench.git(&["rm", "--quiet", "--cached", "plans/kansas.yaml"]);
    fs::write(bench.path(".gitignore"), "/.coppice/\n/state/\n/plans/kansas.yaml\n").unwrap();
    bench.git(&["add", ".gitignore"]);
    bench.git(&["commit", "--quiet", "--message", "the plan is nobody's business"]);
    let args =
        ["restore", "plans/kansas.yaml", "--env", "dev", "--reason", "r", "--confirm", "dev"];
    let refused = bench.json(&args).expect(2).json();
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("not committed: plans/kansas.yaml"), "{message}");
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
