use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Program;
use super::error::ProcessError;
use super::group::Group;
use super::warden::Warden;
use crate::access::SecretRef;

fn shell(folder: &Path, script: &str) -> Program {
    Program {
        name: "/bin/sh".to_owned(),
        file: "/bin/sh".into(),
        args: vec!["-c".to_owned(), script.to_owned()],
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        folder: folder.to_owned(),
        timeout: Duration::from_mins(1),
    }
}

/// Waits until a script wrote the id of what it started.
async fn started(folder: &Path) -> String {
    loop {
        match std::fs::read_to_string(folder.join("pid")) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Whether a process is there and not only waiting to be reaped.
fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().unwrap_or_default().starts_with('Z'))
}

#[tokio::test]
async fn it_sees_what_was_declared_and_shows_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), "hush\n").unwrap();
    let secret = "file:key".parse::<SecretRef>().unwrap().resolve(dir.path()).unwrap();
    let mut program = shell(dir.path(), "env; echo with $KEY >&2; pwd");
    program.env.insert("PLAIN".into(), "value".into());
    program.secrets.insert("KEY".into(), secret);
    let ended = program.run(&CancellationToken::new()).await.unwrap();
    let mut names: Vec<_> =
        ended.output.stdout.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.retain(|name| {
        !["PATH", "LANG", "LC_ALL", "TZ", "PWD", "SHLVL", "_", "OLDPWD"].contains(name)
    });
    names.sort_unstable();
    assert_eq!(names, ["KEY", "PLAIN"]);
    assert!(ended.output.stdout.contains("KEY=***"), "{}", ended.output.stdout);
    assert_eq!(ended.output.stderr, "with ***\n");
}

#[tokio::test]
async fn how_it_ended_and_its_last_words_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let failed = shell(dir.path(), "echo one; echo no such table >&2; exit 3");
    let error = failed.run(&CancellationToken::new()).await.unwrap_err();
    let failure = crate::model::Failure::from(error);
    assert_eq!(failure.message, "/bin/sh ended with exit code 3");
    assert_eq!(failure.causes, ["no such table"]);
    let mut missing = shell(dir.path(), "");
    missing.file = "/no/such/program".into();
    let error = missing.run(&CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, ProcessError::Start { .. }), "{error}");
}

#[tokio::test]
async fn a_grandchild_that_ignores_the_end_is_killed_with_its_group() {
    let dir = tempfile::tempdir().unwrap();
    let script = "(trap '' TERM; while :; do sleep 0.1; done) & echo $! > pid; wait";
    let mut program = shell(dir.path(), script);
    program.timeout = Duration::from_millis(300);
    let error = program.run(&CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, ProcessError::TimedOut { .. }), "{error}");
    assert!(!lives(&started(dir.path()).await));
}

#[tokio::test]
async fn work_that_is_dropped_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let program = shell(dir.path(), "sleep 1000 & echo $! > pid; wait");
    let cancel = CancellationToken::new();
    let child = tokio::select! {
        _ = program.run(&cancel) => unreachable!("it sleeps"),
        child = started(dir.path()) => child,
    };
    // Killed, and gone as soon as the kernel comes to it.
    while lives(&child) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_program_whose_starter_was_killed_is_ended_with_its_group() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new("/bin/sh");
    let script = "trap '' TERM; sleep 1000 & echo $! > pid; wait";
    command.args(["-c", script]).current_dir(dir.path()).process_group(0);
    let mut program = command.spawn().unwrap();
    let group = Group::led_by(program.id().unwrap()).unwrap();
    let dismissed = Warden::of(group).unwrap();
    let mut warden = Warden::of(group).unwrap();
    let child = started(dir.path()).await;
    dismissed.dismiss().await;
    assert!(lives(&child));
    warden.orphan();
    program.wait().await.unwrap();
    while lives(&child) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_outlives_the_program_is_ended_and_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let program = shell(dir.path(), "sleep 1000 & echo $! > pid; echo done");
    let ended = program.run(&CancellationToken::new()).await.unwrap();
    assert_eq!(ended.output.stdout, "done\n");
    assert!(!lives(&started(dir.path()).await));
}

#[tokio::test]
async fn it_stops_with_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let program = shell(dir.path(), "echo $$ > pid; sleep 1000");
    let cancel = CancellationToken::new();
    let (ended, ()) = tokio::join!(program.run(&cancel), async {
        started(dir.path()).await;
        cancel.cancel();
    });
    assert!(matches!(ended, Err(ProcessError::Cancelled { .. })));
    assert!(!lives(&started(dir.path()).await));
}
