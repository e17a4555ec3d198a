//! A PostgreSQL server for tests that need one which several machines reach. It is reached by a
//! socket, and ends with the test's process, however that ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A server that is up; stopped when it is dropped.
pub(crate) struct Server {
    dir: TempDir,
    bin: PathBuf,
    port: u16,
    settings: String,
    /// Stops the server when its standard input ends.
    guard: Child,
}

impl Server {
    /// Makes a cluster and starts it; only a socket leads to it.
    pub(crate) fn start() -> Self {
        Self::start_with("-c listen_addresses=", 5432)
    }

    /// The same with settings and a port of its own.
    pub(crate) fn start_with(settings: &str, port: u16) -> Self {
        Self::start_of(binaries(), settings, port)
    }

    /// The same of the programs in a folder.
    pub(crate) fn start_of(bin: PathBuf, settings: &str, port: u16) -> Self {
        let dir = tempfile::Builder::new().prefix("coppice-server").tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let (data, sockets) = (dir.path().join("data"), dir.path().join("s"));
        for folder in [&data, &sockets] {
            fs::create_dir(folder).unwrap();
            if let Some((uid, gid)) = other_user() {
                std::os::unix::fs::chown(folder, Some(uid), Some(gid)).unwrap();
            }
        }
        let data = data.display().to_string();
        let made = ["-D", &data, "-U", "coppice", "-A", "trust", "-E", "UTF8", "--no-sync"];
        finish(owned(&bin.join("initdb")).args(made).args(["--locale", "C"]));
        let script = "cat >/dev/null; exec \"$1\" stop -m immediate -D \"$2\"";
        let mut guard = owned(Path::new("/bin/sh"));
        guard.args(["-c", script, "guard"]).arg(bin.join("pg_ctl")).arg(&data);
        // Its own group: Ctrl-C ends the tests, not the guard.
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
        let server =
            Self { guard: guard.spawn().unwrap(), dir, bin, port, settings: settings.to_owned() };
        server.come_back();
        server
    }

    /// Goes away, with every connection that it has.
    pub(crate) fn go_away(&self) {
        let data = self.dir.path().join("data");
        finish(owned(&self.bin.join("pg_ctl")).args(["stop", "-w", "-m", "fast", "-D"]).arg(data));
    }

    /// Is started, with the data that it had.
    pub(crate) fn come_back(&self) {
        let (data, sockets) = (self.dir.path().join("data"), self.sockets());
        let Self { port, settings, .. } = self;
        let options = format!("-k {} -c fsync=off -c port={port} {settings}", sockets.display());
        let mut start = owned(&self.bin.join("pg_ctl"));
        start.args(["start", "-w", "-D"]).arg(data).args(["-o", &options, "-l"]);
        finish(start.arg(sockets.join("log")));
    }

    /// Makes a database and gives its URL.
    pub(crate) fn database(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(name)
    }

    /// The URL of a database as the administrator.
    pub(crate) fn url(&self, name: &str) -> String {
        self.url_of("coppice", name)
    }

    /// The URL of a database for a role.
    pub(crate) fn url_of(&self, role: &str, name: &str) -> String {
        let sockets = self.sockets().display().to_string().replace('/', "%2F");
        format!("postgres://{role}@{sockets}/{name}")
    }

    /// Puts a file into the folder of the cluster, as its user keeps one, and reads settings anew.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let path = self.dir.path().join("data").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((uid, gid)) = other_user() {
            std::os::unix::fs::chown(&path, Some(uid), Some(gid)).unwrap();
        }
        self.sql("postgres", "SELECT pg_reload_conf()");
    }

    /// Runs SQL in a database; gives the columns and lines that come back as text.
    pub(crate) fn sql(&self, database: &str, statement: &str) -> String {
        self.sql_as("coppice", database, statement)
    }

    /// The same as another user.
    pub(crate) fn sql_as(&self, user: &str, database: &str, statement: &str) -> String {
        let mut command = Command::new(self.bin.join("psql"));
        command.args(["-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-U", user, "-d", database]);
        command.arg("-h").arg(self.sockets()).args(["-p", &self.port.to_string()]);
        finish(command.args(["-c", statement])).trim().to_owned()
    }

    /// Runs a script that may go from one database to another.
    pub(crate) fn script(&self, database: &str, text: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let mut command = Command::new(self.bin.join("psql"));
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "coppice", "-d", database]);
        command.arg("-h").arg(self.sockets()).args(["-p", &self.port.to_string(), "-f"]);
        finish(command.arg(file.path()));
    }

    /// What it has written to its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.sockets().join("log")).unwrap()
    }

    fn sockets(&self) -> PathBuf {
        self.dir.path().join("s")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// The programs of the server: those that are installed, or those that somebody wants to be tried.
fn binaries() -> PathBuf {
    if let Some(bin) = std::env::var_os("COPPICE_TEST_POSTGRES") {
        return bin.into();
    }
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is not installed");
    let bins = versions.map(|version| version.unwrap().path().join("bin"));
    bins.filter(|bin| bin.join("initdb").is_file()).max().expect("no initdb: run `make setup`")
}

/// Who runs the server where this process is root, which PostgreSQL refuses.
fn other_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find_map(|line| line.strip_prefix("postgres:")).unwrap();
    let mut fields = line.split(':').skip(1).map(|id| id.parse().unwrap());
    Some((fields.next().unwrap(), fields.next().unwrap()))
}

fn owned(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some((uid, gid)) = other_user() {
        command.uid(uid).gid(gid);
    }
    command
}

fn finish(command: &mut Command) -> String {
    // A file and no pipe: the server keeps what it inherits.
    let out = tempfile::NamedTempFile::new().unwrap();
    let (stdout, stderr) = (out.reopen().unwrap(), out.reopen().unwrap());
    let status = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).status().unwrap();
    let said = fs::read_to_string(out.path()).unwrap();
    assert!(status.success(), "{command:?}: {said}");
    said
}
