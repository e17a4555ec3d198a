//! Brings up the servers that tests need and holds them until the test runner is gone.
//!
//! usage: services RUNNER-PID ROOT
//!
//! Where a Docker engine answers, testcontainers runs the images, which must be built; else the same
//! servers run as plain processes. `COPPICE_SERVICES=containers|processes` chooses. Either way
//! ROOT/services.env says how to reach them, and ROOT/ready that all are healthy.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread::sleep;
use std::time::Duration;

use testcontainers::core::WaitFor;
use testcontainers::runners::SyncRunner;
use testcontainers::{Container, GenericImage, ImageExt};

/// The servers with the variables of `services.env` that each is given: its ports, and the secrets
/// that docker-compose.yml gives it.
const SERVERS: [(&str, &[&str]); 3] = [
    (
        "postgres",
        &[
            "POSTGRES_PORT",
            "COPPICE_POSTGRES_PASSWORD",
            "COPPICE_DEV_POSTGRES_PASSWORD",
            "COPPICE_STAGE_POSTGRES_PASSWORD",
        ],
    ),
    (
        "s3",
        &[
            "S3_PORT",
            "S3_INNER_PORTS",
            "COPPICE_S3_KEY_ID",
            "COPPICE_S3_SECRET",
            "COPPICE_DEV_S3_KEY_ID",
            "COPPICE_DEV_S3_SECRET",
            "COPPICE_STAGE_S3_KEY_ID",
            "COPPICE_STAGE_S3_SECRET",
            "COPPICE_SCRATCH_S3_KEY_ID",
            "COPPICE_SCRATCH_S3_SECRET",
        ],
    ),
    ("sparql", &["DEV_SPARQL_PORT", "STAGE_SPARQL_PORT", "SCRATCH_SPARQL_PORT"]),
];

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "whoever started it reads this")]
fn tell(text: &str) {
    eprintln!("services: {text}");
}

fn run() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let (Some(runner), Some(root)) = (arguments.next(), arguments.next()) else {
        return Err("usage: services RUNNER-PID ROOT".into());
    };
    let runner = Process::find(&runner).ok_or("the test runner is gone")?;
    let root = Guard(root.into());
    clear_what_others_left(&root.0);
    script("env", &root.0)?;
    let containers = if by_containers()? {
        start_containers(&root.0)?
    } else {
        script("up", &root.0)?;
        Vec::new()
    };
    fs::write(root.0.join("runner"), runner.text())?;
    fs::write(root.0.join("ready"), "")?;
    while runner.lives() {
        sleep(Duration::from_millis(300));
    }
    drop(containers);
    Ok(())
}

/// Takes down what runs below a folder, and the folder, whatever happens.
struct Guard(PathBuf);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(error) = script("clear", &self.0) {
            tell(&error.to_string());
        }
        let _ = fs::remove_file(self.0.with_extension("lock"));
    }
}

/// A process, told from a later one with the same number by when it started.
struct Process {
    pid: String,
    started: String,
}

impl Process {
    fn find(pid: &str) -> Option<Self> {
        Some(Self { pid: pid.to_owned(), started: started(pid)? })
    }

    fn read(text: &str) -> Option<Self> {
        let (pid, started) = text.split_once(' ')?;
        Some(Self { pid: pid.to_owned(), started: started.to_owned() })
    }

    fn text(&self) -> String {
        format!("{} {}", self.pid, self.started)
    }

    fn lives(&self) -> bool {
        started(&self.pid).as_deref() == Some(&self.started)
    }
}

/// When a process started, in clock ticks; `None` when it is gone, or a zombie.
fn started(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).ok()?;
    // The name in parentheses may hold spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18).map(str::to_owned)).flatten()
}

/// A keeper that was killed leaves its servers: whoever comes next takes them down.
fn clear_what_others_left(own: &Path) {
    let Some(entries) = own.parent().and_then(|folder| fs::read_dir(folder).ok()) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let named = path.file_name().and_then(|name| name.to_str());
        let is_one = named.is_some_and(|name| name.starts_with("coppice-services-"));
        let runner = fs::read_to_string(path.join("runner")).ok();
        let runner = runner.and_then(|text| Process::read(&text));
        // Its own keeper looks three times a second.
        let left = || {
            runner.is_some_and(|runner| {
                sleep(Duration::from_secs(2));
                !runner.lives() && path.exists() && keepers(&path) == 0
            })
        };
        if is_one && path != own && left() {
            drop(Guard(path));
        }
    }
}

/// How many keepers of a folder there are.
fn keepers(root: &Path) -> usize {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let named = root.display().to_string();
    processes
        .flatten()
        .filter_map(|process| fs::read_to_string(process.path().join("cmdline")).ok())
        .filter(|line| line.split('\0').nth(2) == Some(&named))
        .count()
}

/// Runs `scripts/services.sh COMMAND ROOT`.
fn script(command: &str, root: &Path) -> Outcome {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let status = Command::new(repository.join("scripts/services.sh"))
        .arg(command)
        .arg(root)
        .env("COPPICE_SERVICES", "processes")
        .status()?;
    if status.success() { Ok(()) } else { Err(format!("services.sh {command}: {status}").into()) }
}

fn by_containers() -> Outcome<bool> {
    let wanted = match std::env::var("COPPICE_SERVICES").as_deref() {
        Ok("containers") => true,
        Ok("processes") => false,
        Ok(other) => {
            return Err(format!("COPPICE_SERVICES={other}: containers or processes").into());
        }
        Err(_) => engine_answers(),
    };
    if wanted {
        images_are_built()?;
    }
    Ok(wanted)
}

fn engine_answers() -> bool {
    let info = Command::new("docker").arg("info").output();
    info.is_ok_and(|output| output.status.success())
}

/// Other servers in their place would be a silence about what was not tested.
fn images_are_built() -> Outcome {
    let tag = tag()?;
    let images = SERVERS.map(|(server, _)| format!("coppice-{server}:{tag}"));
    let missing: Vec<String> = images.into_iter().filter(|name| !has_image(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    let message = format!(
        "Docker has no {missing}: build the images with `make images`, or set \
         COPPICE_SERVICES=processes to run the same servers as plain processes"
    );
    Err(message.into())
}

fn has_image(name: &str) -> bool {
    let inspect = Command::new("docker").args(["image", "inspect", name]).output();
    inspect.is_ok_and(|output| output.status.success())
}

fn tag() -> Outcome<String> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(repository.join("scripts/services.sh")).arg("tag").output()?;
    let tag = String::from_utf8(output.stdout)?.trim().to_owned();
    if tag.is_empty() { Err("services.sh tag says nothing".into()) } else { Ok(tag) }
}

/// Runs the images on the host's network, bound to loopback, on the ports that `services.env` names.
fn start_containers(root: &Path) -> Outcome<Vec<Container<GenericImage>>> {
    let env = fs::read_to_string(root.join("services.env"))?;
    let env: BTreeMap<&str, &str> = env.lines().filter_map(|line| line.split_once('=')).collect();
    let tag = tag()?;
    let mut running = Vec::new();
    for (server, names) in SERVERS {
        let image = GenericImage::new(format!("coppice-{server}"), tag.clone())
            .with_wait_for(WaitFor::healthcheck());
        let mut request = image
            .with_network("host")
            .with_startup_timeout(Duration::from_mins(2))
            .with_shm_size(256 << 20)
            .with_env_var("BIND", "127.0.0.1");
        for &name in names {
            let value = env.get(name).ok_or_else(|| format!("services.env has no {name}"))?;
            request = request.with_env_var(name, *value);
        }
        running.push(request.start()?);
    }
    Ok(running)
}
