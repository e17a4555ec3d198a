//! What a person does to a run while it goes on: approve, pause, skip, watch from another terminal.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bench::Bench;

/// A restore of a plan that asks for approval of its decision, waiting for it.
fn waiting() -> (Bench, String) {
    waiting_behind(|_| {})
}

/// The same where something is in the way.
fn waiting_behind(obstacle: impl Fn(&Bench)) -> (Bench, String) {
    let bench = Bench::new();
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    let asks = "rehearse_every: 90d\n      approve: { steps: [cutover/decide] }";
    fs::write(&plan, text.replacen("rehearse_every: 90d", asks, 1)).unwrap();
    bench.seal();
    bench.init();
    obstacle(&bench);
    let args = ["restore", "plans/kansas.yaml", "--env", "dev", "--actor", "kim"];
    let ended = bench.json(&args).expect(4).json();
    let run = bench.newest_run().unwrap();
    assert_eq!(
        (&ended["run_id"], &ended["state"]),
        (&Value::from(run.as_str()), &"waiting".into())
    );
    (bench, run)
}

/// Waits until the status of a run is as wanted.
pub(crate) fn until(bench: &Bench, run: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let status = bench.json(&["status", run]).expect(0).json();
        if wanted(&status) {
            return status;
        }
        assert!(Instant::now() < until, "{status:#}");
        sleep(Duration::from_millis(100));
    }
}

#[test]
fn an_approval_a_pause_and_a_skip_reach_the_run_and_its_receipt() {
    let (bench, run) = waiting();
    let status = bench.json(&["status", &run]).expect(0).json();
    let wait = &status["waiting"][0];
    assert_eq!((&wait["for"], &wait["step"]), (&"approval".into(), &"cutover/decide".into()));
    assert_eq!(wait["unblock"], format!("coppice approve {run} cutover/decide --reason TEXT"));
    assert!(wait["since"].is_string(), "{status:#}");

    // Not approved: it still waits. Nothing that is refused is kept.
    bench.json(&["resume", &run]).expect(4);
    let say = |args: &[&str]| bench.json(&[args, &["--reason", "counts checked"]].concat());
    let own = say(&["approve", &run, "cutover/decide", "--actor", "kim"]).expect(2).json();
    let message = own["error"]["message"].as_str().unwrap();
    assert!(message.contains("kim started the run"), "{message}");
    for (step, why) in [("gate/manifest", "never skipped"), ("no/step", "no step no/step")] {
        let refused = say(&["skip", &run, step]).expect(2).json();
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
    }

    let slip = say(&["approve", &run, "cutover/decid"]).expect(2).json();
    let hint = slip["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("did you mean `cutover/decide`?"), "{hint}");

    // Nobody drives the run: what is asked is kept.
    for args in [
        &["pause", &run, "--actor", "lee"][..],
        &["approve", &run, "cutover/decide", "--actor", "lee"][..],
    ] {
        assert_eq!(say(args).expect(0).json()["state"], "kept");
    }
    let kept = bench.json(&["status", &run]).expect(0).json();
    let wait = &kept["waiting"][0];
    assert_eq!((&wait["for"], &wait["step"]), (&"resume".into(), &"cutover/decide".into()));
    assert_eq!(wait["unblock"], format!("coppice resume {run}"));
    let resumed = bench.start(&["resume", &run, "--format", "json"]);
    let paused = until(&bench, &run, |status| status["waiting"][0]["for"] == "pause");
    assert!(paused["driven_by"].is_string(), "{paused:#}");
    let watch = bench.start(&["status", &run, "--watch"]);
    let skipped = say(&["skip", &run, "cutover/drop-former", "--actor", "lee"]).expect(0).json();
    assert_eq!(skipped["state"], "done");
    let decided = until(&bench, &run, |_| true);
    let steps = decided["steps"].as_array().unwrap();
    let decide = steps.iter().find(|step| step["id"] == "cutover/decide").unwrap();
    assert_eq!(decide["state"], "pending", "it started in a paused run");
    assert_eq!(say(&["continue", &run]).expect(0).json()["state"], "done");

    for mut child in [resumed, watch] {
        assert_eq!(child.wait().unwrap().code(), Some(1));
    }
    let receipt = bench.json(&["receipt", &run]).expect(0).json()["predicate"].clone();
    assert_eq!(receipt["outcome"], "partial");
    let done: Vec<_> = receipt["interventions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| (i["kind"].as_str().unwrap(), i["reason"].as_str().unwrap()))
        .collect();
    let why = "counts checked";
    assert_eq!(done, [("pause", why), ("approve", why), ("skip", why), ("continue", why)]);
    let live = receipt["projections"].as_array().unwrap().iter();
    assert!(live.clone().all(|p| p["live"] == true), "{receipt:#}");
    say(&["pause", &run]).expect(2);
}

#[test]
fn what_failed_is_tried_again_once_it_is_mended() {
    let way = |bench: &Bench| bench.path(".coppice/dev/projections/generations/graph");
    let (bench, run) = waiting_behind(|bench| {
        // No folder can be made where a file is.
        fs::create_dir_all(way(bench).parent().unwrap()).unwrap();
        fs::write(way(bench), "").unwrap();
    });
    let failed = bench.run(&["status", &run]).expect(0).stdout;
    assert!(failed.contains("1 failed"), "{failed}");
    assert!(failed.contains("rebuild/graph/kansas"), "{failed}");
    fs::remove_file(way(&bench)).unwrap();
    let say = |args: &[&str]| bench.json(&[args, &["--reason", "disk mended"]].concat());
    say(&["retry", &run, "rebuild/graph/kansas"]).expect(0);
    // What is decided is another now, so it is approved anew, once it can be looked at.
    bench.json(&["resume", &run]).expect(4);
    say(&["approve", &run, "cutover/decide", "--actor", "lee"]).expect(0);
    let receipt = bench.json(&["resume", &run]).expect(0).json()["predicate"].clone();
    assert_eq!(receipt["outcome"], "recovered", "{receipt:#}");
    let graph = receipt["projections"].as_array().unwrap().iter();
    let graph = graph.clone().find(|line| line["job"] == "graph/kansas").unwrap();
    assert_eq!((&graph["proven"], &graph["live"]), (&true.into(), &true.into()), "{graph:#}");
    let retry = receipt["interventions"].as_array().unwrap().iter();
    let retry = retry.clone().find(|one| one["kind"] == "retry").expect("no retry in the receipt");
    assert_eq!(
        (&retry["step"], &retry["reason"]),
        (&"rebuild/graph/kansas".into(), &"disk mended".into())
    );
}

#[test]
fn a_restore_that_can_be_resumed_is_given_up_only_by_those_who_say_so() {
    let (bench, run) = waiting();
    let outcome = || bench.json(&["runs"]).expect(0).json()["runs"][0]["outcome"].clone();
    let refused = bench.json(&["discard", &run]).expect(2).json();
    let hint = refused["error"]["hint"].as_str().unwrap();
    assert!(hint.contains(&format!("coppice resume {run}")), "{hint}");
    assert_eq!(outcome(), Value::Null, "it was cancelled by the way");
    let done = bench.json(&["discard", &run, "--give-up"]).expect(0).json();
    assert_eq!(done["given_up"], true, "{done:#}");
    assert_eq!(outcome(), "cancelled");
    bench.json(&["resume", &run]).expect(2);
}

#[test]
fn an_approval_of_a_step_that_is_not_there_is_refused_with_the_plan() {
    let bench = Bench::new();
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    let asks = "rehearse_every: 90d\n      approve: { steps: [cutover/decid], by: any }";
    fs::write(&plan, text.replacen("rehearse_every: 90d", asks, 1)).unwrap();
    bench.seal();
    bench.init();
    let refused = bench.json(&["restore", "plans/kansas.yaml", "--env", "dev"]).expect(2).json();
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("no step is called `cutover/decid`"), "{message}");
    assert_eq!(bench.newest_run(), None);
}

#[test]
fn a_slip_on_the_command_line_is_told_with_what_was_meant() {
    let bench = Bench::new();
    bench.seal();
    let rebuild = ["rebuild", "plans/kansas.yaml", "--env", "dev"];
    let rollback = ["rollback", "plans/kansas.yaml", "--env", "dev", "--take-down"];
    let cases: [(Vec<&str>, &str); 5] = [
        ([&rebuild[..], &["--only", "places"]].concat(), "`postgis/places`"),
        ([&rebuild[..], &["--only", "graph/kansas,tiles/kansas"]].concat(), "repeat --only"),
        ([&rebuild[..], &["--confirm", "stage"]].concat(), "--confirm"),
        ([&rollback[..], &["--only", "graph/kansa"]].concat(), "git has it"),
        (vec!["check", "plans/kansa.yaml", "--env", "dev"], "did you mean `plans/kansas.yaml`?"),
    ];
    for (args, meant) in cases {
        let refused = bench.json(&args).expect(2).json();
        let hint = refused["error"]["hint"].as_str().unwrap();
        assert!(hint.contains(meant), "{refused:#}");
    }
    assert_eq!(bench.newest_run(), None);
}
