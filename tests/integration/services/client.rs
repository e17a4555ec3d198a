//! The servers that tests run against: one set-up for all that one test runner starts.
//!
//! The first test that asks starts a keeper (`keeper.rs`), which brings the servers up and holds
//! them until the runner is gone. With nextest every test is a process of its own, so the keeper is
//! found by the run's id; with `cargo test` all tests of a binary are one process, which is the runner.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, parent_id};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The environment by which the servers are reached, as `services.env` has it.
#[derive(Debug)]
pub(crate) struct Services {
    env: BTreeMap<String, String>,
}

impl Services {
    /// A variable of the environment.
    pub(crate) fn var(&self, name: &str) -> &str {
        self.env.get(name).unwrap_or_else(|| panic!("services.env has no {name}"))
    }

    /// All of it.
    #[allow(dead_code, reason = "one of the two binaries that share this file hands it on")]
    pub(crate) fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }
}

/// The servers, brought up by whoever asks first. A test that can have none fails.
pub(crate) fn services() -> &'static Services {
    static SERVICES: OnceLock<Services> = OnceLock::new();
    SERVICES.get_or_init(find)
}

fn find() -> Services {
    let (run, runner) = match std::env::var("NEXTEST_RUN_ID") {
        Ok(run) => (run, parent_id()),
        Err(_) => (std::process::id().to_string(), std::process::id()),
    };
    let root = std::env::temp_dir().join(format!("coppice-services-{run}"));
    let lock = File::create(root.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !root.join("ready").exists() && !root.join("failed").exists() {
        keep(&root, runner);
    }
    if let Ok(why) = fs::read_to_string(root.join("failed")) {
        panic!("no servers could be brought up for the tests: {why}");
    }
    let text = fs::read_to_string(root.join("services.env")).unwrap();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Services { env: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
}

/// Starts the keeper and waits for its word; it goes on when this process is gone.
#[expect(clippy::zombie_processes, reason = "it outlives this process on purpose")]
fn keep(root: &Path, runner: u32) {
    fs::create_dir_all(root).unwrap();
    let log = File::create(root.join("keeper.log")).unwrap();
    let mut keeper = Command::new(keeper())
        .arg(runner.to_string())
        .arg(root)
        // Of its own, so that what ends the test's group does not end it.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    while !root.join("ready").exists() {
        if let Some(status) = keeper.try_wait().unwrap() {
            let log = fs::read_to_string(root.join("keeper.log")).unwrap_or_default();
            fs::write(root.join("failed"), format!("{status}\n{log}")).unwrap();
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// The keeper is an example of the package, which cargo builds along with the tests.
fn keeper() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("examples/services");
    assert!(program.is_file(), "{} is not built: `cargo build --examples`", program.display());
    program
}
