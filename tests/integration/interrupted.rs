//! Kill -9 at any instant: what was acknowledged stays done, and `resume` comes to the same end.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::bench::{Bench, erased, find, found};

/// What a receipt says that must not depend on interruptions.
fn end(receipt: &Value) -> Vec<(Value, Value, Value)> {
    let mut jobs: Vec<_> = receipt["projections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["job"].clone(), p["projection_digest"].clone(), p["proven"].clone()))
        .collect();
    jobs.sort_by_key(|(job, ..)| job.to_string());
    jobs
}

/// Waits until a step of the newest run is in a state, or the time is over.
pub(crate) fn wait_for(bench: &Bench, step: &str, states: &[&str]) -> bool {
    let until = Instant::now() + Duration::from_secs(120);
    while Instant::now() < until {
        if let Some(run) = bench.newest_run() {
            let status = bench.json(&["status", &run]).expect(0).json();
            let steps = status["steps"].as_array().cloned().unwrap_or_default();
            let state = steps.iter().find(|s| s["id"] == step).map(|s| s["state"].clone());
            if state.is_some_and(|state| states.iter().any(|wanted| state == *wanted)) {
                return true;
            }
        }
        sleep(Duration::from_millis(20));
    }
    false
}

/// A run that was killed, on its bench, while it had not ended: one that was quicker than the
/// kill is tried again.
fn killed_run(step: &str, states: &[&str]) -> (Bench, String) {
    until_it_happens(|| {
        let bench = Bench::new();
        bench.seal();
        bench.init();
        let mut child = bench.start(&["restore", "plans/kansas.yaml", "--env", "dev"]);
        assert!(wait_for(&bench, step, states), "{step} never came to {states:?}");
        child.kill().unwrap();
        child.wait().unwrap();
        let run = bench.newest_run().unwrap();
        let status = bench.json(&["status", &run]).expect(0).json();
        (status["state"] == "running").then_some((bench, run))
    })
}

fn killed_at(step: &str, states: &[&str]) {
    let (bench, run) = killed_run(step, states);
    let before = bench.json(&["status", &run]).expect(0).json();
    // As if it had been killed while it fetched something.
    let mut caches = Vec::new();
    let environments = fs::read_dir(bench.path("state/environments")).unwrap();
    caches.extend(environments.map(|entry| entry.unwrap().path().join("cache/staging-left")));
    caches.iter().for_each(|cache| fs::create_dir_all(cache).unwrap());
    // One word for it, wherever it is shown; and what can be resumed is not cancelled by the way.
    for look in [&["status", &run][..], &["runs"][..]] {
        let told = bench.run(look).expect(0).stdout;
        assert!(told.contains("interrupted") && !told.contains("  running  ("), "{told}");
    }
    let refused = bench.json(&["discard", &run]).expect(2).json();
    let hint = refused["error"]["hint"].as_str().unwrap();
    assert!(hint.contains(&format!("coppice resume {run}")), "{hint}");
    let resumed = bench.json(&["resume", &run]).expect(0).json()["predicate"].clone();
    assert_eq!(resumed["outcome"], "recovered", "{resumed:#}");
    assert!(caches.iter().all(|cache| !cache.exists()), "what a killed run left is not cleared");

    // What was acknowledged before the kill was not done again.
    for step in before["steps"].as_array().unwrap().iter().filter(|s| s["state"] == "succeeded") {
        let steps = resumed["steps"].as_array().unwrap();
        let after = steps.iter().find(|s| s["id"] == step["id"]).unwrap();
        assert_eq!(after["finished_at"], step["finished_at"], "{}", step["id"]);
    }
    let undisturbed = Bench::new();
    undisturbed.seal();
    undisturbed.init();
    let whole = undisturbed.receipt(0, &["restore"]);
    assert_eq!(end(&resumed), end(&whole));
    let against = ["verify", ".coppice/dev/canonical", "--against", ".coppice/dev/backup"];
    let against = [&against[..], &["--plan", "plans/kansas.yaml", "--env", "dev"]].concat();
    let verified = bench.json(&against).json();
    assert_eq!(found(&verified), erased(), "the restored store is not what was sealed");
}

#[test]
fn killed_while_restoring() {
    killed_at("restore/objects/processed", &["running", "succeeded"]);
}

#[test]
fn killed_while_rebuilding() {
    killed_at("rebuild/postgis/places", &["running", "succeeded"]);
}

#[test]
fn killed_around_the_cutover() {
    killed_at("cutover/decide", &["running", "succeeded"]);
}

/// Tries a race until it comes out as `race` wants it: `None` is a run that was too quick.
pub(crate) fn until_it_happens<T>(mut race: impl FnMut() -> Option<T>) -> T {
    (0..10).find_map(|_| race()).expect("every run had ended before anything could happen to it")
}

#[test]
fn an_interrupt_drains_and_can_be_resumed() {
    let (bench, run) = until_it_happens(|| {
        let bench = Bench::new();
        bench.seal();
        let mut child = bench.start(&["rehearse", "plans/kansas.yaml", "--env", "dev"]);
        assert!(wait_for(&bench, "rebuild/postgis/counties", &["running", "succeeded"]));
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let code = child.wait().unwrap().code();
        let run = bench.newest_run().unwrap();
        assert!(matches!(code, Some(0 | 130)), "{code:?}");
        (code == Some(130)).then_some((bench, run))
    });
    let resumed = bench.json(&["resume", &run]).expect(0).json();
    assert_eq!(resumed["predicate"]["outcome"], "recovered");
}

/// The processes that one started, and that have not ended.
fn children(parent: &str) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        let stat = fs::read_to_string(format!("/proc/{name}/stat")).ok()?;
        let after = stat.rsplit_once(") ")?.1;
        let is_child = after.split(' ').nth(1)? == parent;
        is_child.then(|| Pid::from_raw(name.parse().ok()?)).flatten()
    });
    processes.collect()
}

#[test]
fn a_second_interrupt_does_not_wait_for_what_hangs() {
    let (bench, run) = until_it_happens(|| {
        let bench = Bench::new();
        bench.seal();
        bench.init();
        let mut child = bench.start(&["restore", "plans/kansas.yaml", "--env", "dev"]);
        assert!(wait_for(&bench, "rebuild/postgis/counties", &["running", "succeeded"]));
        let mut found = Vec::new();
        find(&bench.path("state"), "postmaster.pid", &mut found);
        let file = fs::read_to_string(found.first().expect("no private cluster")).unwrap();
        let servers = children(file.lines().next().unwrap());
        let all = |signal| {
            for pid in &servers {
                let _already_ended = kill_process(*pid, signal);
            }
        };
        all(Signal::STOP);
        let ours = Pid::from_child(&child);
        let _ended_before = kill_process(ours, Signal::INT);
        sleep(Duration::from_secs(2));
        // It waits for the database, unless it had come further than that.
        let waits = child.try_wait().unwrap().is_none();
        let _ended_before = kill_process(ours, Signal::INT);
        if waits {
            assert_eq!(child.wait().unwrap().code(), Some(130));
        }
        all(Signal::CONT);
        let _already_ended = child.wait();
        waits.then(|| bench.newest_run().unwrap()).map(|run| (bench, run))
    });
    let resumed = bench.json(&["resume", &run]).expect(0).json();
    assert_eq!(resumed["predicate"]["outcome"], "recovered");
}

#[test]
fn two_processes_cannot_drive_one_target() {
    until_it_happens(|| {
        let bench = Bench::new();
        bench.seal();
        bench.init();
        let mut first = bench.start(&["restore", "plans/kansas.yaml", "--env", "dev"]);
        assert!(wait_for(&bench, "fence", &["running", "succeeded"]));
        // A look at the same targets, and its end, leave the run alone.
        bench.run(&["plan", "plans/kansas.yaml", "--env", "dev", "--mode", "rebuild"]);
        let second = bench.json(&["restore", "plans/kansas.yaml", "--env", "dev"]);
        assert!(first.wait().unwrap().success());
        if second.code == 0 {
            return None;
        }
        let second = second.expect(5).json();
        assert_eq!(second["error"]["code"], "locked", "{second:#}");
        Some(())
    });
}
