//! A journal that machines share: who holds a run is told, a dead one's run goes on from another
//! state directory, a former holder writes nothing.

use std::fs;
use std::process::Child;

use crate::bench::{Bench, Ended, find_all};
use crate::interrupted::{until_it_happens, wait_for};
use crate::server::Server;

const RESTORE: [&str; 4] = ["restore", "plans/kansas.yaml", "--env", "dev"];

/// A bench whose journal and database are on a server.
struct Team {
    bench: Bench,
    server: Server,
}

impl Team {
    fn new() -> Self {
        let server = Server::start();
        let (journal, gis) = (server.database("journal"), server.database("gis"));
        server.sql("gis", "CREATE EXTENSION postgis");
        let mut bench = Bench::new();
        bench.set("TEAM_JOURNAL", &journal);
        bench.set("TEAM_GIS", &gis);
        bench.set("COPPICE_JOURNAL", "env:TEAM_JOURNAL");
        let plan = bench.path("plans/kansas.yaml");
        let text = fs::read_to_string(&plan).unwrap();
        let private = "postgis: { private: {} }";
        assert!(text.contains(private));
        let server_url = "postgis: { server: { secret: env:TEAM_GIS } }";
        fs::write(&plan, text.replace(private, server_url)).unwrap();
        bench.seal();
        bench.init();
        Self { bench, server }
    }

    /// What another machine does, which has a state directory of its own.
    fn elsewhere(&self, args: &[&str]) -> Ended {
        self.bench.run_on("elsewhere", &[args, &["--format", "json"]].concat())
    }

    fn journal(&self, statement: &str) -> String {
        self.server.sql("journal", statement)
    }

    /// Lets the journal believe that whoever drives a run is on another host.
    fn move_away(&self) {
        self.journal(
            "UPDATE coppice_journal.claim SET holder = jsonb_set(jsonb_set(holder::jsonb, \
             '{host}', '\"far\"'), '{boot}', '\"other\"')::text WHERE holder IS NOT NULL",
        );
    }

    fn expire(&self) {
        self.journal("UPDATE coppice_journal.claim SET until = clock_timestamp()");
    }

    fn events(&self, run: &str) -> String {
        let count = "SELECT count(*) FROM coppice_journal.event WHERE run_id =";
        self.journal(&format!("{count} '{run}'"))
    }

    /// A restore that is under way, and its run; `None`: it was too quick.
    fn started(&self) -> (Child, String) {
        let child = self.bench.start(&RESTORE);
        assert!(wait_for(&self.bench, "restore/objects/processed", &["running", "succeeded"]));
        (child, self.bench.newest_run().unwrap())
    }

    fn state_of(&self, run: &str) -> String {
        let status = self.elsewhere(&["status", run]).expect(0).json();
        status["state"].as_str().unwrap().to_owned()
    }
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn a_run_that_was_killed_goes_on_from_another_machine() {
    let (team, run) = until_it_happens(|| {
        let team = Team::new();
        let (mut child, run) = team.started();
        // While it goes on, the other machine sees who drives it, and may not write to its targets.
        let other = team.elsewhere(&RESTORE);
        child.kill().unwrap();
        child.wait().unwrap();
        if team.state_of(&run) != "running" {
            return None;
        }
        let other = other.expect(5).json();
        assert_eq!(other["error"]["code"], "locked", "{other:#}");
        let message = other["error"]["message"].as_str().unwrap();
        assert!(message.contains(&run) && message.contains("is held by process"), "{message}");
        Some((team, run))
    });
    // Nothing of the run is in the second machine's state directory, nor of the journal in either.
    let kept = find_all(&team.bench.path("elsewhere"));
    assert!(kept.iter().all(|path| !path.display().to_string().contains(&run)), "{kept:?}");
    assert!(!team.bench.path("state/journal.sqlite").exists());

    // On which host the process was is known, not whether it lives: only time tells.
    team.move_away();
    let held = team.elsewhere(&["resume", &run]).expect(5).json();
    let message = held["error"]["message"].as_str().unwrap();
    assert!(message.contains("on far since"), "{message}");
    team.expire();
    let resumed = team.elsewhere(&["resume", &run]).expect(0).json();
    assert_eq!(resumed["predicate"]["outcome"], "recovered", "{resumed:#}");
    assert_eq!(resumed["predicate"]["run_id"], run.as_str());

    // The first machine knows how it ended; the receipt is where it was written.
    let runs = team.bench.json(&["runs"]).expect(0).json();
    assert_eq!(runs["runs"][0]["outcome"], "recovered", "{runs:#}");
    team.elsewhere(&["receipt", &run]).expect(0);
    let here = team.bench.json(&["receipt", &run]).expect(2).json();
    let message = here["error"]["message"].as_str().unwrap();
    assert!(message.contains("not in this state directory"), "{message}");
    let history = team.elsewhere(&["history"]).expect(0).json();
    assert_eq!(history["runs"].as_array().unwrap().len(), 1, "{history:#}");
    let watched = team.elsewhere(&["status", &run, "--watch"]).expect(0).json();
    assert_eq!(watched["state"], "recovered", "{watched:#}");
    let check = ["check", "plans/kansas.yaml", "--env", "dev"];
    let check = team.elsewhere(&check).json();
    let probes = check["probes"].as_array().unwrap();
    let probe = probes.iter().find(|probe| probe["id"] == "journal").unwrap();
    assert_eq!(probe["ok"], true, "{probe:#}");
}

#[test]
fn a_former_holder_that_wakes_up_writes_nothing() {
    until_it_happens(|| {
        let team = Team::new();
        let (mut child, run) = team.started();
        signal(&child, rustix::process::Signal::STOP);
        let ended = team.state_of(&run) != "running";
        // Another took it over while it slept.
        team.journal(
            "UPDATE coppice_journal.claim SET epoch = nextval('coppice_journal.epoch'), \
             until = clock_timestamp() + interval '1 hour'",
        );
        let before = team.events(&run);
        signal(&child, rustix::process::Signal::CONT);
        let code = child.wait().unwrap().code();
        if ended {
            return None;
        }
        assert_eq!(code, Some(5));
        assert_eq!(team.events(&run), before);
        Some(())
    });
}

#[test]
fn a_request_from_another_machine_is_heard() {
    until_it_happens(|| {
        let team = Team::new();
        let (mut child, run) = team.started();
        let paused = team.elsewhere(&["pause", &run, "--reason", "wait"]);
        if paused.code == 2 {
            child.wait().unwrap();
            return None;
        }
        assert_eq!(paused.expect(0).json()["state"], "done");
        let status = team.elsewhere(&["status", &run]).expect(0).json();
        assert_eq!(status["waiting"][0]["for"], "pause", "{status:#}");
        team.elsewhere(&["continue", &run, "--reason", "go on"]).expect(0);
        assert!(child.wait().unwrap().success());
        Some(())
    });
}

#[test]
fn the_journal_is_named_by_reference_and_what_is_wrong_with_it_is_told() {
    let mut bench = Bench::new();
    for (journal, url, code) in [
        ("postgres://u:hunter2@127.0.0.1:1/gis", "", "usage"),
        ("env:TEAM_JOURNAL", "mysql://u:hunter2@127.0.0.1:1/gis", "usage"),
        ("env:NO_SUCH_VARIABLE", "", "credentials"),
        ("env:TEAM_JOURNAL", "postgres://u:hunter2@127.0.0.1:1/gis", "journal"),
    ] {
        bench.set("COPPICE_JOURNAL", journal);
        bench.set("TEAM_JOURNAL", url);
        let told = bench.json(&["runs"]);
        assert_eq!(told.json()["error"]["code"], code, "{}", told.stdout);
        let all = format!("{}{}", told.stdout, told.stderr);
        assert!(!all.contains("hunter2"), "{all}");
    }
    // The help shows no value either.
    let help = bench.run(&["runs", "--help"]).stdout;
    assert!(help.contains("--journal") && !help.contains("hunter2"), "{help}");
}
