//! A workbench: a folder of its own with the Kansas platform, its plan, and a state directory.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The object that the plan's list of withdrawals erases.
pub(crate) const ERASED: &str = "raw/ks_species_county/20260210T062100Z/artifacts/volunteers.csv";

/// The kinds and keys of a document's findings, sorted.
pub(crate) fn found(document: &Value) -> Vec<(String, String)> {
    let mut found: Vec<_> = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
            (text("kind"), text("key"))
        })
        .collect();
    found.sort();
    found
}

/// What is found wherever a snapshot of the fixture was restored.
pub(crate) fn erased() -> Vec<(String, String)> {
    vec![("withdrawn".to_owned(), ERASED.to_owned())]
}

/// What a command ended with.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The JSON document on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}\n{}", self.stdout, self.stderr))
    }

    /// Demands an exit code, and shows what was said if it is another.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// What a person saw on a terminal.
#[derive(serde::Deserialize)]
pub(crate) struct Seen {
    /// The exit code.
    pub(crate) exit: i32,
    /// The lines, those that scrolled away too.
    pub(crate) screen: Vec<String>,
    /// How many answers were asked for and typed.
    pub(crate) typed: usize,
    /// Whether anything had a colour.
    pub(crate) colours: bool,
}

impl Seen {
    /// What was seen of a command that ended on its terminal.
    #[track_caller]
    pub(crate) fn of(terminal: &Output) -> Self {
        assert!(terminal.status.success(), "{}", String::from_utf8_lossy(&terminal.stderr));
        serde_json::from_slice(&terminal.stdout).unwrap()
    }
}

/// A folder with a platform, a plan and a state directory.
pub(crate) struct Bench {
    dir: TempDir,
    /// Variables of the environment in which `coppice` runs.
    variables: BTreeMap<String, String>,
}

impl Bench {
    /// Copies the fixture, the plan and the jobs into a folder of their own.
    pub(crate) fn new() -> Self {
        // Not where TMPDIR says: what people read breaks its lines by the length of paths.
        let dir = tempfile::Builder::new().prefix("coppice-").tempdir_in("/tmp").unwrap();
        // The user that runs PostgreSQL must be able to enter.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let bench = Self { dir, variables: BTreeMap::new() };
        for (from, to) in
            [("fixtures/kansas", "origin"), ("plans", "plans"), ("rebuild", "rebuild")]
        {
            copy(&repository().join(from), &bench.path(to));
        }
        fs::create_dir(bench.path("fixtures")).unwrap();
        let withdrawals = "fixtures/withdrawals.ndjson";
        fs::copy(repository().join(withdrawals), bench.path(withdrawals)).unwrap();
        bench
    }

    /// A path on the bench.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// A path on the bench as text.
    pub(crate) fn at(&self, below: &str) -> String {
        self.path(below).display().to_string()
    }

    /// The canonical store of the environment `dev`.
    pub(crate) fn canonical(&self) -> PathBuf {
        self.path(".coppice/dev/canonical")
    }

    /// The backup store of the environment `dev`.
    pub(crate) fn backup(&self) -> PathBuf {
        self.path(".coppice/dev/backup")
    }

    /// Puts other words into a file on the bench where these stand first.
    #[track_caller]
    pub(crate) fn edit(&self, below: &str, from: &str, to: &str) {
        let file = self.path(below);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{below} has no {from}");
        fs::write(file, text.replacen(from, to, 1)).unwrap();
    }

    /// Runs git on the bench; gives what it said.
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        // Nobody's own settings may ask for a signature, or lack a name.
        let settings = ["user.name=kim", "user.email=kim@example.org", "commit.gpgsign=false"];
        let mut git = Command::new("git");
        git.args(settings.iter().flat_map(|setting| ["-c", *setting]));
        let output = git.args(args).current_dir(self.dir.path()).output().unwrap();
        Ended::of(&output).expect(0).stdout.trim_end().to_owned()
    }

    /// Sets a variable of the environment in which `coppice` runs from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// A variable that was set.
    pub(crate) fn variable(&self, name: &str) -> &str {
        &self.variables[name]
    }

    fn command(&self, args: &[&str]) -> Command {
        self.command_on("state", args)
    }

    fn command_on(&self, state: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coppice"));
        command.args(args).args(["--state", &self.at(state)]).current_dir(self.dir.path());
        command.env_remove("COPPICE_ENV").env_remove("COPPICE_JOURNAL").env("NO_COLOR", "1");
        command.envs(&self.variables).stdin(Stdio::null());
        command
    }

    /// Runs `coppice` to its end with another state directory, as another machine has it.
    pub(crate) fn run_on(&self, state: &str, args: &[&str]) -> Ended {
        Ended::of(&self.command_on(state, args).output().unwrap())
    }

    /// The same with more in its environment.
    pub(crate) fn run_on_with(
        &self,
        state: &str,
        env: &BTreeMap<String, String>,
        args: &[&str],
    ) -> Ended {
        Ended::of(&self.command_on(state, args).envs(env).output().unwrap())
    }

    /// Runs `coppice` to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        Ended::of(&self.command(args).output().unwrap())
    }

    /// Runs `coppice` to its end with more in its environment.
    pub(crate) fn run_with(&self, env: &BTreeMap<String, String>, args: &[&str]) -> Ended {
        Ended::of(&self.command(args).envs(env).output().unwrap())
    }

    /// Runs `coppice ... --format json` to its end.
    pub(crate) fn json(&self, args: &[&str]) -> Ended {
        self.run(&[args, &["--format", "json"]].concat())
    }

    /// Runs `coppice` to its end with its log at a level.
    pub(crate) fn logged(&self, level: &str, args: &[&str]) -> Ended {
        Ended::of(&self.command(args).env("COPPICE_LOG", level).output().unwrap())
    }

    /// Runs `coppice` to its end where nobody says that colours are not wanted.
    pub(crate) fn run_coloured(&self, args: &[&str]) -> Ended {
        Ended::of(&self.command(args).env_remove("NO_COLOR").output().unwrap())
    }

    /// Runs `coppice` on a terminal of 80 columns, where somebody types the answers.
    pub(crate) fn on_terminal(&self, answers: &[&str], args: &[&str]) -> Seen {
        Seen::of(&self.terminal(answers, args).output().unwrap())
    }

    /// The same where nobody says that colours are not wanted.
    pub(crate) fn on_coloured_terminal(&self, args: &[&str]) -> Seen {
        Seen::of(&self.terminal(&[], args).env_remove("NO_COLOR").output().unwrap())
    }

    /// Starts `coppice` on such a terminal and leaves it running; `Seen::of` what it then gives.
    pub(crate) fn start_on_terminal(&self, args: &[&str]) -> Child {
        let mut terminal = self.terminal(&[], args);
        terminal.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn terminal(&self, answers: &[&str], args: &[&str]) -> Command {
        let program = repository().join("tests/integration/terminal.py");
        let mut command = Command::new(interpreter());
        command.arg(program).args(["80", "40", &serde_json::to_string(answers).unwrap()]);
        command.arg(env!("CARGO_BIN_EXE_coppice")).args(args).args(["--state", &self.at("state")]);
        command.current_dir(self.dir.path()).env_remove("COPPICE_ENV").env("NO_COLOR", "1");
        command.stdin(Stdio::null());
        command
    }

    /// Starts `coppice` and leaves it running.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The same, and what it says can be read.
    pub(crate) fn start_told(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The same with more in its environment.
    pub(crate) fn start_with(&self, env: &BTreeMap<String, String>, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.envs(env).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Seals a snapshot of the origin as the environment `dev`.
    pub(crate) fn seal(&self) -> Value {
        self.try_to_seal().expect(0).json()
    }

    /// The same, however it ends.
    pub(crate) fn try_to_seal(&self) -> Ended {
        self.try_to_seal_from("origin")
    }

    /// Seals a snapshot of another folder on the bench.
    pub(crate) fn try_to_seal_from(&self, folder: &str) -> Ended {
        self.json(&[
            "snapshot",
            "--from",
            folder,
            "--to",
            ".coppice/dev/backup",
            "--plan",
            "plans/kansas.yaml",
            "--env",
            "dev",
        ])
    }

    /// Marks the targets of `dev`.
    pub(crate) fn init(&self) {
        self.run(&["init", "plans/kansas.yaml", "--env", "dev"]).expect(0);
    }

    /// Runs a command on the plan and the environment `dev`; gives the receipt's predicate.
    #[track_caller]
    pub(crate) fn receipt(&self, code: i32, args: &[&str]) -> Value {
        let args = [&args[..1], &["plans/kansas.yaml", "--env", "dev"], &args[1..]].concat();
        self.json(&args).expect(code).json()["predicate"].clone()
    }

    /// The newest run that the journal knows.
    pub(crate) fn newest_run(&self) -> Option<String> {
        let runs = self.json(&["runs"]).expect(0).json();
        runs["runs"][0]["run_id"].as_str().map(str::to_owned)
    }
}

impl Drop for Bench {
    /// Stops the private clusters that a test left up.
    fn drop(&mut self) {
        let mut pids = Vec::new();
        find(self.dir.path(), "postmaster.pid", &mut pids);
        for file in pids {
            let text = fs::read_to_string(&file).unwrap_or_default();
            let pid = text.lines().next().and_then(|pid| pid.trim().parse().ok());
            if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
            }
        }
    }
}

/// An example of the package, which cargo builds along with the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_coppice")).parent().unwrap();
    let program = beside.join("examples").join(name);
    assert!(program.is_file(), "{} is not built: `cargo build --examples`", program.display());
    program
}

/// The folder of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// Files by their key.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Every file below a folder.
pub(crate) fn files(root: &Path) -> Files {
    fn walk(dir: &Path, root: &Path, into: &mut Files) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, into);
            } else {
                let key = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                into.insert(key, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = Files::new();
    walk(root, root, &mut found);
    found
}

/// Every file of that name below a folder that can be entered.
pub(crate) fn find(folder: &Path, name: &str, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            find(&path, name, into);
        } else if path.file_name().is_some_and(|found| found == name) {
            into.push(path);
        }
    }
}

/// Every file below a folder that can be entered, sorted.
pub(crate) fn find_all(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            files.extend(find_all(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Runs a Python program with the independent readers that set-up installs; gives its JSON.
pub(crate) fn python(program: &str, args: &[&str]) -> Value {
    let interpreter = interpreter();
    let output = Command::new(&interpreter).arg("-c").arg(program).args(args).output();
    let output =
        output.unwrap_or_else(|e| panic!("{}: {e}; run `make setup`", interpreter.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn interpreter() -> PathBuf {
    repository().join("target/venv/bin/python")
}
