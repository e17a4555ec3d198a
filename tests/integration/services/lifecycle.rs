//! What brings the servers up takes them down again.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::bench::repository;

fn services(command: &str, root: &Path) {
    let script = repository().join("scripts/services.sh");
    let mut command_line = Command::new(script);
    let status = command_line.arg(command).arg(root).env("COPPICE_SERVICES", "processes").status();
    assert!(status.unwrap().success(), "services.sh {command}");
}

/// The command lines of all processes that were started for a folder.
fn of(root: &Path) -> Vec<String> {
    let named = root.display().to_string();
    let text = |path: &Path| {
        let bytes = fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    };
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes
        .filter_map(|process| {
            let line = text(&process.join("cmdline"));
            let mine = line.contains(&named) || text(&process.join("environ")).contains(&named);
            (mine && !line.is_empty()).then_some(line)
        })
        .collect()
}

/// Of a server that was killed its own processes need a moment to see it.
fn nothing_is_left(root: &Path) {
    let until = Instant::now() + Duration::from_secs(20);
    while !of(root).is_empty() {
        assert!(Instant::now() < until, "{:#?}", of(root));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn what_was_started_as_processes_is_gone_when_it_was_stopped_and_its_data_when_cleared() {
    let dir = tempfile::Builder::new().prefix("coppice-lifecycle-").tempdir().unwrap();
    let root = dir.path().join("services");
    services("up", &root);
    let running = of(&root).join("\n");
    for server in ["oxigraph serve", "weed server", "bin/postgres"] {
        assert!(running.contains(server), "no {server}: {running}");
    }
    services("down", &root);
    nothing_is_left(&root);
    assert!(root.join("data/postgres").is_dir(), "the data are gone");
    services("up", &root);
    services("clear", &root);
    nothing_is_left(&root);
    assert!(!root.exists());
}
