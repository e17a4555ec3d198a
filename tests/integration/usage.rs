//! What a wrong command line or a wrong plan gets: a clear error, exit 2, and nothing done.

use std::fs;

use serde_json::Value;

use crate::bench::{Bench, files};

#[test]
fn a_wrong_plan_is_told_with_its_place_and_a_hint() {
    let bench = Bench::new();
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap().replacen("objectives:", "objectivs:", 1);
    fs::write(&plan, text).unwrap();
    let refused = bench.json(&["plan", "plans/kansas.yaml", "--env", "dev"]).expect(2).json();
    assert_eq!(refused["error"]["code"], "plan-invalid", "{refused:#}");
    assert!(refused["error"]["location"]["line"].as_u64().unwrap() > 10, "{refused:#}");
    let shown = bench.run(&["plan", "plans/kansas.yaml", "--env", "dev"]).expect(2);
    assert!(shown.stderr.contains("objectivs"), "{}", shown.stderr);
    assert!(shown.stderr.contains("objectives"), "no nearest name: {}", shown.stderr);
}

#[test]
fn an_unknown_environment_job_or_run_is_told() {
    let bench = Bench::new();
    bench.seal();
    let env = bench.json(&["plan", "plans/kansas.yaml", "--env", "prod"]).expect(2).json();
    assert!(env["error"]["message"].as_str().unwrap().contains("prod"), "{env:#}");
    let unsaid = bench.json(&["plan", "plans/kansas.yaml"]).expect(2).json();
    assert!(unsaid["error"]["hint"].as_str().unwrap().contains("--env"), "{unsaid:#}");
    let run = bench.json(&["status", "0190aaaa-0000-7000-8000-000000000000"]).json();
    assert!(run["error"]["code"].is_string(), "{run:#}");
}

#[test]
fn an_empty_backup_has_no_snapshot() {
    let bench = Bench::new();
    let refused = bench.json(&["rehearse", "plans/kansas.yaml", "--env", "dev"]).expect(1).json();
    assert_eq!(refused["error"]["code"], "snapshot-missing", "{refused:#}");
}

#[test]
fn a_plan_is_printed_in_every_form() {
    let bench = Bench::new();
    bench.seal();
    let plan = ["plan", "plans/kansas.yaml", "--env", "dev"];
    let text = bench.run(&plan).expect(0).stdout;
    assert!(text.contains("rebuild/postgis/places"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let json = bench.json(&plan).expect(0).json();
    assert!(json["plan_digest"].as_str().unwrap().starts_with("blake3:"));
    assert!(json["steps"].as_array().unwrap().len() > 20);
    for (format, start) in [("dot", "digraph"), ("mermaid", "flowchart")] {
        let out = bench.run(&[&plan[..], &["--format", format]].concat()).expect(0).stdout;
        assert!(out.trim_start().starts_with(start), "{out}");
    }
    let expected = json["plan_digest"].as_str().unwrap().to_owned();
    let other = expected.replace("blake3:0", "blake3:1").replace("blake3:f", "blake3:0");
    let rehearse = ["rehearse", "plans/kansas.yaml", "--env", "dev", "--expect-plan", &other];
    bench.json(&rehearse).expect(2);
}

#[test]
fn schemas_completions_and_the_manual_are_printed() {
    let bench = Bench::new();
    for document in [
        "recovery-plan",
        "rebuild-job",
        "manifest",
        "receipt",
        "checksums",
        "raw-manifest",
        "run-receipt",
        "release",
        "withdrawals",
    ] {
        let schema = bench.run(&["schema", document]).expect(0).json();
        assert!(schema["$schema"].is_string(), "{document}");
    }
    assert!(bench.run(&["completions", "bash"]).expect(0).stdout.contains("_coppice"));
    assert!(bench.run(&["man"]).expect(0).stdout.contains(".TH"));
}

#[test]
fn a_readiness_check_changes_nothing_and_fails_closed() {
    let bench = Bench::new();
    let check = ["check", "plans/kansas.yaml", "--env", "dev"];
    let probe = |document: &Value, id: &str| {
        let probes = document["probes"].as_array().unwrap();
        probes.iter().find(|probe| probe["id"] == id).unwrap_or(&Value::Null).clone()
    };
    let first = bench.json(&check).expect(1).json();
    let unmarked = ["marker canonical", "marker projections", "rehearsal"];
    let absent = ["store canonical", "store projections"];
    let no_backup = ["forecast", "snapshot", "store backup"];
    assert_eq!(failing(&first), sorted(&[&unmarked[..], &absent, &no_backup]));
    assert_eq!(first["last_checked_at"], Value::Null);
    assert!(!bench.path(".coppice").exists(), "a check made a target");
    bench.seal();
    let sealed = bench.json(&check).expect(1).json();
    assert_eq!(failing(&sealed), sorted(&[&unmarked[..], &absent]));
    bench.init();
    bench.receipt(0, &["rehearse"]);
    let before = files(&bench.path(".coppice"));
    let ready = bench.json(&check).expect(0).json();
    assert_eq!(files(&bench.path(".coppice")), before, "a check wrote to a target");
    assert_eq!(ready["ok"], true, "{ready:#}");
    let forecast = probe(&ready, "forecast");
    assert!(forecast["seen"].as_str().unwrap().contains("the last 1 run"), "{forecast}");
    assert!(probe(&ready, "snapshot-age")["seen"].as_str().unwrap().ends_with("old, 24h allowed"));
    assert_eq!(probe(&ready, "locks")["seen"], "free");
    for id in ["credentials", "memory", "store backup", "rehearsal"] {
        assert_eq!(probe(&ready, id)["ok"], true, "{ready:#}");
    }
    let changed = ready["changes"].as_array().unwrap();
    assert!(changed.iter().any(|one| one["id"] == "rehearsal"), "{ready:#}");

    // Of another plan, whose environment has the same name, nothing was rehearsed.
    fs::copy(bench.path("plans/kansas.yaml"), bench.path("plans/other.yaml")).unwrap();
    let other = bench.json(&["check", "plans/other.yaml", "--env", "dev"]).expect(1).json();
    assert_eq!(failing(&other), ["rehearsal"], "{other:#}");

    // What a run of another machine holds, and a state directory that is none.
    let until = "2999-01-01T00:00:00Z";
    let lock = serde_json::json!({
        "holder": "kim", "run": "019b0000-0000-7000-8000-000000000000", "epoch": 1,
        "host": "elsewhere", "pid_space": "pid:[1]", "pid": 1, "since": "2026-01-01T00:00:00Z",
        "until": until, "released": false,
    });
    let path = bench.path(".coppice/dev/canonical/.coppice/lock.json");
    std::fs::write(&path, lock.to_string()).unwrap();
    let held = bench.json(&check).expect(1).json();
    assert_eq!(failing(&held), ["locks"]);
    let locks = probe(&held, "locks");
    assert!(locks["seen"].as_str().unwrap().contains("run 019b0000"), "{locks}");
    assert!(locks["seen"].as_str().unwrap().contains("since 2026-01-01T00:00:00Z"), "{locks}");
    let text = bench.run(&check).expect(1).stdout;
    assert!(text.contains("FAIL  locks"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80 || line.contains('/')), "{text}");
    assert!(text.contains("nothing changed since the check of "), "{text}");
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_dir_all(bench.path("state")).unwrap();
    std::fs::write(bench.path("state"), "").unwrap();
    let blind = bench.json(&check).expect(1).json();
    assert_eq!(failing(&blind), ["rehearsal", "state"], "{blind:#}");
    assert_eq!(probe(&blind, "snapshot")["ok"], true, "{blind:#}");
}

#[test]
fn commands_around_a_recovery_that_could_not_run_are_found_before_it() {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    let start = "      rehearse_every: 90d\n";
    assert!(text.contains(start));
    let with = |freeze: &str| {
        let commands = format!(
            "      freeze: [{{ name: writers, program: {freeze}, \
             env: {{ KEY: {{ secret: 'env:COPPICE_TEST_NOT_SET' }} }} }}]\n      \
             enable: [{{ name: readers, program: coppice-no-such-program }}]\n"
        );
        // Nothing was rehearsed here.
        fs::write(&plan, text.replacen(start, &commands, 1)).unwrap();
        bench.json(&["check", "plans/kansas.yaml", "--env", "dev"]).expect(1).json()
    };
    let seen = |check: &Value, id: &str| {
        let mut probes = check["probes"].as_array().unwrap().iter();
        probes.find(|probe| probe["id"] == id).unwrap()["seen"].as_str().unwrap().to_owned()
    };
    let check = with("./freeze.sh");
    assert_eq!(failing(&check), ["credentials", "programs"], "{check:#}");
    assert!(seen(&check, "credentials").contains("env:COPPICE_TEST_NOT_SET"), "{check:#}");
    let programs = seen(&check, "programs");
    assert!(programs.contains("freeze/writers: the program "), "{programs}");
    assert!(programs.contains("freeze.sh is no file"), "{programs}");
    assert!(programs.contains("enable/readers: the program `coppice-no-such"), "{programs}");
    // The plan itself is there, and is no program.
    let programs = seen(&with("./kansas.yaml"), "programs");
    assert!(programs.contains("kansas.yaml may not be run"), "{programs}");
}

/// The probes that failed, sorted; a place by its last name.
fn failing(check: &Value) -> Vec<String> {
    let probes = check["probes"].as_array().unwrap().iter();
    let failing = probes.filter(|probe| probe["ok"] == false).map(|probe| {
        let id = probe["id"].as_str().unwrap().trim_end_matches('/');
        match id.split_once(' ') {
            Some((what, place)) => format!("{what} {}", place.rsplit('/').next().unwrap()),
            None => id.to_owned(),
        }
    });
    let mut failing: Vec<_> = failing.collect();
    failing.sort();
    failing
}

fn sorted(ids: &[&[&str]]) -> Vec<String> {
    let mut ids: Vec<_> = ids.concat().into_iter().map(str::to_owned).collect();
    ids.sort();
    ids
}

#[test]
fn a_wrong_command_line_is_a_document_where_one_is_asked_for() {
    let bench = Bench::new();
    let refused = bench.json(&["rehearse", "plans/kansas.yaml", "--evn", "dev"]).expect(2).json();
    assert_eq!(refused["error"]["code"], "usage", "{refused:#}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("--evn"), "{refused:#}");
    assert!(refused["error"]["hint"].as_str().unwrap().contains("Usage:"), "{refused:#}");
    let text = bench.run(&["rehearse", "plans/kansas.yaml", "--evn", "dev"]).expect(2);
    assert!(text.stdout.is_empty() && text.stderr.contains("--evn"), "{}", text.stderr);
    assert!(bench.run(&["rehearse", "--help"]).expect(0).stdout.contains("Usage:"));
}
