//! A data platform made for the bench, and `coppice` on it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tempfile::TempDir;

use crate::tools::run;

/// A folder with canonical stores in `made`, a plan, and a state directory.
pub(crate) struct Platform {
    dir: TempDir,
}

impl Platform {
    /// Makes so many synthetic datasets of so many features beside the Kansas fixture.
    pub(crate) fn make(datasets: u64, features: u64) -> Self {
        let dir = tempfile::Builder::new().prefix("coppice-bench-").tempdir().unwrap();
        // The user that runs PostgreSQL must be able to enter.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let platform = Self { dir };
        let generator = beside().join("examples/kansas");
        run(Command::new(generator)
            .args(["--objects", &datasets.to_string(), "--features", &features.to_string()])
            .arg("--out")
            .arg(platform.path("made")));
        platform
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub(crate) fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs `coppice` with JSON as its output.
    pub(crate) fn coppice(&self, args: &[&str], secrets: &[(&str, &str)]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coppice"));
        command.args(args).args(["--format", "json", "--state"]).arg(self.path("state"));
        command.current_dir(self.dir.path()).envs(secrets.iter().copied());
        serde_json::from_str(&run(&mut command)).unwrap_or(Value::Null)
    }
}

fn beside() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_coppice")).parent().unwrap()
}

/// The seconds from the first start to the last end of the steps whose names begin like this.
pub(crate) fn spent(receipt: &Value, prefixes: &[&str]) -> f64 {
    let steps = receipt["predicate"]["steps"].as_array().unwrap();
    let mine = |step: &&Value| prefixes.iter().any(|p| step["id"].as_str().unwrap().starts_with(p));
    let time = |step: &Value, name: &str| step[name].as_str()?.parse::<DateTime<Utc>>().ok();
    let first = steps.iter().filter(mine).filter_map(|step| time(step, "started_at")).min();
    let last = steps.iter().filter(mine).filter_map(|step| time(step, "finished_at")).max();
    (last.unwrap() - first.unwrap()).as_seconds_f64()
}
