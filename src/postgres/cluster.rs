//! A PostgreSQL of our own: made from the installed programs, reached through a socket in a
//! folder that only its user (and root) can enter, never over the network.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::process::Command;

use super::binaries::Binaries;
use super::cluster_error::{ClusterError, failed};
use super::connect::{PgError, execute};
use super::owner::Owner;
use super::quote::{Part, sql};
use super::url::tuned;

/// The superuser, the database.
const NAME: &str = "coppice";
const PORT: u16 = 5432;
/// How long a server may take to recover from a crash.
const START_SECONDS: &str = "300";
const STOP_SECONDS: &str = "60";
/// One more than the highest number that Linux gives a process.
const NOBODY: &str = "4194305";

/// Whether data must survive a crash of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// They must.
    Durable,
    /// They are thrown away after the run: nothing is synced.
    Scratch,
}

/// Where PostgreSQL's own files lie within the folder of a cluster.
pub(super) fn pgdata(data_dir: &Path) -> PathBuf {
    data_dir.join("pgdata")
}

/// A private server that is up.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    root: PathBuf,
    socket: PathBuf,
    binaries: Binaries,
    owner: Owner,
}

impl Cluster {
    /// Makes the cluster where there is none, starts it where it is down, and makes sure that it
    /// answers. Twice equals once, also for two processes.
    pub(crate) async fn ensure(
        data_dir: &Path,
        durability: Durability,
    ) -> Result<Self, ClusterError> {
        let root = std::path::absolute(data_dir).map_err(failed("name", data_dir))?;
        let (cluster, lock) = {
            let root = root.clone();
            let prepare = move || Self::prepare(&root);
            tokio::task::spawn_blocking(prepare)
                .await
                .map_err(io::Error::other)
                .map_err(failed("prepare", data_dir))??
        };
        let pgdata = pgdata(&cluster.root);
        if !pgdata.join("PG_VERSION").exists() {
            cluster.init(durability).await?;
        }
        if !cluster.is_running().await? {
            cluster.start(durability).await?;
        }
        cluster.ensure_database().await?;
        drop(lock);
        Ok(cluster)
    }

    /// Finds the cluster of a folder, whether it is up or not; `None` where there is none.
    pub(crate) fn find(data_dir: &Path) -> Result<Option<Self>, ClusterError> {
        let root = std::path::absolute(data_dir).map_err(failed("name", data_dir))?;
        if !pgdata(&root).join("PG_VERSION").exists() {
            return Ok(None);
        }
        Self::at(root).map(Some)
    }

    /// How to connect to its database.
    pub(crate) fn options(&self) -> PgConnectOptions {
        self.options_of(NAME)
    }

    /// How to connect to another of its databases.
    pub(super) fn options_of(&self, database: &str) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(&self.socket)
            .port(PORT)
            .username(NAME)
            .database(database)
            .ssl_mode(PgSslMode::Disable);
        tuned(options)
    }

    /// Whether somebody is connected: a run of another process may use the same cluster.
    pub(crate) async fn is_used(&self) -> Result<bool, PgError> {
        let failed = PgError::sql("ask who uses the private cluster");
        let mut connection = PgConnection::connect_with(&self.options()).await.map_err(&failed)?;
        let others = sqlx::query_scalar(
            "SELECT count(*) > 0 FROM pg_stat_activity \
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )
        .fetch_one(&mut connection)
        .await
        .map_err(&failed)?;
        connection.close().await.map_err(&failed)?;
        Ok(others)
    }

    /// Stops the server and waits until it is gone. Stopping one that is down succeeds.
    pub(crate) async fn stop(&self) -> Result<(), ClusterError> {
        let lock = self.lock().await?;
        for mode in ["fast", "immediate"] {
            if !self.is_running().await? {
                break;
            }
            let stopped = self.pg_ctl(&["stop", "-w", "-t", STOP_SECONDS, "-m", mode]).await;
            match stopped {
                Err(error) if mode == "immediate" && self.is_running().await? => return Err(error),
                _ => {}
            }
        }
        if !self.socket.starts_with(&self.root) && self.socket.exists() {
            fs::remove_dir(&self.socket).map_err(failed("remove", &self.socket))?;
        }
        drop(lock);
        Ok(())
    }

    /// Stops the server and removes all that it kept.
    pub(crate) async fn remove(self) -> Result<(), ClusterError> {
        self.stop().await?;
        tokio::fs::remove_dir_all(&self.root).await.map_err(failed("remove", &self.root))
    }

    fn at(root: PathBuf) -> Result<Self, ClusterError> {
        let owner = Owner::find()?;
        let binaries = Binaries::find(&pgdata(&root))?;
        let socket = socket_dir(&root, &owner);
        Ok(Self { root, socket, binaries, owner })
    }

    fn prepare(root: &Path) -> Result<(Self, File), ClusterError> {
        fs::create_dir_all(root).map_err(failed("create", root))?;
        let cluster = Self::at(root.to_owned())?;
        cluster.owner.can_reach(root)?;
        private(root, &cluster.owner)?;
        let lock = take_lock(root)?;
        if !cluster.socket.starts_with(root) {
            match fs::create_dir(&cluster.socket) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed("create", &cluster.socket)(error));
                }
                Ok(()) => private(&cluster.socket, &cluster.owner)?,
                Err(_) => {}
            }
            // Its name can be guessed: somebody else's folder, or a link, is refused.
            let seen = fs::symlink_metadata(&cluster.socket);
            let seen = seen.map_err(failed("look at", &cluster.socket))?;
            if !seen.is_dir() || seen.uid() != cluster.owner.uid() || seen.mode() & 0o077 != 0 {
                return Err(ClusterError::Socket(cluster.socket));
            }
        }
        Ok((cluster, lock))
    }

    async fn lock(&self) -> Result<File, ClusterError> {
        let root = self.root.clone();
        tokio::task::spawn_blocking(move || take_lock(&root))
            .await
            .map_err(io::Error::other)
            .map_err(failed("lock", &self.root))?
    }

    /// Makes the files under another name first: what is named `pgdata` is whole.
    async fn init(&self, durability: Durability) -> Result<(), ClusterError> {
        let (staging, pgdata) = (self.root.join("pgdata.new"), pgdata(&self.root));
        if staging.exists() {
            fs::remove_dir_all(&staging).map_err(failed("remove", &staging))?;
        }
        let mut command = self.command("initdb");
        command.arg("-D").arg(&staging).args(["-U", NAME, "-E", "UTF8", "--locale=C"]);
        // Who may connect is said by the folder of the socket.
        command.args(["--auth-local=trust", "--auth-host=reject", "--no-instructions"]);
        if durability == Durability::Scratch {
            command.arg("--no-sync");
        }
        run("initdb", command).await?;
        let conf = staging.join("postgresql.conf");
        let mut text = fs::read_to_string(&conf).map_err(failed("read", &conf))?;
        text.push_str("\ninclude_if_exists = 'coppice.conf'\n");
        fs::write(&conf, text).map_err(failed("write", &conf))?;
        fs::rename(&staging, &pgdata).map_err(failed("create", &pgdata))
    }

    async fn start(&self, durability: Durability) -> Result<(), ClusterError> {
        let pgdata = pgdata(&self.root);
        let conf = pgdata.join("coppice.conf");
        fs::write(&conf, self.settings(durability)).map_err(failed("write", &conf))?;
        self.owner.give(&conf).map_err(failed("give away", &conf))?;
        self.clear_stale_pids()?;
        let log = self.root.join("server.log");
        for tries in 1.. {
            let mut command = self.pg_ctl_command();
            command.args(["start", "-w", "-s", "-t", START_SECONDS, "-l"]).arg(&log);
            match run("pg_ctl", command).await {
                // The workers of a killed server need a moment to see that it is gone.
                Err(_) if tries < 10 => tokio::time::sleep(Duration::from_millis(500)).await,
                ended => return ended,
            }
        }
        Ok(())
    }

    fn settings(&self, durability: Durability) -> String {
        // In a file, because pg_ctl hands its options to a shell.
        let socket = self.socket.display().to_string().replace('\'', "''");
        let mut text = format!(
            "listen_addresses = ''\n\
             port = {PORT}\n\
             unix_socket_directories = '\"{socket}\"'\n\
             unix_socket_permissions = 0700\n\
             timezone = 'UTC'\n\
             log_timezone = 'UTC'\n\
             max_connections = 60\n\
             shared_buffers = '128MB'\n\
             maintenance_work_mem = '128MB'\n\
             max_wal_size = '4GB'\n\
             # One server alone: a table that is filled where it is made needs no log.\n\
             wal_level = minimal\n\
             max_wal_senders = 0\n\
             # What goes wrong is told to the client; its words quote rows, and a log stays.\n\
             log_min_messages = log\n\
             log_min_error_statement = panic\n\
             log_error_verbosity = terse\n"
        );
        if durability == Durability::Scratch {
            text.push_str("fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n");
        }
        text
    }

    /// After a crash the number in a lock file may by now be another process of ours, which
    /// PostgreSQL takes for a running server. A server works in its data folder; any other process
    /// is none, and its number is replaced by one that no process has. The rest of the file stays:
    /// by it PostgreSQL sees workers that outlived their server.
    fn clear_stale_pids(&self) -> Result<(), ClusterError> {
        let pgdata = pgdata(&self.root);
        for file in [pgdata.join("postmaster.pid"), self.socket.join(".s.PGSQL.5432.lock")] {
            let Ok(text) = fs::read_to_string(&file) else { continue };
            let pid = text.lines().next().unwrap_or_default().trim();
            let works_here = match fs::read_link(Path::new("/proc").join(pid).join("cwd")) {
                Ok(folder) => Some(&folder) == fs::canonicalize(&pgdata).ok().as_ref(),
                Err(_) => !Path::new("/proc/self").exists(),
            };
            if !works_here && pid != NOBODY {
                let text = text.replacen(pid, NOBODY, 1);
                fs::write(&file, text).map_err(failed("write", &file))?;
            }
        }
        Ok(())
    }

    async fn is_running(&self) -> Result<bool, ClusterError> {
        let pgdata = pgdata(&self.root);
        if !pgdata.join("postmaster.pid").exists() {
            return Ok(false);
        }
        self.clear_stale_pids()?;
        let mut command = self.pg_ctl_command();
        command.arg("status").stdout(Stdio::null()).stderr(Stdio::null());
        let status =
            command.status().await.map_err(failed("run", &self.binaries.tool("pg_ctl")))?;
        Ok(status.success())
    }

    async fn ensure_database(&self) -> Result<(), ClusterError> {
        let mut connection = self.connect_when_ready("postgres").await?;
        let there: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = $1")
            .bind(NAME)
            .fetch_optional(&mut connection)
            .await
            .map_err(PgError::sql("look for the database"))?;
        if there.is_none() {
            let create = sql("CREATE DATABASE {} TEMPLATE template0", &[Part::Ident(NAME)]);
            execute(&mut connection, "create the database", &create).await?;
        }
        // The connection ends with the function; an unclean end costs a line in the log.
        connection.close().await.map_err(PgError::sql("close a connection"))?;
        let mut connection = self.connect_when_ready(NAME).await?;
        let create = sql("CREATE EXTENSION IF NOT EXISTS postgis", &[]);
        execute(&mut connection, "install postgis", &create).await?;
        let version: String =
            sqlx::query_scalar("SELECT extversion FROM pg_extension WHERE extname = 'postgis'")
                .fetch_one(&mut connection)
                .await
                .map_err(PgError::sql("ask for the version of postgis"))?;
        if version != self.binaries.postgis {
            let update = sql("ALTER EXTENSION postgis UPDATE", &[]);
            execute(&mut connection, "update postgis", &update).await?;
        }
        connection.close().await.map_err(PgError::sql("close a connection"))?;
        Ok(())
    }

    /// A server that another process has just started may still be coming up.
    async fn connect_when_ready(&self, database: &str) -> Result<PgConnection, ClusterError> {
        let mut tries = 0;
        loop {
            match self.options_of(database).connect().await {
                Ok(connection) => return Ok(connection),
                Err(error) => {
                    let error = PgError::sql("connect to the private cluster")(error);
                    let starting = error.sqlstate().is_none_or(|state| state == "57P03");
                    tries += 1;
                    if !starting || tries > 150 {
                        return Err(error.into());
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    fn command(&self, tool: &str) -> Command {
        let mut command = Command::new(self.binaries.tool(tool));
        self.owner.run_as(&mut command);
        let others = std::env::vars_os().map(|(name, _)| name);
        for name in others.filter(|name| name.as_encoded_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        command.current_dir(&self.root).env("LC_ALL", "C").stdin(Stdio::null());
        command
    }

    fn pg_ctl_command(&self) -> Command {
        let mut command = self.command("pg_ctl");
        command.arg("-D").arg(pgdata(&self.root));
        command
    }

    async fn pg_ctl(&self, arguments: &[&str]) -> Result<(), ClusterError> {
        let mut command = self.pg_ctl_command();
        command.args(arguments);
        run("pg_ctl", command).await
    }

    /// The programs' folder and the data, for a guard that stops the server from outside.
    #[cfg(test)]
    pub(super) fn stop_command_parts(&self) -> (PathBuf, PathBuf, u32, u32) {
        let (uid, gid) = self.owner.ids();
        (self.binaries.tool("pg_ctl"), pgdata(&self.root), uid, gid)
    }
}

async fn run(tool: &'static str, mut command: Command) -> Result<(), ClusterError> {
    let output = command.output().await.map_err(failed("run", Path::new(tool)))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let last: Vec<&str> =
        said.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    let said = last.into_iter().rev().collect::<Vec<_>>().join("; ");
    Err(ClusterError::Tool { tool, said })
}

/// Gives a folder to the server's user and to nobody else.
fn private(folder: &Path, owner: &Owner) -> Result<(), ClusterError> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .map_err(failed("close", folder))?;
    owner.give(folder).map_err(failed("give away", folder))
}

fn take_lock(root: &Path) -> Result<File, ClusterError> {
    let path = root.join("lock");
    let file =
        File::options().create(true).append(true).open(&path).map_err(failed("open", &path))?;
    file.lock().map_err(failed("lock", &path))?;
    Ok(file)
}

/// Inside the cluster's folder, unless its path is too long for a socket (107 bytes) or has
/// characters that PostgreSQL's list of folders gives a meaning.
fn socket_dir(root: &Path, owner: &Owner) -> PathBuf {
    let text = root.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._- ".contains(c);
    let longest = text.len() + "/.s.PGSQL.5432.lock".len();
    if longest <= 100 && text.chars().all(plain) {
        return root.to_owned();
    }
    let name = blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex();
    PathBuf::from(format!("/tmp/coppice-{}-{}", owner.uid(), &name[..16]))
}
