//! The three uses as an operator meets them, kept as they read: on a terminal of 80 columns, and
//! in a log of cron.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Child;

use crate::bench::{Bench, Ended, Seen, repository};
use crate::incident::until;
use crate::interrupted::wait_for;

const PLAN: [&str; 3] = ["plans/kansas.yaml", "--env", "dev"];
/// Enough of the jobs for what is not about each of them.
const FEW: [&str; 3] = ["graph/kansas", "postgis/airports", "postgis/places"];
const COLLECTION: &str = "origin/catalog/ks_airports/2026-02.c4f9633b/stac/collection.json";
const LINK: &str = "dangling-link@catalog/ks_airports/2026-02.c4f9633b/stac/collection.json";

/// What was typed and what was answered, in order.
struct Session<'a> {
    bench: &'a Bench,
    text: String,
}

impl<'a> Session<'a> {
    fn new(bench: &'a Bench) -> Self {
        Self { bench, text: String::new() }
    }

    /// A command that cron runs: what it would mail.
    fn cron(&mut self, code: i32, args: &[&str]) -> Ended {
        let ended = self.bench.run(args).expect(code);
        for line in ended.stderr.lines().chain(ended.stdout.lines()) {
            assert!(!line.contains(['\u{1b}', '\r']), "not for a log: {line:?}");
        }
        self.keep(args, code, ended.stderr.lines().chain(ended.stdout.lines()));
        ended
    }

    /// A command on a terminal; the lines of steps come in any order and are left out.
    fn typed(&mut self, code: i32, args: &[&str], answers: &[&str]) {
        let seen = self.bench.on_terminal(answers, args);
        assert_eq!(seen.typed, answers.len(), "{}", seen.screen.join("\n"));
        self.seen(&seen, code, args);
    }

    /// A dry run on a terminal, without its graph: which way is the longest is another each time
    /// once former runs are known.
    fn foreseen(&mut self, code: i32, args: &[&str]) {
        let mut seen = self.bench.on_terminal(&[], args);
        let at = |start: &str| seen.screen.iter().position(|line| line.starts_with(start));
        let (graph, words) = (at("plan  ").unwrap(), at("What each step would do").unwrap());
        seen.screen.drain(graph..words);
        self.seen(&seen, code, args);
    }

    /// The end of a command that was begun on a terminal of its own.
    fn ended(&mut self, begun: Child, code: i32, args: &[&str]) {
        let seen = Seen::of(&begun.wait_with_output().unwrap());
        self.seen(&seen, code, args);
    }

    fn seen(&mut self, seen: &Seen, code: i32, args: &[&str]) {
        let screen = seen.screen.join("\n");
        assert_eq!(seen.exit, code, "{screen}");
        assert!(!seen.colours, "a colour in spite of NO_COLOR:\n{screen}");
        let lines = seen.screen.iter().map(String::as_str);
        self.keep(args, code, lines.filter(|line| !is_of_a_step(line)));
    }

    /// Says where the next command is typed.
    fn on(&mut self, terminal: &str) {
        writeln!(self.text, "# on {terminal}").unwrap();
    }

    fn keep<'b>(&mut self, args: &[&str], code: i32, lines: impl Iterator<Item = &'b str>) {
        let quoted = |arg: &&str| match arg.contains(' ') {
            true => format!("\"{arg}\""),
            false => (*arg).to_owned(),
        };
        let args: Vec<_> = args.iter().map(quoted).collect();
        writeln!(self.text, "$ coppice {}", args.join(" ")).unwrap();
        for line in lines {
            writeln!(self.text, "{}", line.trim_end()).unwrap();
        }
        writeln!(self.text, "[exit {code}]\n").unwrap();
    }

    /// Holds it against the kept one, but for what differs from run to run.
    fn hold(self, name: &str) {
        let mut settings = insta::Settings::clone_current();
        let here = self.bench.at("");
        for (pattern, with) in [
            (here.trim_end_matches('/'), "HERE"),
            // These break their lines by what is in them, and so at another place each time.
            (
                r"driven by\s+process\s+\d+\s+of\s+\S+\s+on\s+\S+\s+since[^Z]+Z(\s\([^)]*\))?",
                "driven by process N of SOMEBODY on HOST since TIME",
            ),
            (r"forecast\s+[^,]+, (\w+ allowed)\s+\((\w+)[^)]*\)", "forecast  N s, $1 ($2 ...)"),
            (r"PostgreSQL [\d.]+ / PostGIS [\d.]+", "PostgreSQL N / PostGIS N"),
            (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "RUN"),
            (r"(blake3|sha256):[0-9a-f]{8,64}", "$1:DIGEST"),
            (r"\b[0-9a-f]{12,16}\b", "GENERATION"),
            (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?( \([^)]*\))?", "TIME"),
            (r"\b\d\d:\d\d:\d\dZ?", "TIME"),
            (r"\d+(\.\d)? (ms|s|min)\b( \d+ s)?", "N s"),
            (r"\d+ (second|minute|hour)s?\b( \d+ (second|minute|hour)s?\b)?", "N s"),
            (r"[\d.]+ [KMGT]iB (free|available|left in scratch)", "N $1"),
            (r"postgres:\d+", "postgres:SYSTEM"),
            // Of two equal objects in flight at once either may be the one that is copied.
            (r"\d+ copied, \d+ reused", "N copied, N reused"),
            (r"[\d.]+ [KM]iB copied", "N copied"),
            // What was padded has another length now.
            (r"(\S) {2,}", "$1  "),
            // Which steps took the longest is another thing each time.
            (r"(?m)(^  \w+/\S+  N s  -  -  .*\n)+", "  STEPS\n"),
        ] {
            settings.add_filter(pattern, with);
        }
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, self.text));
    }
}

fn is_of_a_step(line: &str) -> bool {
    ["done ", "started ", "finished "].iter().any(|word| line.starts_with(word))
}

/// Has the plan be about these jobs alone.
fn about(bench: &Bench, jobs: &[&str]) {
    let only = format!("  jobs: ../rebuild\n  only: [{}]\n", jobs.join(", "));
    change(bench, "plans/kansas.yaml", "  jobs: ../rebuild\n", &only);
}

fn change(bench: &Bench, file: &str, from: &str, to: &str) {
    let path = bench.path(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from:?}");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
}

/// Damages a root at its origin.
fn damage(bench: &Bench) {
    change(bench, COLLECTION, "\"describedby\"", "\"about\"");
}

/// Changes the query of the places.
fn migrate(bench: &Bench) {
    let query = bench.path("rebuild/postgis/places.sql");
    let text = fs::read_to_string(&query).unwrap();
    fs::write(&query, format!("{}\nORDER BY 1\n", text.trim_end())).unwrap();
}

/// Lets nobody else look into the stores: who may by the umask is another thing on each machine.
fn close(bench: &Bench) {
    for store in [bench.canonical(), bench.backup()].iter().filter(|store| store.is_dir()) {
        fs::set_permissions(store, fs::Permissions::from_mode(0o750)).unwrap();
    }
}

/// What `docs/setup.md` has people type from a step on, with the names that it gives for a try.
fn set_up(step: &str) -> Vec<String> {
    let text = fs::read_to_string(repository().join("docs/setup.md")).unwrap();
    let (_, text) = text.split_once(step).unwrap();
    let text = text.replace("\\\n", " ").replace("s3://kfm-stage-backup", ".coppice/dev/backup");
    let text =
        text.replace("s3://kfm-stage", "fixtures/kansas").replace("--env stage", "--env dev");
    text.lines().filter_map(|line| line.strip_prefix("coppice ")).map(str::to_owned).collect()
}

/// The run that has begun, once nothing but an approval keeps it.
fn waiting_run(bench: &Bench) -> String {
    assert!(wait_for(bench, "cutover/decide", &["pending"]), "no run began");
    let run = bench.newest_run().unwrap();
    until(bench, &run, |status| {
        let mut steps = status["steps"].as_array().unwrap().iter();
        status["waiting"][0]["for"] == "approval" && steps.all(|step| step["state"] != "running")
    });
    run
}

#[test]
fn a_first_set_up() {
    let bench = Bench::new();
    about(&bench, &FEW);
    fs::rename(bench.path("origin"), bench.path("fixtures/kansas")).unwrap();
    let mut session = Session::new(&bench);
    let mut rehearsed = false;
    for line in set_up("\n## 3. ") {
        let args: Vec<_> = line.split_whitespace().collect();
        if args.contains(&"mermaid") {
            // A drawing of the graph that was printed just before.
            let seen = bench.on_terminal(&[], &args);
            assert_eq!((seen.exit, seen.screen[0].as_str()), (0, "flowchart LR"));
            continue;
        }
        rehearsed |= args[0] == "rehearse";
        // As it says there: not ready, by the rehearsal alone.
        session.typed(i32::from(args[0] == "check" && !rehearsed), &args, &[]);
        close(&bench);
    }
    assert!(rehearsed && session.text.matches("\n$ coppice check ").count() == 2);
    assert_eq!(session.text.matches("\nFAIL").count(), 1, "{}", session.text);
    session.on("a schedule");
    let snapshot = ["snapshot", "--from", "fixtures/kansas", "--to", ".coppice/dev/backup"];
    session.cron(0, &[&snapshot[..], &["--quiet", "--plan"], &PLAN].concat());
    session.cron(0, &[&["rehearse"], &PLAN[..], &["--quiet", "--textfile", "dr.prom"]].concat());
    session.hold("a_first_set_up");
}

#[test]
fn a_rehearsal_on_schedule() {
    let bench = Bench::new();
    let snapshot = ["snapshot", "--from", "origin", "--to", ".coppice/dev/backup", "--plan"];
    let mut session = Session::new(&bench);
    session.cron(0, &[&snapshot[..], &PLAN].concat());
    session.cron(0, &[&["rehearse"], &PLAN[..], &["--quiet", "--textfile", "dr.prom"]].concat());
    let run = bench.newest_run().unwrap();
    session.cron(0, &["sign-off", &run, "--by", "Kim Lee"]);
    session.cron(0, &["history", "--env", "dev"]);
    // The month after: a damaged root. The mail says it in one line, and the exit code.
    damage(&bench);
    session.cron(1, &[&snapshot[..], &PLAN].concat());
    session.hold("a_rehearsal_on_schedule");
}

#[test]
fn a_restore_at_three_in_the_morning() {
    let bench = Bench::new();
    damage(&bench);
    bench.try_to_seal();
    let why = ["--reason", "bucket lost"];
    let mut session = Session::new(&bench);
    session.typed(0, &["snapshots", ".coppice/dev/backup"], &[]);
    // Not marked yet: nothing is written, and the line that mends it is said.
    session.typed(5, &[&["restore"], &PLAN[..], &why].concat(), &[]);
    session.typed(0, &[&["init"], &PLAN[..]].concat(), &[]);
    session.typed(1, &[&["restore"], &PLAN[..], &why].concat(), &[]);
    let accept = ["--accept", LINK, "--reason", "the link was always wrong"];
    session.typed(0, &[&["restore"], &PLAN[..], &accept].concat(), &[]);
    session.typed(0, &["runs"], &[]);
    session.hold("a_restore_at_three_in_the_morning");
}

#[test]
fn a_reindex_after_a_migration() {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    bench.receipt(0, &["restore"]);
    let mut session = Session::new(&bench);
    session.typed(0, &[&["drift"], &PLAN[..]].concat(), &[]);
    migrate(&bench);
    session.typed(1, &[&["drift"], &PLAN[..]].concat(), &[]);
    session.typed(0, &[&["rebuild"], &PLAN[..], &["--since-plan"]].concat(), &[]);
    session.typed(0, &[&["generations"], &PLAN[..]].concat(), &[]);
    session.typed(0, &[&["rollback"], &PLAN[..], &["--only", "tiles/kansas"]].concat(), &[]);
    session.hold("a_reindex_after_a_migration");
}

#[test]
fn a_projection_is_taken_out_of_service() {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    bench.receipt(0, &["restore"]);
    let back = [&["rollback"], &PLAN[..], &["--only", "search/kansas"]].concat();
    let down = [&back[..], &["--take-down", "--reason", "replaced by search/v2"]].concat();
    let drift = [&["drift"], &PLAN[..]].concat();
    let mut session = Session::new(&bench);
    session.foreseen(0, &[&down[..], &["--dry-run"]].concat());
    session.typed(0, &down, &[]);
    session.typed(1, &drift, &[]);
    session.typed(0, &back, &[]);
    session.typed(0, &drift, &[]);
    session.hold("a_projection_is_taken_out_of_service");
}

#[test]
fn a_quiet_recovery_says_one_line() {
    let bench = Bench::new();
    about(&bench, &FEW);
    bench.seal();
    bench.init();
    let why = ["--quiet", "--reason", "bucket lost"];
    let mut session = Session::new(&bench);
    let restored = session.cron(0, &[&["restore"], &PLAN[..], &why].concat());
    migrate(&bench);
    let why = ["--since-plan", "--quiet", "--reason", "the places are sorted"];
    let rebuild = [&["rebuild"], &PLAN[..], &why].concat();
    let rebuilt = session.cron(0, &rebuild);
    session.cron(0, &rebuild);
    session.hold("a_quiet_recovery_says_one_line");
    for (ended, start) in [(&restored, "restore of dev"), (&rebuilt, "rebuild of dev")] {
        assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
        assert!(ended.stdout.starts_with(&format!("coppice: recovered: {start} in ")));
        assert_eq!(ended.stderr, "", "progress");
    }
}

#[test]
fn a_quiet_snapshot_says_one_line() {
    let bench = Bench::new();
    let snapshot = ["snapshot", "--from", "origin", "--to", ".coppice/dev/backup", "--quiet"];
    let of_dev = [&snapshot[..], &["--plan"], &PLAN].concat();
    let mut session = Session::new(&bench);
    session.cron(0, &of_dev);
    damage(&bench);
    session.cron(1, &of_dev);
    session.hold("a_quiet_snapshot_says_one_line");
    let ended = bench.run(&of_dev).expect(1);
    assert_eq!((ended.stdout.lines().count(), ended.stderr.as_str()), (1, ""), "{}", ended.stdout);
    assert!(ended.stdout.starts_with("coppice: suspect: snapshot of dev as of "));
    let document = bench.json(&of_dev).expect(1).json();
    assert_eq!(document["state"], "suspect", "{document:#}");
    // Nor is there a bar on a terminal.
    let seen = bench.on_terminal(&[], &of_dev);
    assert!(seen.screen[0].starts_with("coppice: suspect: "), "{:?}", seen.screen);
}

#[test]
fn a_check_says_what_is_missing_and_then_what_changed() {
    let bench = Bench::new();
    about(&bench, &FEW);
    bench.seal();
    close(&bench);
    let check = [&["check"], &PLAN[..]].concat();
    let mut session = Session::new(&bench);
    session.typed(1, &check, &[]);
    session.typed(0, &[&["init"], &PLAN[..]].concat(), &[]);
    close(&bench);
    session.cron(0, &[&["rehearse"], &PLAN[..], &["--quiet"]].concat());
    session.typed(0, &check, &[]);
    session.hold("a_check_says_what_is_missing_and_then_what_changed");
}

#[test]
fn a_restore_is_foreseen() {
    let bench = Bench::new();
    about(&bench, &FEW);
    damage(&bench);
    bench.try_to_seal();
    bench.init();
    let mut session = Session::new(&bench);
    // No run is known yet, so that no time is: the graph is the same each time.
    session.typed(0, &[&["plan"], &PLAN[..]].concat(), &[]);
    let dry = [&["restore"], &PLAN[..], &["--dry-run"]].concat();
    session.foreseen(1, &dry);
    let accept = ["--accept", LINK, "--reason", "the link was always wrong"];
    session.foreseen(0, &[&dry[..], &accept].concat());
    session.hold("a_restore_is_foreseen");
}

#[test]
fn a_kept_rehearsal_is_put_live() {
    let bench = Bench::new();
    about(&bench, &FEW);
    bench.seal();
    bench.init();
    let mut session = Session::new(&bench);
    session.typed(0, &[&["rehearse"], &PLAN[..], &["--keep"]].concat(), &[]);
    let run = bench.newest_run().unwrap();
    session.typed(0, &["runs"], &[]);
    let promote = [&["rehearse"], &PLAN[..], &["--promote", &run]].concat();
    session.foreseen(0, &[&promote[..], &["--dry-run"]].concat());
    session.typed(0, &[&promote[..], &["--reason", "bucket lost"]].concat(), &[]);
    session.typed(0, &["discard", &run], &[]);
    session.typed(0, &[&["drift"], &PLAN[..], &["--deep"]].concat(), &[]);
    session.hold("a_kept_rehearsal_is_put_live");
}

#[test]
fn a_restore_that_waits_is_approved_from_a_second_terminal() {
    let bench = Bench::new();
    about(&bench, &FEW);
    let asks = "rehearse_every: 90d\n      approve: { steps: [cutover/decide] }";
    change(&bench, "plans/kansas.yaml", "rehearse_every: 90d", asks);
    bench.seal();
    bench.init();
    let why = ["--actor", "kim", "--reason", "bucket lost"];
    let restore = [&["restore"], &PLAN[..], &why].concat();
    let restoring = bench.start_on_terminal(&restore);
    let run = waiting_run(&bench);
    let watch = ["status", &run, "--watch"];
    let watching = bench.start_on_terminal(&watch);

    let mut session = Session::new(&bench);
    session.on("a second terminal, while the restore below waits on the first");
    session.typed(0, &["status", &run], &[]);
    let approve = ["approve", &run, "cutover/decide", "--reason", "counts checked", "--actor"];
    session.typed(2, &[&approve[..], &["kim"]].concat(), &[]);
    session.typed(0, &[&approve[..], &["lee"]].concat(), &[]);
    session.on("the first");
    session.ended(restoring, 0, &restore);
    session.on("a third, begun before the approval");
    session.ended(watching, 0, &watch);
    session.hold("a_restore_that_waits_is_approved_from_a_second_terminal");
}

#[test]
fn a_rebuild_is_foreseen() {
    let bench = Bench::new();
    about(&bench, &FEW);
    bench.seal();
    bench.init();
    bench.receipt(0, &["restore"]);
    migrate(&bench);
    let rebuild = [&["rebuild"], &PLAN[..], &["--since-plan"]].concat();
    let deep = [&["drift"], &PLAN[..], &["--deep"]].concat();
    let mut session = Session::new(&bench);
    session.typed(1, &deep, &[]);
    session.foreseen(0, &[&rebuild[..], &["--dry-run"]].concat());
    session.typed(0, &rebuild, &[]);
    session.typed(0, &deep, &[]);
    session.hold("a_rebuild_is_foreseen");
}

#[test]
fn a_protected_environment_asks_for_its_name() {
    let bench = Bench::new();
    let guarded = "rehearse_every: 90d\n      protected: true";
    change(&bench, "plans/kansas.yaml", "rehearse_every: 90d", guarded);
    bench.seal();
    let args = [&["restore"], &PLAN[..], &["--reason", "bucket lost"]].concat();
    let wrong = bench.on_terminal(&["prod"], &args);
    let screen = wrong.screen.join("\n");
    assert_eq!((wrong.exit, wrong.typed), (2, 1), "{screen}");
    assert!(screen.contains("was not confirmed"), "{screen}");
    // Confirmed, the next thing is wrong: the bench is in no git tree.
    let right = bench.on_terminal(&["dev"], &args);
    let screen = right.screen.join("\n");
    assert_eq!((right.exit, right.typed), (2, 1), "{screen}");
    assert!(screen.contains("is in no git tree"), "{screen}");
    // Off a terminal nobody is asked.
    let unasked = bench.run(&args).expect(2);
    assert!(unasked.stderr.contains("--confirm dev"), "{}", unasked.stderr);
}
