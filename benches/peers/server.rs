//! A PostgreSQL server for the bench alone: the same one for everybody.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::tools::run;

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// A server in a folder of its own; it ends with it.
pub(crate) struct Server {
    dir: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("bench-pg-").tempdir().unwrap();
        // PostgreSQL refuses to run as root.
        let mode = if is_root() { 0o777 } else { 0o700 };
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        let server = Self { dir };
        run(server.program("initdb").args(["--auth=trust", "--username=bench", "--encoding=UTF8"]));
        let folder = server.folder().display().to_string();
        let options = format!("-k {folder} -c listen_addresses='' -c max_wal_size=4GB");
        let log = format!("{folder}/log");
        run(server.program("pg_ctl").args(["-w", "-l", &log, "-o", &options, "start"]));
        server.sql("CREATE EXTENSION postgis");
        server
    }

    fn folder(&self) -> &Path {
        self.dir.path()
    }

    fn program(&self, name: &str) -> Command {
        let path = format!("{PROGRAMS}/{name}");
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--", &path]);
            command
        } else {
            Command::new(path)
        };
        command.current_dir("/").arg("-D").arg(self.folder().join("data"));
        command
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("postgres://bench@localhost/postgres?host={}", self.folder().display())
    }

    /// How ogr2ogr names it.
    pub(crate) fn ogr(&self) -> String {
        format!("PG:host={} user=bench dbname=postgres", self.folder().display())
    }

    /// Runs SQL and the commands of psql.
    pub(crate) fn sql(&self, text: &str) -> String {
        let mut psql = Command::new("psql");
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "bench",
            "-d",
            "postgres",
        ]);
        psql.arg("-h").arg(self.folder());
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            psql.args(["-c", line]);
        }
        run(&mut psql)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.program("pg_ctl").args(["-m", "immediate", "stop"]).output();
    }
}

fn is_root() -> bool {
    run(Command::new("id").arg("-u")).trim() == "0"
}
