//! Rehearsals under a scheduler: no overlap, one line, files for monitoring, a history.

use std::collections::BTreeMap;
use std::fs;
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::bench::{Bench, copy};
use crate::incident::until;
use crate::interrupted::{until_it_happens, wait_for};
use crate::validators::check;

const REHEARSE: [&str; 4] = ["rehearse", "plans/kansas.yaml", "--env", "dev"];

fn told(bench: &Bench) -> Value {
    let files = [bench.at("coppice.prom"), bench.at("coppice.xml")];
    check("monitoring.py", &files).unwrap_or_else(|found| panic!("{found}"))
}

fn with_files(bench: &Bench) -> Vec<String> {
    let (metrics, junit) = (bench.at("coppice.prom"), bench.at("coppice.xml"));
    let more = ["--textfile", &metrics, "--junit", &junit, "--quiet"];
    REHEARSE.iter().chain(&more).map(|arg| (*arg).to_owned()).collect()
}

fn run(bench: &Bench, args: &[String], code: i32) -> crate::bench::Ended {
    bench.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(code)
}

#[test]
fn a_quiet_rehearsal_says_one_line_and_tells_monitoring_and_ci() {
    let bench = Bench::new();
    let args = with_files(&bench);
    // There is no snapshot yet: that has to show too.
    run(&bench, &args, 1);
    let metrics = fs::read_to_string(bench.path("coppice.prom")).unwrap();
    assert!(metrics.contains("coppice_last_run_exit_code{"), "{metrics}");
    assert!(!metrics.contains("last_success"), "{metrics}");
    let tests = || fs::read_to_string(bench.path("coppice.xml")).unwrap();
    assert!(tests().contains("snapshot-missing"), "{}", tests());

    bench.seal();
    let ended = run(&bench, &args, 0);
    assert_eq!(ended.stderr, "");
    let line = ended.stdout.trim_end();
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.starts_with("coppice: recovered: rehearsal of dev in "), "{line}");
    let told = told(&bench);
    let samples = &told["samples"];
    assert_eq!(samples["coppice_last_run_exit_code"], 0.0, "{told:#}");
    assert!(samples["coppice_last_success_timestamp_seconds"].as_f64().unwrap() > 1.7e9);
    assert_eq!(samples["coppice_rto_target_seconds"], 1800.0);
    assert_eq!(samples["coppice_objectives_met"], 1.0);
    assert_eq!(samples["coppice_projection_proven postgis/places"], 1.0);
    assert!(samples["coppice_projection_rows postgis/places"].as_f64().unwrap() > 100.0);
    assert_eq!(samples["coppice_gate_open ledger"], 1.0);
    for suite in ["gates", "steps", "projections"] {
        assert_eq!(told["suites"][suite]["failed"], Value::Array(vec![]), "{told:#}");
    }
    assert_eq!(told["suites"]["projections"]["tests"], 15);
}

#[test]
fn a_partial_rehearsal_is_told_with_what_failed_and_when_it_was_last_good() {
    let bench = Bench::new();
    bench.seal();
    let args = with_files(&bench);
    run(&bench, &args, 0);
    let good = told(&bench)["samples"]["coppice_last_success_timestamp_seconds"].clone();
    let listed = bench.json(&["history"]).expect(0).json();
    assert_eq!(listed["runs"].as_array().unwrap().len(), 1);

    let sql = bench.path("rebuild/postgis/places.sql");
    let broken = fs::read_to_string(&sql).unwrap().replacen("SELECT", "SELECT 1 / 0 AS zero,", 1);
    fs::write(&sql, broken).unwrap();
    run(&bench, &args, 1);
    let told = told(&bench);
    assert_eq!(told["samples"]["coppice_last_success_timestamp_seconds"], good, "{told:#}");
    assert_eq!(told["samples"]["coppice_last_run_exit_code"], 1.0);
    let failed = told["suites"]["projections"]["failed"].as_array().unwrap();
    assert!(failed.contains(&"postgis/places".into()), "{told:#}");
    let text = bench.run(&["history"]).expect(0).stdout;
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("partial: rehearsal of dev"), "{text}");
    assert!(text.contains("Time per step, rehearsal of dev"), "{text}");
}

#[test]
fn an_objective_that_is_missed_is_told_and_what_failed_counts_for_more() {
    let bench = Bench::new();
    bench.edit("plans/kansas.yaml", "rpo: 24h", "rpo: 1s");
    bench.seal();
    sleep(Duration::from_secs(2));
    let args = with_files(&bench);
    let late = run(&bench, &args, 3);
    assert_eq!(late.stderr, "");
    let line = late.stdout.trim_end();
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.starts_with("coppice: recovered too late: rehearsal of dev in "), "{line}");
    assert!(line.contains(" of 1 s; 15 of 15 projections live; "), "{line}");
    let missed = told(&bench);
    let samples = &missed["samples"];
    assert_eq!(samples["coppice_last_run_exit_code"], 3.0, "{missed:#}");
    assert_eq!(samples["coppice_objectives_met"], 0.0, "{missed:#}");
    assert_eq!(samples["coppice_rpo_target_seconds"], 1.0);
    assert!(samples["coppice_rpo_actual_seconds"].as_f64().unwrap() > 2.0, "{missed:#}");
    // All was recovered nevertheless.
    assert_eq!(samples["coppice_run_outcome recovered"], 1.0, "{missed:#}");
    assert_eq!(samples["coppice_projection_proven postgis/places"], 1.0);

    bench.edit("rebuild/postgis/places.sql", "SELECT", "SELECT 1 / 0 AS zero,");
    let failed = run(&bench, &args, 1).stdout;
    assert!(failed.starts_with("coppice: partial: rehearsal of dev in "), "{failed}");
    let both = told(&bench);
    assert_eq!(both["samples"]["coppice_last_run_exit_code"], 1.0, "{both:#}");
    assert_eq!(both["samples"]["coppice_objectives_met"], 0.0, "{both:#}");
}

/// The runs that `history` lists, the newest first.
fn in_history(bench: &Bench, more: &[&str]) -> Vec<String> {
    let listed = bench.json(&[&["history"], more].concat()).expect(0).json();
    let runs = listed["runs"].as_array().unwrap().iter();
    let text = |of: &Value| of.as_str().unwrap().to_owned();
    runs.map(|run| format!("{} of {}", text(&run["mode"]), text(&run["environment"]))).collect()
}

#[test]
fn restores_and_rebuilds_have_a_history_too_and_it_is_told_in_part() {
    let bench = Bench::new();
    bench.seal();
    copy(&bench.backup(), &bench.path(".coppice/stage/backup"));
    bench.init();
    bench.run(&REHEARSE).expect(0);
    bench.run(&["rehearse", "plans/kansas.yaml", "--env", "stage"]).expect(0);
    bench.receipt(0, &["restore"]);
    bench.receipt(0, &["rebuild"]);
    let (restore, rehearse) = ("restore of dev", "rehearse of dev");
    let (rebuild, of_stage) = ("rebuild of dev", "rehearse of stage");
    let cases: [(&[&str], &[&str]); 10] = [
        // Rebuilds are everyday work, and only told when they are asked for.
        (&[], &[restore, of_stage, rehearse]),
        (&["--mode", "restore"], &[restore]),
        (&["--mode", "rebuild"], &[rebuild]),
        (&["--mode", "rehearse"], &[of_stage, rehearse]),
        (&["--mode", "rollback"], &[]),
        (&["--env", "dev"], &[restore, rehearse]),
        (&["--env", "stage"], &[of_stage]),
        (&["--env", "dev", "--mode", "rehearse"], &[rehearse]),
        (&["--env", "stage", "--mode", "restore"], &[]),
        (&["--limit", "2"], &[restore, of_stage]),
    ];
    for (more, expected) in cases {
        assert_eq!(in_history(&bench, more), expected, "{more:?}");
    }
    let text = bench.run(&["history", "--env", "dev"]).expect(0).stdout;
    assert!(text.contains("recovered: restore of dev"), "{text}");
    assert!(text.contains("Time per step, restore of dev"), "{text}");
    assert!(!text.contains("stage") && !text.contains("rebuild of dev"), "{text}");
    let text = bench.run(&["history", "--mode", "rebuild"]).expect(0).stdout;
    assert!(text.contains("recovered: rebuild of dev"), "{text}");
    assert!(text.contains("Time per step, rebuild of dev"), "{text}");
    let none = bench.run(&["history", "--mode", "rollback"]).expect(0).stdout;
    assert!(none.starts_with("no such runs yet"), "{none}");
}

/// What a command says to somebody whose clock shows the time of a zone.
fn read_in(bench: &Bench, zone: &str, args: &[&str]) -> String {
    let env = BTreeMap::from([("TZ".to_owned(), zone.to_owned())]);
    bench.run_with(&env, args).expect(0).stdout
}

#[test]
fn times_are_utc_and_the_readers_clock_stands_beside_them() {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    bench.receipt(0, &["restore"]);
    let documented = read_in(&bench, "UTC", &["runs", "--format", "json"]);
    let listed: Value = serde_json::from_str(&documented).unwrap();
    let started = listed["runs"][0]["started_at"].as_str().unwrap();
    let started: DateTime<Utc> = started.parse().unwrap();
    let utc = started.format("%Y-%m-%d %H:%M:%SZ").to_string();
    let told = "recovered: restore of dev\n";

    let runs = read_in(&bench, "America/Chicago", &["runs"]);
    // In summer one hour less.
    let hours = if runs.contains("-05:00") { 5 } else { 6 };
    let local = (started - TimeDelta::hours(hours)).format("%H:%M");
    assert!(runs.starts_with(&format!("{utc} ({local} -0{hours}:00)  {told}")), "{runs}");
    let runs = read_in(&bench, "UTC", &["runs"]);
    assert!(runs.starts_with(&format!("{utc}  {told}")), "{runs}");

    // A table has no room for two times in a line: it says so once, below.
    let generations = ["generations", "plans/kansas.yaml", "--env", "dev"];
    let there = read_in(&bench, "America/Chicago", &generations);
    let here = read_in(&bench, "UTC", &generations);
    assert!(here.contains("  built 20"), "{here}");
    assert!(!here.contains("clock"), "{here}");
    let clock = format!("times are UTC; the clock here is -0{hours}:00\n");
    assert_eq!(there, format!("{here}{clock}"));
    // What programs read is the same everywhere.
    let of_programs = read_in(&bench, "America/Chicago", &["runs", "--format", "json"]);
    assert_eq!(of_programs, documented);
}

/// Waits until a rehearsal holds its lock.
fn wait_for_lock(bench: &Bench, child: &mut Child) {
    loop {
        let locks = fs::read_dir(bench.path("state/locks")).into_iter().flatten();
        let mut locks = locks.filter_map(|lock| fs::read_to_string(lock.unwrap().path()).ok());
        if locks.any(|text| text.starts_with("run 0")) {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before it held the lock");
        sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_second_rehearsal_is_refused_while_one_goes_on() {
    let bench = Bench::new();
    bench.seal();
    let mut first = bench.start(&REHEARSE);
    wait_for_lock(&bench, &mut first);
    // Stopped, so that it cannot end before the second one looks.
    let pid = rustix::process::Pid::from_child(&first);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let refused = bench.json(&REHEARSE).expect(5).json();
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    assert_eq!(refused["error"]["code"], "locked", "{refused:#}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("run 0"), "{refused:#}");
    assert!(first.wait().unwrap().success());
    bench.run(&REHEARSE).expect(0);
}

#[test]
fn a_rehearsal_that_is_resumed_keeps_others_out_and_is_told_too() {
    let (bench, run) = until_it_happens(|| {
        let bench = Bench::new();
        bench.seal();
        let mut child = bench.start(&REHEARSE);
        assert!(wait_for(&bench, "rebuild/postgis/counties", &["running", "succeeded"]));
        child.kill().unwrap();
        child.wait().unwrap();
        let run = bench.newest_run().unwrap();
        let status = bench.json(&["status", &run]).expect(0).json();
        (status["state"] == "running").then_some((bench, run))
    });
    bench.run(&["pause", &run, "--reason", "looked at"]).expect(0);
    let metrics = bench.at("resumed.prom");
    let mut resumed = bench.start(&["resume", &run, "--quiet", "--textfile", &metrics]);
    until(&bench, &run, |status| {
        status["waiting"][0]["for"] == "pause" && status["driven_by"].is_string()
    });
    let refused = bench.json(&REHEARSE).expect(5).json();
    assert_eq!(refused["error"]["code"], "locked", "{refused:#}");
    bench.run(&["continue", &run, "--reason", "all well"]).expect(0);
    assert!(resumed.wait().unwrap().success());
    let told = fs::read_to_string(metrics).unwrap();
    assert!(told.contains("coppice_last_success_timestamp_seconds{"), "{told}");
    assert!(told.contains("mode=\"rehearse\""), "{told}");
}

#[test]
fn a_drill_is_signed_off_once_and_its_receipt_stays() {
    let bench = Bench::new();
    bench.seal();
    let receipt = bench.receipt(0, &["rehearse"]);
    let run = receipt["run_id"].as_str().unwrap();
    let stored = fs::read(bench.path("state/receipts").join(format!("{run}.json"))).unwrap();
    let correction = "runbook: step 4 was out of date";
    let sign = ["sign-off", run, "--by", "Kim Lee", "--correction", correction];
    let signed = bench.json(&sign).expect(0).json();
    assert_eq!(signed["receipt"], format!("blake3:{}", blake3::hash(&stored).to_hex()));
    assert!(signed["corrections"].as_array().unwrap().contains(&correction.into()));
    bench.json(&sign).expect(2);
    let again = fs::read(bench.path("state/receipts").join(format!("{run}.json"))).unwrap();
    assert_eq!(stored, again);
    let history = bench.run(&["history"]).expect(0).stdout;
    assert!(history.contains("signed off by Kim Lee"), "{history}");
}

#[test]
fn files_that_could_not_be_written_are_told_before_the_run() {
    let bench = Bench::new();
    bench.seal();
    let nowhere = bench.at("no/such/folder/coppice.prom");
    let refused = bench.json(&[&REHEARSE[..], &["--textfile", &nowhere]].concat()).expect(2);
    assert_eq!(refused.json()["error"]["code"], "usage");
    assert_eq!(bench.json(&["runs"]).json()["runs"], Value::Array(vec![]));
}
