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

/// By docker-compose; `make test` leaves these out where no Docker engine answers, and says so.
mod containers {
    use sha2::{Digest, Sha256};

    use super::*;

    fn said(program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program).args(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn script(command: &str, root: &Path) -> String {
        let script = repository().join("scripts/services.sh");
        let output = Command::new(script)
            .arg(command)
            .arg(root)
            .env("COPPICE_SERVICES", "containers")
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "services.sh {command}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What Docker has of a project: its containers, or its volumes.
    fn of_project(what: &[&str], root: &Path) -> Vec<String> {
        let digest = format!("{:x}", Sha256::digest(root.display().to_string()));
        let label = format!("label=com.docker.compose.project=coppice-{}", &digest[..8]);
        let listed = said("docker", &[what, &["--quiet", "--filter", &label]].concat());
        listed.lines().map(str::to_owned).collect()
    }

    #[test]
    fn compose_has_the_servers_healthy_on_loopback_and_takes_them_down() {
        let dir = tempfile::Builder::new().prefix("coppice-compose-").tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("services");
        script("up", &root);
        assert_eq!(script("status", &root), "postgres: healthy\ns3: healthy\nsparql: healthy\n");
        let running = of_project(&["ps"], &root);
        assert_eq!(running.len(), 3);
        for container in &running {
            let format = "{{range .NetworkSettings.Ports}}{{range .}}{{.HostIp}} {{end}}{{end}}";
            let bound = said("docker", &["inspect", "--format", format, container]);
            assert!(!bound.trim().is_empty(), "{container} has no port");
            assert!(bound.split_whitespace().all(|ip| ip == "127.0.0.1"), "{bound}");
        }
        script("down", &root);
        assert_eq!(of_project(&["ps", "--all"], &root), [""; 0]);
        assert_eq!(of_project(&["volume", "ls"], &root).len(), 3, "the data are gone");
        script("up", &root);
        script("clear", &root);
        assert_eq!(of_project(&["ps", "--all"], &root), [""; 0]);
        assert_eq!(of_project(&["volume", "ls"], &root), [""; 0]);
        assert!(!root.exists());
    }
}
