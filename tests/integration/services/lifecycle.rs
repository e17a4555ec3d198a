//! What brings the servers up takes them down again.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::bench::{copy, example, repository};

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

/// What holds secrets can be read by nobody else.
fn secrets_are_the_owners(root: &Path) {
    for name in ["services.env", "credentials.env"] {
        let mode = fs::metadata(root.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}: {mode:o}");
    }
}

#[test]
fn what_was_started_as_processes_is_gone_when_it_was_stopped_and_its_data_when_cleared() {
    let dir = tempfile::Builder::new().prefix("coppice-lifecycle-").tempdir().unwrap();
    let root = dir.path().join("services");
    services("up", &root);
    secrets_are_the_owners(&root);
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

#[test]
fn git_ignores_what_services_keep_secret() {
    // The sources may have come without their history.
    if !repository().join(".git").exists() {
        return;
    }
    let ignored = |path: &str| {
        let mut git = Command::new("git");
        // Whoever runs the tests need not be who owns the sources.
        git.args(["-c", "safe.directory=*", "check-ignore", "--quiet", path]);
        git.current_dir(repository()).status().unwrap().code()
    };
    assert_eq!(ignored("README.md"), Some(1));
    for name in ["services.env", "credentials.env", "data/s3/s3.json"] {
        assert_eq!(ignored(&format!(".coppice/services/{name}")), Some(0), "{name}");
    }
}

#[test]
fn an_engine_without_the_images_is_told_and_no_reason_for_other_servers() {
    let dir = tempfile::tempdir().unwrap();
    let docker = dir.path().join("docker");
    // It answers, and knows no image.
    fs::write(&docker, "#!/bin/sh\n[ \"$1\" = info ]\n").unwrap();
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
    let root = dir.path().join("services");
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
    let mut keeper = Command::new(example("services"));
    keeper.arg(std::process::id().to_string()).arg(&root);
    keeper.env("PATH", path).env_remove("COPPICE_SERVICES").stdin(Stdio::null());
    let output = keeper.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for words in ["coppice-postgres:", "coppice-sparql:", "make images", "COPPICE_SERVICES=proc"] {
        assert!(said.contains(words), "no {words}: {said}");
    }
    nothing_is_left(&root);
    assert!(!root.exists());
}

/// What `rehearse-services.sh` needs of the repository, in a folder of its own: somebody may be at it
/// in the repository itself.
fn another_repository() -> TempDir {
    // Not where TMPDIR says: the path of a socket must be short.
    let dir = tempfile::Builder::new().prefix("coppice-own-").tempdir_in("/tmp").unwrap();
    // The user that runs PostgreSQL must be able to enter.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let servers = ["services/postgres", "services/s3", "services/sparql"];
    for folder in ["scripts", "plans", "rebuild", "fixtures/kansas"].iter().chain(&servers) {
        copy(&repository().join(folder), &dir.path().join(folder));
    }
    for file in ["fixtures/withdrawals.ndjson", "services/requirements.txt"] {
        fs::copy(repository().join(file), dir.path().join(file)).unwrap();
    }
    // The programs are the same.
    let programs = repository().join("target/services");
    fs::create_dir_all(&programs).unwrap();
    fs::create_dir(dir.path().join("target")).unwrap();
    symlink(programs, dir.path().join("target/services")).unwrap();
    dir
}

/// Runs `rehearse-services.sh` with a program; gives whether it went well, and all that was said.
fn rehearse_services(repository: &Path, program: &str) -> (bool, String) {
    let mut script = Command::new(repository.join("scripts/rehearse-services.sh"));
    script.arg(program).env("COPPICE_SERVICES", "processes").stdin(Stdio::null());
    script.env_remove("COPPICE_ENV").env_remove("COPPICE_JOURNAL").env("NO_COLOR", "1");
    let Output { status, stdout, stderr } = script.output().unwrap();
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

#[test]
fn a_rehearsal_on_services_brings_them_up_recovers_and_takes_everything_down() {
    let own = another_repository();
    let (well, said) = rehearse_services(own.path(), env!("CARGO_BIN_EXE_coppice"));
    assert!(well, "{said}");
    // Columns are padded.
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "services: starting postgres s3 sparql as processes",
        "RECOVERED (rehearsal of dev, ",
        "RECOVERED (restore of stage, ",
        "RECOVERED (rebuild of stage, ",
        "postgis/places rebuilt 299 rows",
    ] {
        assert!(said.contains(words), "no {words}: {said}");
    }
    let whole = said.matches("15 of 15 projections live, 15 proven").count();
    assert_eq!(whole, 2, "the rehearsal and the restore: {said}");
    nothing_is_left(own.path());
    assert!(!own.path().join(".coppice/rehearse-services").exists());
}

#[test]
fn a_rehearsal_on_services_that_fails_takes_everything_down_too() {
    let own = another_repository();
    let (well, said) = rehearse_services(own.path(), "/bin/false");
    assert!(!well, "{said}");
    assert!(said.contains("services: starting postgres s3 sparql as processes"), "{said}");
    nothing_is_left(own.path());
    assert!(!own.path().join(".coppice/rehearse-services").exists());
}

#[test]
fn make_rehearses_on_services_with_the_program_that_it_builds() {
    let mut make = Command::new("make");
    make.args(["--dry-run", "rehearse-services"]).current_dir(repository());
    // `make test` hands its own on.
    make.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").env_remove("CARGO_TARGET_DIR");
    let output = make.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let build = said.find("cargo build --locked").unwrap_or_else(|| panic!("{said}"));
    let rehearse = said.find("scripts/rehearse-services.sh target/debug/coppice");
    assert!(rehearse.is_some_and(|rehearse| build < rehearse), "{said}");
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
