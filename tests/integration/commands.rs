//! The commands around a recovery: before the first write, and once all is live.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::bench::{Bench, files};

/// Has the environment `dev` run these scripts, which lie beside the plan.
fn with_commands(freeze: &str, enable: &str) -> Bench {
    let bench = Bench::new();
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    let commands = "      rehearse_every: 90d\n      \
         freeze:\n        \
         - { name: writers, program: ./freeze.sh, args: [now], timeout: 1m,\n            \
             env: { KEY: { secret: 'file:key' } } }\n      \
         enable:\n        - { name: readers, program: ./enable.sh }\n";
    assert!(text.contains("      rehearse_every: 90d\n"));
    fs::write(&plan, text.replacen("      rehearse_every: 90d\n", commands, 1)).unwrap();
    fs::write(bench.path("plans/key"), "hush-hush\n").unwrap();
    for (name, body) in [("freeze.sh", freeze), ("enable.sh", enable)] {
        let script = bench.path("plans").join(name);
        fs::write(&script, format!("#!/bin/sh\nset -eu\n{body}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    }
    bench.seal();
    bench.init();
    bench
}

fn step<'a>(receipt: &'a Value, id: &str) -> &'a Value {
    let steps = receipt["steps"].as_array().unwrap();
    steps
        .iter()
        .find(|step| step["id"] == id)
        .unwrap_or_else(|| panic!("no step {id}: {receipt:#}"))
}

#[test]
fn writers_are_stopped_before_the_first_write_and_readers_let_in_at_the_end() {
    let freeze = "[ \"$1\" = now ]; echo \"$COPPICE_PHASE with $KEY\"\n\
                  [ ! -e ../.coppice/dev/canonical/processed ]; echo \"$COPPICE_RUN_ID\" > frozen";
    let enable = "[ -d ../.coppice/dev/canonical/processed ]\n\
                  ls ../.coppice/dev/projections/live/*.json; cp frozen enabled";
    let bench = with_commands(freeze, enable);
    // A rehearsal runs neither, and says so.
    let rehearsed = bench.receipt(0, &["rehearse"]);
    let not_covered = rehearsed["not_covered"].to_string();
    assert!(not_covered.contains("freeze/writers") && not_covered.contains("enable/readers"));
    assert!(!bench.path("plans/frozen").exists());

    let receipt = bench.receipt(0, &["restore"]);
    assert_eq!(step(&receipt, "freeze/writers")["outcome"], "succeeded");
    assert_eq!(step(&receipt, "enable/readers")["outcome"], "succeeded");
    let run = fs::read_to_string(bench.path("plans/enabled")).unwrap();
    assert_eq!(run.trim(), receipt["run_id"]);
    // What a rebuild does needs no frozen writers here.
    let rebuilt = bench.receipt(0, &["rebuild"]);
    assert!(!rebuilt["steps"].to_string().contains("freeze/writers"));
    for (name, bytes) in files(&bench.path("state")) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains("hush-hush"), "the secret is in {name}");
    }
}

#[test]
fn where_writers_cannot_be_stopped_nothing_is_written() {
    let bench =
        with_commands("echo cannot reach the ingest with $KEY >&2; exit 7", "touch enabled");
    let before = files(&bench.canonical());
    let ended = bench.run(&["restore", "plans/kansas.yaml", "--env", "dev"]).expect(1);
    assert!(ended.stdout.contains("freeze/writers failed"), "{}", ended.stdout);
    assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("hush-hush"));
    let run = bench.newest_run().unwrap();
    let receipt = bench.json(&["receipt", &run]).expect(0).json()["predicate"].clone();
    assert_eq!(step(&receipt, "restore/objects/processed")["outcome"], "blocked");
    assert_eq!(step(&receipt, "enable/readers")["outcome"], "blocked");
    assert_eq!(receipt["outcome"], "partial");
    let data = |path: &&String| !path.starts_with("audit/") && !path.starts_with(".coppice/");
    let after = files(&bench.canonical());
    assert_eq!(
        after.keys().filter(data).collect::<Vec<_>>(),
        before.keys().filter(data).collect::<Vec<_>>()
    );
    assert!(!bench.path("plans/enabled").exists());
}

#[test]
fn what_fails_at_the_end_leaves_all_live_and_says_so() {
    let bench = with_commands("true", "echo no such route >&2; exit 1");
    let receipt = bench.receipt(1, &["restore"]);
    assert_eq!(receipt["outcome"], "partial", "{receipt:#}");
    let projections = receipt["projections"].as_array().unwrap();
    assert!(projections.iter().all(|line| line["live"] == true), "{receipt:#}");
    let failure = &step(&receipt, "enable/readers")["failure"];
    assert!(failure["message"].as_str().unwrap().contains("exit code 1"), "{failure:#}");
}
