//! Each way around the fence between environments, on real servers: all end before a write.

use std::collections::BTreeMap;

use serde_json::Value;

use super::cloud::{Cloud, PLAN, on, sql};
use super::objects::{get, list, put, request};
use crate::bench::Bench;
use crate::interrupted::{until_it_happens, wait_for};

const MARKER: &str = ".coppice/environment.json";
const LOCK: &str = ".coppice/lock.json";

#[test]
fn a_copied_bucket_and_a_cloned_database_are_refused() {
    let cloud = Cloud::small("copied");
    cloud.seal();
    cloud.init("dev");
    let (ours, copy) = (cloud.at("kansas-dev"), format!("{}-copy", cloud.at("kansas-dev")));
    for store in ["canonical", "projections"] {
        put(&format!("{copy}/{store}/{MARKER}"), &get(&format!("{ours}/{store}/{MARKER}")));
    }
    let before = list(&copy);
    assert_eq!(before.len(), 2);
    cloud.edit("s3://kansas-dev/copied/", "s3://kansas-dev/copied-copy/");
    let (code, message) = cloud.refused(5, "DEV", "dev", &["restore"]);
    assert_eq!(code, "fenced");
    assert!(message.contains("copied-copy") && message.contains("looks like a copy"), "{message}");
    assert_eq!(list(&copy), before);
    cloud.edit("s3://kansas-dev/copied-copy/", "s3://kansas-dev/copied/");

    let admin = cloud.url("dev").replace("/copied_dev", "/postgres");
    sql(&admin, "CREATE DATABASE copied_clone TEMPLATE copied_dev");
    let mut env = cloud.env("DEV");
    env.insert("DEV_DATABASE".to_owned(), cloud.url("dev").replace("_dev", "_clone"));
    let args = [&on("dev", &["restore"])[..], &["--format", "json"]].concat();
    let refused = cloud.bench.run_with(&env, &args).expect(5).json();
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("looks like a copy"), "{message}");
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname IN ('kansas', 'coppice_stage')";
    assert_eq!(sql(&cloud.url("dev").replace("_dev", "_clone"), schemas), "0");
    assert!(list(&ours).keys().all(|key| key.ends_with(MARKER)), "something was written");
}

/// A plan that was edited so that it knows nothing of the environment that it points at.
fn forgets_stage(bench: &Bench) {
    let plan = bench.path(PLAN);
    let text = std::fs::read_to_string(&plan).unwrap();
    let (head, rest) = text.split_once("    stage:\n").unwrap();
    let (_, limits) = rest.split_once("  limits:\n").unwrap();
    std::fs::write(&plan, format!("{head}  limits:\n{limits}")).unwrap();
}

#[test]
fn a_plan_that_was_edited_to_point_at_another_environment_is_refused() {
    let cloud = Cloud::small("edited");
    cloud.seal();
    cloud.init("stage");
    let theirs = cloud.at("kansas-stage");
    put(&format!("{theirs}/canonical/raw/theirs.csv"), b"a\n1\n");
    let before = list(&theirs);
    forgets_stage(&cloud.bench);
    // Whoever edited it has the keys of stage too.
    let mut env = cloud.env("DEV");
    for what in ["KEY_ID", "SECRET"] {
        let of_stage = cloud.env("STAGE")[&format!("COPPICE_STAGE_S3_{what}")].clone();
        env.insert(format!("COPPICE_DEV_S3_{what}"), of_stage.clone());
        env.insert(format!("COPPICE_SCRATCH_S3_{what}"), of_stage);
    }
    let told = |args: &[&str]| {
        let args = [&on("dev", args)[..], &["--format", "json"]].concat();
        let told = cloud.bench.run_with(&env, &args).expect(5).json();
        assert_eq!(told["error"]["code"], "fenced", "{told:#}");
        told["error"]["message"].as_str().unwrap().to_owned()
    };
    let belongs = "belongs to the environment `stage`";
    for inside in ["canonical", "canonical/work/scratch"] {
        let scratch = format!("s3://kansas-stage/edited/{inside}");
        cloud.edit("s3://kansas-scratch/edited/rehearsals", &scratch);
        let message = told(&["rehearse"]);
        assert!(message.contains(belongs), "{message}");
        assert_eq!(list(&theirs), before, "something was written to stage");
        cloud.edit(&scratch, "s3://kansas-scratch/edited/rehearsals");
    }
    assert!(!cloud.bench.path("state/scratch").exists(), "something was written here");
    // The same for what is restored to, and for what is marked: at the place, and inside it.
    cloud.edit("s3://kansas-dev/edited/", "s3://kansas-stage/edited/");
    for command in ["restore", "init"] {
        let message = told(&[command]);
        assert!(message.contains(belongs), "{command}: {message}");
    }
    cloud.edit("s3://kansas-stage/edited/canonical", "s3://kansas-stage/edited/canonical/raw");
    let message = told(&["init"]);
    assert!(message.contains(belongs) && message.contains("inside"), "{message}");
    assert_eq!(list(&theirs), before);
}

#[test]
fn backups_are_read_only_for_all_but_who_seals_and_only_accepted_ones_are_restored() {
    let cloud = Cloud::small("backups");
    let sealed = cloud.seal();
    let before = list(&cloud.at("kansas-backup"));
    // By the very keys that cannot write there.
    for who in ["STAGE", "SCRATCH"] {
        let refused = cloud.seal_as(who);
        assert_ne!(refused.code, 0);
        let told = refused.json();
        assert_eq!(told["error"]["code"], "credentials", "{told:#}");
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.contains("kansas-backup"), "{message}");
    }
    assert_eq!(list(&cloud.at("kansas-backup")), before);
    cloud.init("stage");
    let restored = cloud.receipt(0, "STAGE", "stage", &["restore"]);
    assert_eq!(restored["snapshot"], sealed["snapshot"]);
    assert_eq!(list(&cloud.at("kansas-backup")), before);

    cloud.edit("accepts_snapshots_from: [dev, stage]", "accepts_snapshots_from: [stage]");
    let canonical = list(&cloud.at("kansas-stage"));
    let named = sealed["snapshot"].as_str().unwrap();
    for args in [&["restore"][..], &["restore", "--snapshot", named], &["rehearse"]] {
        let (code, message) = cloud.refused(1, "STAGE", "stage", args);
        assert_eq!(code, "snapshot-missing", "{message}");
        assert!(args.len() == 1 || message.contains("environment `dev`"), "{message}");
    }
    assert_eq!(list(&cloud.at("kansas-stage")), canonical);
}

/// What readers of `dev` would see, and what a ledger's continuation hangs on.
fn seen(cloud: &Cloud) -> (BTreeMap<String, String>, String) {
    let mut objects = list(&cloud.at("kansas-dev"));
    let staged = |key: &String| key.contains("/generations/") || key.ends_with(LOCK);
    objects.retain(|key, _| !staged(key));
    let live = "SELECT string_agg(format('%s %s', schemaname, tablename), ' ' ORDER BY 1) \
                FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
    (objects, sql(&cloud.url("dev"), live))
}

#[test]
fn a_former_holder_that_wakes_up_moves_nothing() {
    until_it_happens(|| {
        let name = format!("woken{}", std::process::id());
        let cloud = Cloud::small(&format!("{name}_{}", uuid::Uuid::now_v7().simple()));
        cloud.seal();
        cloud.init("dev");
        let mut sleeper = cloud.start("DEV", &on("dev", &["restore"]));
        assert!(wait_for(&cloud.bench, "restore/objects/processed", &["running", "succeeded"]));
        let run = cloud.bench.newest_run().unwrap();
        let pid = rustix::process::Pid::from_child(&sleeper);
        let signal = |signal| rustix::process::kill_process(pid, signal).unwrap();
        // Its own journal may be locked by it from now on.
        signal(rustix::process::Signal::STOP);
        if sleeper.try_wait().unwrap().is_some() {
            return None;
        }
        // While its lease goes on, nobody else gets the targets, whatever journal they have.
        let elsewhere = |code: i32| {
            let args = [&on("dev", &["restore"])[..], &["--format", "json"]].concat();
            cloud.bench.run_on_with("elsewhere", &cloud.env("DEV"), &args).expect(code).json()
        };
        let locked = elsewhere(5);
        assert_eq!(locked["error"]["code"], "locked", "{locked:#}");
        assert!(locked["error"]["message"].as_str().unwrap().contains(&run), "{locked:#}");

        // As if it had slept for longer: its leases are over, the database has given it up, and it is
        // past the time at which it would have renewed them.
        for store in ["canonical", "projections"] {
            let at = format!("{}/{store}/{LOCK}", cloud.at("kansas-dev"));
            let mut lock: Value = serde_json::from_slice(&get(&at)).unwrap();
            lock["until"] = "2026-01-01T00:00:00Z".into();
            put(&at, &serde_json::to_vec(&lock).unwrap());
        }
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        sql(&cloud.url("dev"), end);
        let taken = elsewhere(0)["predicate"].clone();
        assert_eq!(taken["outcome"], "recovered", "{taken:#}");

        std::thread::sleep(std::time::Duration::from_secs(20));
        let before = seen(&cloud);
        signal(rustix::process::Signal::CONT);
        let woken = sleeper.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&woken.stderr).into_owned();
        assert_eq!(woken.status.code(), Some(5), "a run that lost its targets is fenced: {told}");
        assert_eq!(seen(&cloud), before);
        let events = cloud.bench.json(&["status", &run]).expect(0).json();
        let switched = events["steps"].as_array().unwrap().iter();
        let switched = switched.filter(|step| step["id"].as_str().unwrap().starts_with("cutover/"));
        assert!(switched.clone().all(|step| step["state"] != "succeeded"), "{events:#}");
        // What is live is what the other run put there, and whole.
        let drift = cloud.run("DEV", &on("dev", &["drift", "--deep"])).expect(0).json();
        assert_eq!(drift["ok"], true, "{drift:#}");
        Some(())
    });
}

#[test]
fn the_keys_of_an_environment_open_nothing_of_another() {
    let status = |keys: &str, method: &str, path: &str| request(keys, method, path, b"x").0;
    for (keys, path) in [
        ("COPPICE_STAGE_S3", "kansas-backup/probe"),
        ("COPPICE_STAGE_S3", "kansas-dev/probe"),
        ("COPPICE_DEV_S3", "kansas-stage/probe"),
        ("COPPICE_SCRATCH_S3", "kansas-backup/probe"),
        ("COPPICE_SCRATCH_S3", "kansas-dev/probe"),
        ("COPPICE_SCRATCH_S3", "kansas-stage/probe"),
    ] {
        assert_eq!(status(keys, "PUT", path), 403, "{keys} {path}");
    }
    for keys in ["COPPICE_STAGE_S3", "COPPICE_SCRATCH_S3"] {
        assert_eq!(status(keys, "GET", "kansas-backup/probe"), 404, "{keys}");
    }
}
