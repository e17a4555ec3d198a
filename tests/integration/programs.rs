//! Command jobs: projections that another program makes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::bench::{Bench, find_all, repository};
use crate::sibling;

/// A job whose program counts the bytes of what it is given.
const REPORT: &str = r#"#!/bin/sh
set -eu
echo "made with $KEY" >&2
cp words.txt "$COPPICE_OUTPUT/words.txt"
cd "$COPPICE_INPUTS"
find . -type f | LC_ALL=C sort | xargs wc -c > "$COPPICE_OUTPUT/report.txt"
"#;

/// What a test asks of its one job.
struct Job<'a> {
    name: &'a str,
    inputs: &'a str,
    script: &'a str,
    /// More lines of the sink.
    more: &'a str,
}

const SOUND: Job<'static> = Job {
    name: "report",
    inputs: "[{ dataset: ks_counties }, { catalog: current }]\n  audience: public",
    script: REPORT,
    more: "check: { program: ./check.sh }\n      rehearsable: true\n",
};

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Lays a command job onto the bench. Its script need not be executable.
fn add(bench: &Bench, job: &Job<'_>) {
    let folder = bench.path("rebuild/command");
    let Job { name, inputs, script, more } = job;
    let yaml = format!(
        "apiVersion: coppice/v1\nkind: RebuildJob\nmetadata: {{ name: command/{name} }}\nspec:\n  \
         inputs: {inputs}\n  sink:\n    command:\n      command_profile_version: 1\n      \
         program: ./{name}.sh\n      files: [words.txt]\n      \
         env: {{ KEY: {{ secret: 'file:key' }} }}\n      \
         outputs: [report.txt, words.txt]\n      {more}"
    );
    write(&folder.join(format!("{name}.yaml")), &yaml);
    write(&folder.join(format!("{name}.sh")), script);
    write(&folder.join("words.txt"), "words\n");
    let check = "#!/bin/sh\ngrep -q words \"$COPPICE_OUTPUT/words.txt\"\n";
    write(&folder.join("check.sh"), check);
    write(&bench.path("plans/key"), "hush-hush\n");
}

/// A bench with these jobs alone, and a snapshot.
fn bench(jobs: &[Job<'_>], others: &[&str]) -> Bench {
    let bench = Bench::new();
    jobs.iter().for_each(|job| add(&bench, job));
    let mut names: Vec<_> = jobs.iter().map(|job| format!("command/{}", job.name)).collect();
    names.extend(others.iter().map(|job| (*job).to_owned()));
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    only(&bench, &names);
    bench.init();
    bench
}

/// Has the plan be about these jobs alone, and seals a snapshot.
pub(crate) fn only(bench: &Bench, jobs: &[&str]) {
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    let only = format!("  jobs: ../rebuild\n  only: [{}]\n", jobs.join(", "));
    fs::write(&plan, text.replace("  jobs: ../rebuild\n", &only)).unwrap();
    bench.seal();
}

fn line<'a>(receipt: &'a Value, job: &str) -> &'a Value {
    let all = receipt["projections"].as_array().unwrap();
    all.iter().find(|line| line["job"] == job).unwrap_or_else(|| panic!("{job}: {receipt:#}"))
}

fn step<'a>(receipt: &'a Value, id: &str) -> &'a Value {
    let all = receipt["steps"].as_array().unwrap();
    all.iter().find(|step| step["id"] == id).unwrap_or_else(|| panic!("{id}: {receipt:#}"))
}

/// The published files of a name, newest last.
fn published(bench: &Bench, name: &str) -> Vec<String> {
    let all = find_all(&bench.path(".coppice/dev/projections/generations/command"));
    let mine = all.iter().filter(|path| path.file_name().is_some_and(|found| found == name));
    mine.map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// The secret is in no file but the one that holds it.
#[track_caller]
fn no_secret(bench: &Bench) {
    for folder in ["state", ".coppice", "rebuild"] {
        for file in find_all(&bench.path(folder)) {
            let bytes = fs::read(&file).unwrap_or_default();
            let found = bytes.windows(9).any(|window| window == b"hush-hush");
            assert!(!found, "the secret is in {}", file.display());
        }
    }
    // What the programs worked in is gone.
    assert!(find_all(&bench.path("state/spill")).is_empty());
}

/// The first block of a language in a page of the manual.
fn block(page: &str, language: &str) -> String {
    let start = page.split(&format!("```{language}\n")).nth(1).unwrap();
    start.split("```").next().unwrap().to_owned()
}

#[test]
fn the_example_of_the_manual_works() {
    let bench = Bench::new();
    let page = fs::read_to_string(repository().join("docs/command-jobs.md")).unwrap();
    for (name, language) in
        [("counties.yaml", "yaml"), ("counties.py", "python"), ("check.sh", "sh")]
    {
        write(&bench.path("rebuild/command").join(name), &block(&page, language));
    }
    only(&bench, &["command/counties"]);
    let receipt = bench.receipt(0, &["rehearse", "--keep"]);
    assert_eq!(line(&receipt, "command/counties")["live"], true, "{receipt:#}");
    let ready = bench.json(&["check", "plans/kansas.yaml", "--env", "dev"]);
    let ready = ready.json();
    let mut probes = ready["probes"].as_array().unwrap().iter();
    let programs = probes.find(|probe| probe["id"] == "programs").unwrap();
    assert_eq!(programs["seen"], "of 1 job found", "{ready:#}");
}

#[test]
fn a_program_makes_a_projection_like_any_other() {
    let bench = bench(&[SOUND], &[]);
    let plan = bench.run(&["plan", "plans/kansas.yaml", "--env", "dev"]).expect(0).stdout;
    assert!(plan.contains("run ./report.sh: generation"), "{plan}");
    let rehearsed = bench.receipt(0, &["rehearse"]);
    assert_eq!(line(&rehearsed, "command/report")["outcome"], "rebuilt", "{rehearsed:#}");

    let restored = bench.receipt(0, &["restore"]);
    let report = line(&restored, "command/report");
    assert_eq!((&report["outcome"], &report["kind"]), (&"rebuilt".into(), &"command".into()));
    assert_eq!((&report["live"], &report["rows"]), (&true.into(), &2.into()), "{report:#}");
    assert_eq!(report["proven"], true);
    let covers = report["covers"]["words"].as_str().unwrap();
    assert!(covers.contains("./check.sh ended with 0"), "{covers}");
    // The same program over the same inputs made the same files in the rehearsal.
    let before = line(&rehearsed, "command/report");
    for field in ["generation", "canonical_digest"] {
        assert_eq!(report[field], before[field], "{field}");
    }
    let ran = &report["ran"];
    assert_eq!(ran["inputs"][0]["of"], "ks_counties@2026-02.9af6383b", "{ran:#}");
    assert_eq!(ran["outputs"][0]["name"], "report.txt", "{ran:#}");
    assert!(ran["stderr"].is_null(), "what it printed is no part of a receipt: {ran:#}");
    let made = published(&bench, "report.txt").remove(0);
    assert!(made.contains("./ks_counties/ks_counties") && made.contains("./catalog/"), "{made}");
    assert!(!made.contains("ks_species_sites"), "what its audience may not see: {made}");

    // Nothing changed, nothing is run; the proof is made anew all the same.
    let again = bench.receipt(0, &["restore"]);
    let again = line(&again, "command/report");
    assert_eq!(again["outcome"], "unchanged", "{again:#}");
    assert!(again["ran"].is_null() && again["proof_at"] != report["proof_at"], "{again:#}");

    // Another script is another generation; the former one comes back.
    let script = bench.path("rebuild/command/report.sh");
    fs::write(&script, REPORT.replace("wc -c", "wc -l")).unwrap();
    let drift = bench.json(&["drift", "plans/kansas.yaml", "--env", "dev"]).expect(1).json();
    assert!(drift.to_string().contains("its program, or a file"), "{drift:#}");
    let rebuilt = bench.receipt(0, &["rebuild"]);
    let rebuilt = line(&rebuilt, "command/report");
    assert_eq!(rebuilt["outcome"], "rebuilt", "{rebuilt:#}");
    assert_ne!(rebuilt["generation"], report["generation"]);
    let back = bench.receipt(0, &["rollback"]);
    assert_eq!(line(&back, "command/report")["generation"], report["generation"]);
    no_secret(&bench);
}

#[test]
fn a_program_that_goes_wrong_fails_its_own_job_and_says_how() {
    let named = |name, script| Job { name, script, ..SOUND };
    let both = "cp words.txt \"$COPPICE_OUTPUT\"; cp words.txt \"$COPPICE_OUTPUT/report.txt\"\n";
    let hangs = "#!/bin/sh\nsleep 1000 & echo $! > \"$PIDFILE\"; wait\n";
    let more = |file: &str| format!("timeout: 1s\n      args: ['{file}']\n");
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid").display().to_string();
    let (hangs, slow) = (hangs.replace("$PIDFILE", "$1"), more(&pid));
    let (odd, leaks) = (
        format!("#!/bin/sh\n{both}touch \"$COPPICE_OUTPUT/odd.txt\"\n"),
        format!("#!/bin/sh\n{both}echo \"$KEY\" > \"$COPPICE_OUTPUT/report.txt\"\n"),
    );
    let unsound = format!("#!/bin/sh\n{both}echo no > \"$COPPICE_OUTPUT/words.txt\"\n");
    let jobs = [
        SOUND,
        named("exits", "#!/bin/sh\necho no such county: $KEY >&2; exit 3\n"),
        Job { more: &slow, ..named("hangs", &hangs) },
        named("lacks", "#!/bin/sh\ncp words.txt \"$COPPICE_OUTPUT\"\n"),
        named("odd", &odd),
        named("leaks", &leaks),
        named("unsound", &unsound),
        named("empty", "#!/bin/sh\ncd \"$COPPICE_OUTPUT\"; touch report.txt words.txt\n"),
    ];
    let bench = bench(&jobs, &["graph/kansas"]);
    let receipt = bench.receipt(1, &["restore"]);
    assert_eq!(receipt["outcome"], "partial");
    for good in ["command/report", "graph/kansas"] {
        assert_eq!((&line(&receipt, good)["live"]), &Value::Bool(true), "{receipt:#}");
    }
    for (id, words) in [
        ("rebuild/command/exits", "./exits.sh of command/exits ended with exit code 3"),
        ("rebuild/command/hangs", "./hangs.sh of command/hangs was killed after 1s"),
        ("rebuild/command/lacks", "command/lacks did not make what it declares: report.txt"),
        ("rebuild/command/odd", "command/odd made what it does not declare: odd.txt"),
        ("rebuild/command/leaks", "the output `report.txt` of command/leaks holds the secret KEY"),
        ("rebuild/command/empty", "the output `report.txt` of command/empty is empty"),
        ("prove/command/unsound", "./check.sh of command/unsound ended with exit code 1"),
    ] {
        let failure = &step(&receipt, id)["failure"];
        assert_eq!(failure["message"], words, "{failure:#}");
        assert!(failure["hint"].is_string(), "{failure:#}");
        let job = id.split_once('/').unwrap().1;
        assert_eq!(line(&receipt, job)["live"], false);
    }
    let child = fs::read_to_string(&pid).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.trim()));
    let lives = stat.is_ok_and(|stat| !stat.rsplit(") ").next().unwrap().starts_with('Z'));
    assert!(!lives, "what a program started outlives it");
    let run = receipt["run_id"].as_str().unwrap();
    let status = bench.run(&["status", run]).expect(0).stdout;
    let words: Vec<_> = status.split_whitespace().collect();
    assert!(words.join(" ").contains("exit code 3"), "{status}");
    no_secret(&bench);
}

#[test]
fn what_may_not_be_rehearsed_is_not_covered_and_nothing_made_of_it_is() {
    let quiet = Job { more: "timeout: 1m\n", ..SOUND };
    let made_of = Job {
        name: "summary",
        inputs: "[{ projection: command/report }, { projection: graph/kansas }]",
        ..SOUND
    };
    let bench = bench(&[quiet, made_of], &["graph/kansas"]);
    let rehearsed = bench.receipt(0, &["rehearse"]);
    let not_covered = rehearsed["not_covered"].to_string();
    assert!(not_covered.contains("command/report: its program is not run in a rehearsal"));
    assert!(not_covered.contains("command/summary: it is made of command/report"));
    let jobs = rehearsed["projections"].as_array().unwrap();
    assert_eq!(jobs.len(), 1, "{rehearsed:#}");

    let restored = bench.receipt(0, &["restore"]);
    let summary = line(&restored, "command/summary");
    assert_eq!((&summary["outcome"], &summary["live"]), (&"rebuilt".into(), &true.into()));
    let made = published(&bench, "report.txt");
    let made = made.iter().find(|text| text.contains("./projections/")).unwrap();
    assert!(made.contains("./projections/command/report/report.txt"), "{made}");
    assert!(made.contains("./projections/graph/kansas/graph.nq.zst"), "{made}");
}

#[test]
fn what_is_not_public_goes_to_governed_targets_and_its_words_to_its_owner() {
    let bench = Bench::new();
    sibling::add(&bench);
    let loud = "#!/bin/sh\nset -eu\ncat \"$COPPICE_INPUTS\"/*/*.csv | head -3 >&2\n\
                cat \"$COPPICE_INPUTS\"/*/*.csv > \"$COPPICE_OUTPUT/report.txt\"\n\
                cp words.txt \"$COPPICE_OUTPUT\"\n";
    let failing = format!("{loud}exit 3\n");
    let inputs = "[{ dataset: ks_species_restricted }]";
    add(&bench, &Job { name: "roosts", inputs, script: loud, more: "timeout: 1m\n" });
    add(&bench, &Job { name: "fails", inputs, script: &failing, more: "timeout: 1m\n" });
    let public = format!("{inputs}\n  audience: public");
    add(&bench, &Job { name: "open", inputs: &public, script: loud, more: "timeout: 1m\n" });
    only(&bench, &["command/roosts", "command/fails", "command/open"]);
    bench.init();
    let receipt = bench.receipt(1, &["restore"]);
    assert_eq!(line(&receipt, "command/roosts")["live"], true, "{receipt:#}");
    assert_eq!(line(&receipt, "command/open")["outcome"], "blocked");
    let message = step(&receipt, "rebuild/command/fails")["failure"]["message"].clone();
    assert!(
        message.as_str().unwrap().starts_with("exit code 3; the reason may quote"),
        "{message}"
    );
    for file in find_all(&bench.path("state")) {
        let name = file.display().to_string();
        if name.ends_with(".restricted.jsonl") {
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        } else if !name.contains("/cache/") {
            let text = String::from_utf8_lossy(&fs::read(&file).unwrap_or_default()).into_owned();
            assert!(!text.contains("Wqkgrus"), "{name}");
        }
    }
    let run = receipt["run_id"].as_str().unwrap();
    let status = bench.run(&["status", run, "--restricted"]).expect(0).stdout;
    assert!(status.contains("Wqkgrus"), "{status}");
}

#[test]
fn a_program_ends_with_a_coppice_that_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid").display().to_string();
    let waits = "#!/bin/sh\ntrap '' TERM\necho $$ > \"$1\"\nsleep 1000 & wait\n";
    let more = format!("args: ['{pid}']\n");
    let bench = bench(&[Job { script: waits, more: &more, ..SOUND }], &[]);
    let mut child = bench.start(&["restore", "plans/kansas.yaml", "--env", "dev"]);
    let program = loop {
        match fs::read_to_string(&pid) {
            Ok(text) if text.ends_with('\n') => break text.trim().to_owned(),
            _ => std::thread::sleep(std::time::Duration::from_millis(20)),
        }
    };
    // SIGKILL: nothing of it runs any more that could end what it started.
    child.kill().unwrap();
    child.wait().unwrap();
    while fs::read_to_string(format!("/proc/{program}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().unwrap().starts_with('Z'))
    {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_script_that_changed_since_the_plan_was_made_is_not_run() {
    let waits = "#!/bin/sh\nwhile [ ! -e \"$1\" ]; do sleep 0.1; done\nexit 9\n";
    let dir = tempfile::tempdir().unwrap();
    let go = dir.path().join("go").display().to_string();
    let more = format!("args: ['{go}']\n");
    let bench = bench(&[Job { script: waits, more: &more, ..SOUND }], &[]);
    let mut child = bench.start(&["restore", "plans/kansas.yaml", "--env", "dev"]);
    assert!(crate::interrupted::wait_for(&bench, "rebuild/command/report", &["running"]));
    child.kill().unwrap();
    child.wait().unwrap();
    fs::write(bench.path("rebuild/command/report.sh"), REPORT).unwrap();
    fs::write(&go, "").unwrap();
    let run = bench.newest_run().unwrap();
    let resumed = bench.json(&["resume", &run]).expect(1).json()["predicate"].clone();
    let failure = &step(&resumed, "rebuild/command/report")["failure"];
    let words = "report.sh is not what it was when the run was planned";
    assert!(failure["message"].as_str().unwrap().contains(words), "{failure:#}");
}
