//! What a wrong command line or a wrong plan gets: a clear error, exit 2, and nothing done.

use std::collections::BTreeSet;
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
}

#[test]
fn a_run_is_refused_where_another_plan_was_expected() {
    let bench = Bench::new();
    bench.seal();
    let rehearse = ["rehearse", "plans/kansas.yaml", "--env", "dev"];
    // The digest of the very run: that of `plan` is a restore's, and never a rehearsal's.
    let shown = bench.json(&[&rehearse[..], &["--dry-run"]].concat()).expect(0).json();
    let digest = shown["plan_digest"].as_str().unwrap();
    let expecting =
        |digest: &str| bench.json(&[&rehearse[..], &["--expect-plan", digest]].concat());
    let (start, last) = digest.split_at(digest.len() - 1);
    let other = format!("{start}{}", if last == "0" { "1" } else { "0" });
    let refused = expecting(&other).expect(2).json();
    assert_eq!(refused["error"]["code"], "plan-invalid", "{refused:#}");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains(digest) && message.contains(&other), "{message}");
    assert_eq!(bench.newest_run(), None, "a run was made of a plan that nobody expected");
    let receipt = expecting(digest).expect(0).json();
    assert_eq!(receipt["predicate"]["plan_digest"], digest, "{receipt:#}");
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

/// The subcommands that `--help` lists.
fn subcommands(bench: &Bench) -> BTreeSet<String> {
    let help = bench.run(&["--help"]).expect(0).stdout;
    let list = help.split("\nCommands:\n").nth(1).unwrap_or_else(|| panic!("{help}"));
    let list = list.split("\nOptions:\n").next().unwrap();
    // What goes on in a second line is indented further.
    let names = list.lines().filter_map(|line| line.strip_prefix("  "));
    let names = names.filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    let names = names.filter_map(|line| line.split_whitespace().next().map(str::to_owned));
    let names: BTreeSet<_> = names.filter(|name| name != "help").collect();
    assert!(names.len() > 25 && names.contains("sign-off"), "{names:?}");
    names
}

#[test]
fn every_subcommand_has_a_page_of_the_manual() {
    let bench = Bench::new();
    let folder = bench.path("man1");
    fs::create_dir(&folder).unwrap();
    bench.run(&["man", "--to", &bench.at("man1")]).expect(0);
    let pages: BTreeSet<_> = files(&folder).into_keys().collect();
    let of_commands = subcommands(&bench).into_iter().map(|name| format!("coppice-{name}.1"));
    let expected: BTreeSet<_> = of_commands.chain(["coppice.1".to_owned()]).collect();
    assert_eq!(pages, expected);
    for (page, text) in files(&folder) {
        let text = String::from_utf8(text).unwrap();
        for part in [".TH", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION"] {
            assert!(text.contains(part), "{page} has no {part}:\n{text}");
        }
    }
    // A folder that is not there is not made.
    let refused = bench.json(&["man", "--to", "no/such/folder"]).expect(2).json();
    assert_eq!(refused["error"]["code"], "usage", "{refused:#}");
}

#[test]
fn completions_know_every_subcommand() {
    let bench = Bench::new();
    let names = subcommands(&bench);
    // How each shell's script offers one.
    for (shell, before, after) in
        [("bash", "coppice,", ")"), ("zsh", "'", ":"), ("fish", "-a \"", "\"")]
    {
        let script = bench.run(&["completions", shell]).expect(0).stdout;
        for name in &names {
            let offer = format!("{before}{name}{after}");
            assert!(script.contains(&offer), "{shell} does not know {name}:\n{script}");
        }
    }
}

#[test]
fn only_what_has_a_graph_is_drawn() {
    let bench = Bench::new();
    bench.seal();
    let restore = ["restore", "plans/kansas.yaml", "--env", "dev", "--format"];
    for (format, start) in [("dot", "digraph"), ("mermaid", "flowchart")] {
        let restore = [&restore[..], &[format]].concat();
        for args in [&["runs", "--format", format][..], &restore[..]] {
            let refused = bench.run(args).expect(2);
            assert_eq!(refused.stdout, "");
            let said = refused.stderr;
            assert!(said.contains(&format!("invalid value '{format}' for '--format")), "{said}");
            assert!(said.contains("text, json; dot and mermaid draw"), "{said}");
        }
        let drawn = bench.run(&[&restore[..], &["--dry-run"]].concat()).expect(0).stdout;
        assert!(drawn.trim_start().starts_with(start), "{drawn}");
    }
    assert_eq!(bench.newest_run(), None);
    let help = bench.run(&["runs", "--help"]).expect(0).stdout;
    assert!(!help.contains("- mermaid:"), "offered where it is refused:\n{help}");
}

#[test]
fn colours_are_for_terminals_whose_user_wants_them_and_say_nothing_alone() {
    let mut bench = Bench::new();
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap().replacen("objectives:", "objectivs:", 1);
    fs::write(&plan, text).unwrap();
    for (args, word) in [
        (&["plan", "plans/kansas.yaml", "--env", "dev"][..], "objectivs"),
        (&["status"][..], "usage"),
        (&["runs", "--evn"][..], "error: "),
    ] {
        let (plain, coloured) = (bench.on_terminal(&[], args), bench.on_coloured_terminal(args));
        assert_eq!((plain.exit, coloured.exit), (2, 2));
        assert!(!plain.colours, "{args:?}: a colour in spite of NO_COLOR");
        assert!(coloured.colours, "{args:?}: no colour on a terminal");
        assert_eq!(plain.screen, coloured.screen, "the words are others without colours");
        assert!(plain.screen.iter().any(|line| line.contains(word)), "{:?}", plain.screen);
        let logged = bench.run_coloured(args).expect(2);
        assert!(!logged.stderr.contains('\u{1b}'), "not for a log: {:?}", logged.stderr);
    }
    // Nor does the log of a library or of ours have any off a terminal.
    bench.set("COPPICE_JOURNAL", "env:TEAM_JOURNAL");
    bench.set("TEAM_JOURNAL", "postgres://u@127.0.0.1:1/gis");
    let warned = bench.run_coloured(&["runs"]).expect(1).stderr;
    assert!(warned.contains("WARN") && warned.contains("trying again"), "{warned}");
    assert!(!warned.contains('\u{1b}'), "not for a log: {warned:?}");
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
