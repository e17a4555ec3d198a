use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::capture::{Captured, read};
use super::error::ProcessError;
use super::group::Group;
use super::warden::Warden;
use crate::access::Secret;

/// What every program may see of our environment.
const SHARED: [&str; 4] = ["PATH", "LANG", "LC_ALL", "TZ"];

/// How often a program is started that is open for writing, and how long it is waited.
const BUSY_TRIES: u32 = 50;
const BUSY_WAIT: Duration = Duration::from_millis(20);

/// A program to be run.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// What errors call it.
    pub(crate) name: String,
    /// Its file, or a name that is looked for in `PATH`.
    pub(crate) file: PathBuf,
    /// Its arguments.
    pub(crate) args: Vec<String>,
    /// Its environment, beside `PATH`, `LANG`, `LC_ALL` and `TZ`.
    pub(crate) env: BTreeMap<String, String>,
    /// Further variables, whose values it never gets to show.
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// The folder in which it runs.
    pub(crate) folder: PathBuf,
    /// How long it may take.
    pub(crate) timeout: Duration,
}

/// A program that ended with 0.
#[derive(Debug)]
pub(crate) struct Ended {
    /// How long it took.
    pub(crate) took: Duration,
    /// What it printed.
    pub(crate) output: Captured,
}

impl Program {
    /// Runs it to its end. Whatever the end, nothing that it started in its process group lives on,
    /// not even when this process is killed meanwhile.
    pub(crate) async fn run(&self, cancel: &CancellationToken) -> Result<Ended, ProcessError> {
        let name = self.name.clone();
        let started = Instant::now();
        let start = |source| ProcessError::Start { program: name.clone(), source };
        let mut child = self.spawn().await.map_err(start)?;
        let group = child.id().and_then(Group::led_by);
        // Work may be dropped where it stands: a step that took too long is.
        let mut guard = Guard(group);
        let warden = group.map(Warden::of).transpose().map_err(|source| ProcessError::Start {
            program: "/bin/sh, which is to watch over it".to_owned(),
            source,
        })?;
        let secrets: Vec<String> =
            self.secrets.values().map(|secret| secret.expose().to_owned()).collect();
        let output = tokio::spawn(output_of(child.stdout.take(), child.stderr.take(), secrets));
        let ended = tokio::select! {
            status = child.wait() => Some(status),
            () = tokio::time::sleep(self.timeout) => None,
            () = cancel.cancelled() => None,
        };
        end(&mut child, group, ended.is_some()).await;
        guard.0 = None;
        if let Some(warden) = warden {
            warden.dismiss().await;
        }
        let lost = |source| ProcessError::Lost { program: name.clone(), source };
        let output = output.await.map_err(std::io::Error::other).map_err(lost)?.map_err(lost)?;
        match ended {
            Some(status) => {
                let status = status.map_err(lost)?;
                if status.success() {
                    return Ok(Ended { took: started.elapsed(), output });
                }
                let how = how(status);
                Err(ProcessError::Failed { program: name, how, output: Box::new(output) })
            }
            None if cancel.is_cancelled() => Err(ProcessError::Cancelled { program: name }),
            None => {
                let output = Box::new(output);
                Err(ProcessError::TimedOut { program: name, limit: self.timeout, output })
            }
        }
    }

    /// Starts it. Where it was just copied, another thread that was starting something at that
    /// moment may hold it open for writing for an instant still.
    async fn spawn(&self) -> std::io::Result<Child> {
        for _ in 0..BUSY_TRIES {
            match self.command().spawn() {
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                    tokio::time::sleep(BUSY_WAIT).await;
                }
                started => return started,
            }
        }
        self.command().spawn()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.file);
        let shared = SHARED.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command
            .args(&self.args)
            .env_clear()
            .envs(shared)
            .envs(&self.env)
            .envs(self.secrets.iter().map(|(name, secret)| (name, secret.expose())))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

/// Kills a group that nobody ended.
struct Guard(Option<Group>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            group.kill();
        }
    }
}

async fn output_of(
    stdout: Option<tokio::process::ChildStdout>,
    stderr: Option<tokio::process::ChildStderr>,
    secrets: Vec<String>,
) -> std::io::Result<Captured> {
    let out = async {
        match stdout {
            Some(stream) => read(stream, &secrets).await,
            None => Ok(String::new()),
        }
    };
    let err = async {
        match stderr {
            Some(stream) => read(stream, &secrets).await,
            None => Ok(String::new()),
        }
    };
    let (stdout, stderr) = tokio::try_join!(out, err)?;
    Ok(Captured { stdout, stderr })
}

/// Ends the whole group, and reaps the program itself, so that its id is not another's meanwhile.
async fn end(child: &mut Child, group: Option<Group>, reaped: bool) {
    let Some(group) = group else { return };
    if reaped {
        group.end().await;
    } else {
        let (_gone, _status) = tokio::join!(group.end(), child.wait());
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    }
}
