//! The three uses as an operator meets them, kept as they read: on a terminal of 80 columns, and
//! in a log of cron.

use std::fmt::Write as _;
use std::fs;

use crate::bench::Bench;

const PLAN: [&str; 3] = ["plans/kansas.yaml", "--env", "dev"];
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
    fn cron(&mut self, code: i32, args: &[&str]) {
        let ended = self.bench.run(args).expect(code);
        for line in ended.stderr.lines().chain(ended.stdout.lines()) {
            assert!(!line.contains(['\u{1b}', '\r']), "not for a log: {line:?}");
        }
        self.keep(args, code, ended.stderr.lines().chain(ended.stdout.lines()));
    }

    /// A command on a terminal; the lines of steps come in any order and are left out.
    fn typed(&mut self, code: i32, args: &[&str], answers: &[&str]) {
        let seen = self.bench.on_terminal(answers, args);
        let screen = seen.screen.join("\n");
        assert_eq!((seen.exit, seen.typed), (code, answers.len()), "{screen}");
        assert!(!seen.colours, "a colour in spite of NO_COLOR:\n{screen}");
        let lines = seen.screen.iter().map(String::as_str);
        self.keep(args, code, lines.filter(|line| !is_of_a_step(line)));
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
            (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "RUN"),
            (r"(blake3|sha256):[0-9a-f]{8,64}", "$1:DIGEST"),
            (r"\b[0-9a-f]{12,16}\b", "GENERATION"),
            (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?( \([^)]*\))?", "TIME"),
            (r"\b\d\d:\d\d:\d\dZ?", "TIME"),
            (r"\d+(\.\d)? (ms|s|min)\b( \d+ s)?", "N s"),
            (r"postgres:\d+", "postgres:SYSTEM"),
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
    let origin = bench.path(COLLECTION);
    let text = fs::read_to_string(&origin).unwrap();
    fs::write(&origin, text.replacen("\"describedby\"", "\"about\"", 1)).unwrap();
    session.cron(1, &[&snapshot[..], &PLAN].concat());
    session.hold("a_rehearsal_on_schedule");
}

#[test]
fn a_restore_at_three_in_the_morning() {
    let bench = Bench::new();
    let origin = bench.path(COLLECTION);
    let text = fs::read_to_string(&origin).unwrap();
    fs::write(&origin, text.replacen("\"describedby\"", "\"about\"", 1)).unwrap();
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
    let query = bench.path("rebuild/postgis/places.sql");
    let text = fs::read_to_string(&query).unwrap();
    fs::write(&query, format!("{}\nORDER BY 1\n", text.trim_end())).unwrap();
    session.typed(1, &[&["drift"], &PLAN[..]].concat(), &[]);
    session.typed(0, &[&["rebuild"], &PLAN[..], &["--since-plan"]].concat(), &[]);
    session.typed(0, &[&["generations"], &PLAN[..]].concat(), &[]);
    session.typed(0, &[&["rollback"], &PLAN[..], &["--only", "tiles/kansas"]].concat(), &[]);
    session.hold("a_reindex_after_a_migration");
}

#[test]
fn a_protected_environment_asks_for_its_name() {
    let bench = Bench::new();
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    let guarded = "rehearse_every: 90d\n      protected: true";
    fs::write(&plan, text.replacen("rehearse_every: 90d", guarded, 1)).unwrap();
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
