//! A journal that machines share: who holds a run is told, a dead one's run goes on from another
//! state directory, a former holder writes nothing.

use std::fs;
use std::process::Child;

use crate::bench::{Bench, Ended, find_all};
use crate::interrupted::{until_it_happens, wait_for};
use crate::server::Server;

const RESTORE: [&str; 4] = ["restore", "plans/kansas.yaml", "--env", "dev"];

/// A bench whose journal and database are on servers.
struct Team {
    bench: Bench,
    /// That of the journal.
    server: Server,
    _gis: Server,
}

impl Team {
    fn new() -> Self {
        let (server, on) = (Server::start(), Server::start());
        let (journal, gis) = (server.database("journal"), on.database("gis"));
        on.sql("gis", "CREATE EXTENSION postgis");
        let others = "CREATE ROLE admin SUPERUSER LOGIN; CREATE ROLE another SUPERUSER LOGIN";
        server.sql("journal", others);
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
        Self { bench, server, _gis: on }
    }

    /// What another machine does, which has a state directory of its own.
    fn elsewhere(&self, args: &[&str]) -> Ended {
        self.bench.run_on("elsewhere", &[args, &["--format", "json"]].concat())
    }

    fn journal(&self, statement: &str) -> String {
        self.server.sql_as("admin", "journal", statement)
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
        let child = self.bench.start_told(&RESTORE);
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
fn a_journal_that_comes_back_soon_interrupts_nothing() {
    until_it_happens(|| {
        let team = Team::new();
        let (mut child, run) = team.started();
        team.server.go_away();
        let ended = child.try_wait().unwrap().is_some();
        std::thread::sleep(std::time::Duration::from_secs(2));
        team.server.come_back();
        assert!(child.wait().unwrap().success());
        if ended {
            return None;
        }
        assert_eq!(team.state_of(&run), "recovered");
        Some(())
    });
}

/// It gives up after 40 seconds without a journal, which no test can hasten.
#[test]
fn a_run_whose_journal_stays_away_ends_and_goes_on_from_another_machine() {
    let (team, run, child) = until_it_happens(|| {
        let team = Team::new();
        let (mut child, run) = team.started();
        team.server.go_away();
        child.try_wait().unwrap().is_none().then_some((team, run, child))
    });
    let ended = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(130), "{told}");
    // It is cut into lines somewhere.
    let said: String = told.split_whitespace().collect();
    assert!(said.contains(&format!("journalcanbewrittenagain,then`coppiceresume{run}")), "{told}");
    team.server.come_back();
    assert_eq!(team.state_of(&run), "running");
    let resumed = team.elsewhere(&["resume", &run]).expect(0).json();
    assert_eq!(resumed["predicate"]["outcome"], "recovered", "{resumed:#}");
    assert_eq!(resumed["predicate"]["run_id"], run.as_str());
}

/// One machine is refused by the journal, and the others are not.
#[test]
fn a_run_that_its_journal_refuses_writes_nothing_more_and_another_machine_ends_it() {
    let (team, run, child) = until_it_happens(|| {
        let mut team = Team::new();
        let (mut child, run) = team.started();
        // One after the other, so that nobody comes back in between.
        team.journal("ALTER ROLE coppice NOLOGIN");
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename =";
        team.journal(&format!("{cut} 'coppice'"));
        // The other machine reaches the journal as somebody else.
        let by_another = team.bench.variable("TEAM_JOURNAL").replace("coppice@", "another@");
        team.bench.set("TEAM_JOURNAL", &by_another);
        if team.state_of(&run) != "running" {
            child.wait().unwrap();
            return None;
        }
        Some((team, run, child))
    });
    let before = team.events(&run);
    let ended = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(130), "{told}");
    let said: String = told.split_whitespace().collect();
    assert!(said.contains("notpermittedtologin") && said.contains(&run), "{told}");
    assert_eq!(team.events(&run), before, "it has written something");
    let resumed = team.elsewhere(&["resume", &run]).expect(0).json();
    assert_eq!(resumed["predicate"]["outcome"], "recovered", "{resumed:#}");
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
