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
    /// Stops the server when its standard input ends.
    guard: Child,
}

impl Server {
    /// Makes a cluster and starts it.
    pub(crate) fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("coppice-server").tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let bin = binaries();
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
        let server = Self { guard: guard.spawn().unwrap(), dir, bin };
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
        let options = format!("-k {} -c listen_addresses= -c fsync=off", sockets.display());
        let mut start = owned(&self.bin.join("pg_ctl"));
        start.args(["start", "-w", "-D"]).arg(data).args(["-o", &options, "-l"]);
        finish(start.arg(sockets.join("log")));
    }

    /// Makes a database and gives its URL.
    pub(crate) fn database(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        let sockets = self.sockets().display().to_string().replace('/', "%2F");
        format!("postgres://coppice@{sockets}/{name}")
    }

    /// Runs SQL in a database; gives the columns and lines that come back as text.
    pub(crate) fn sql(&self, database: &str, statement: &str) -> String {
        self.sql_as("coppice", database, statement)
    }

    /// The same as another user.
    pub(crate) fn sql_as(&self, user: &str, database: &str, statement: &str) -> String {
        let mut command = Command::new(self.bin.join("psql"));
        command.args(["-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-U", user, "-d", database]);
        finish(command.arg("-h").arg(self.sockets()).args(["-c", statement])).trim().to_owned()
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

fn binaries() -> PathBuf {
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
