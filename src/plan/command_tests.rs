//! Command jobs: their documents, and what names their generations.

use super::samples::{PLAN, command_job, facts, of, table_job, version, wrong};
use super::{Facts, LoadedPlan, RebuildParams, RecoveryGraph, StepKind, compile};
use crate::digest::Digest;
use crate::model::{Audience, RunMode, Sink};

const SCRIPT: &str = "#!/bin/sh\necho ok > $COPPICE_OUTPUT/report.csv\n";

fn job() -> String {
    command_job("command/report", "{ dataset: a }")
}

/// A plan with one command job, and the files that it brings along.
fn with(job: &str, script: &str) -> LoadedPlan {
    of(&files(job, script)).unwrap()
}

fn files<'a>(job: &'a str, script: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("plan.yaml", PLAN),
        ("jobs/command/report.yaml", job),
        ("jobs/command/report.sh", script),
        ("jobs/command/lib/words.txt", "word\n"),
    ]
}

fn known() -> Facts {
    Facts { versions: vec![version("a", "2026-02.aaaaaaaa")], ..facts() }
}

fn graph(plan: &LoadedPlan) -> RecoveryGraph {
    compile(plan, &known(), RunMode::Restore).unwrap()
}

fn rebuild(plan: &LoadedPlan) -> RebuildParams {
    let graph = graph(plan);
    let step = graph.steps.iter().find(|step| step.kind == StepKind::Rebuild).unwrap();
    assert_eq!(step.estimate_seconds, None, "nobody knows how long a program takes");
    serde_json::from_value(step.params.clone()).unwrap()
}

#[test]
fn its_files_are_part_of_the_plan_and_pinned() {
    let plan = with(&job(), SCRIPT);
    assert!(plan.files.contains_key("jobs/command/report.sh"));
    let params = rebuild(&plan);
    let script = &params.files["report.sh"];
    assert_eq!(script.path, "jobs/command/report.sh");
    assert_eq!(script.digest, Digest::blake3(SCRIPT.as_bytes()));
    assert!(params.files.contains_key("lib/words.txt") && params.files.len() == 2);
    assert_eq!(params.audience, Audience::Governed);
    let words: Vec<_> = graph(&plan).steps.into_iter().map(|step| step.action).collect();
    let built = format!("run ./report.sh: generation {}", params.generation.short());
    assert!(words.contains(&built) && words.contains(&"read it back, run test".to_owned()));
}

#[test]
fn its_generation_is_named_by_what_decides_its_files_and_by_nothing_else() {
    let first = rebuild(&with(&job(), SCRIPT)).generation;
    let swap = |from: &str, to: &str| {
        assert!(job().contains(from), "{from}");
        rebuild(&with(&job().replace(from, to), SCRIPT)).generation
    };
    for (from, to) in [
        ("args: [now]", "args: [then]"),
        ("SEASON: dry", "SEASON: wet"),
        ("env:REPORT_KEY", "env:OTHER_KEY"),
        ("outputs: [report.csv]", "outputs: [report.csv, more.csv]"),
        ("version: 1", "version: 2"),
        ("args: [-s, report.csv]", "args: [-f, report.csv]"),
    ] {
        assert_ne!(swap(from, to), first, "{from}");
    }
    assert_ne!(rebuild(&with(&job(), "#!/bin/sh\n")).generation, first);
    assert_eq!(swap("timeout: 5m", "timeout: 6m"), first);
    assert_eq!(swap("timeout: 5m", "rehearsable: true"), first);
    // Its files do not change the names of others.
    let (table, job) = (table_job("postgis/a", "a"), job());
    let beside = [&files(&job, SCRIPT)[..], &[("jobs/a.yaml", &table)]].concat();
    let (alone, beside) = (of(&[("plan.yaml", PLAN), ("jobs/a.yaml", &table)]), of(&beside));
    let named = |plan: &LoadedPlan| {
        let steps = graph(plan).steps.into_iter().filter(|s| s.kind == StepKind::Rebuild);
        let mut all = steps.map(|step| serde_json::from_value(step.params).unwrap());
        all.find(|params: &RebuildParams| matches!(params.sink, Sink::Postgis(_))).unwrap()
    };
    assert_eq!(named(&alone.unwrap()).generation, named(&beside.unwrap()).generation);
}

#[test]
fn every_problem_of_a_command_is_told_with_its_place() {
    let mut found = Vec::new();
    for (from, to) in [
        ("program: ./report.sh", "program: ' '"),
        ("program: ./report.sh", "program: /usr/bin/report"),
        ("program: ./report.sh", "program: ../report.sh"),
        ("program: ./report.sh", "program: ./reprot.sh"),
        ("program: ./report.sh", "program: report.sh"),
        ("program: ./report.sh", "program: sh report.sh"),
        ("program: test", "program: /bin/test"),
        ("files: [lib/words.txt]", "files: [lib/words.txt, ./lib/words.txt, ../../a]"),
        ("args: [now]", "args: [report.yaml, lib/words.txt, other.txt]"),
        ("[report.csv]", "[]"),
        ("[report.csv]", "[a/b, .c, R.csv, r.csv, 'x y']"),
        ("SEASON: dry", "COPPICE_X: 1x, PATH: /bin, 9: x, API_TOKEN: abc"),
        ("secret: env:REPORT_KEY", "secret: hunter2"),
        ("timeout: 5m", "timeout: 9h"),
        ("version: 1", "version: 0"),
        ("sink:", "query: SELECT 1\n  sink:"),
        ("sink:", "expect: { min_rows: 1 }\n  on_bad_row: { skip: { max_rows: 1 } }\n  sink:"),
        ("dataset: a", "dataset: a, as: projections, read: { srid: 3857 }"),
        ("{ dataset: a }", "{ projection: postgis/a }, { projection: graph/b }"),
        ("name: command/report", "name: graph/report"),
    ] {
        assert!(job().contains(from), "{from}");
        let job = job().replace(from, to);
        let table = table_job("postgis/a", "a");
        let all = [&files(&job, SCRIPT)[..], &[("jobs/a.yaml", &table), ("a", "x")]].concat();
        assert!(of(&all).is_err(), "{to}");
        found.extend(wrong(&all));
    }
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn a_rehearsal_is_given_no_secret_that_opens_a_target() {
    let plan = PLAN.replace("private: {}", "server: { secret: env:REPORT_KEY }");
    let job = job().replace("timeout: 5m", "rehearsable: true");
    let mut all = files(&job, SCRIPT);
    all[0].1 = &plan;
    let found = wrong(&all);
    assert_eq!(found.len(), 1, "{found:?}");
    let words = "`KEY` opens a target: it is the postgis/server/secret of `dev`";
    assert!(found[0].contains(words), "{found:?}");
    let quiet = self::job();
    all[1].1 = &quiet;
    of(&all).unwrap();
}
