use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::variables::{Variables, variables};
use crate::digest::Digest;
use crate::model::{Code, Failure, JobId, OptionValue, beside};
use crate::plan::PinnedFile;
use crate::process::Program;
use crate::recovery::World;

/// Folders in which programs work are named by this.
const PREFIX: &str = "program-";

/// A private folder for one run of a program; gone when dropped.
pub(super) struct Room {
    folder: TempDir,
    job: JobId,
}

impl Room {
    /// Makes an empty one among what the run does not keep.
    pub(super) fn new(world: &World, job: &JobId) -> Result<Self, Failure> {
        let spill = world.spill()?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&spill);
        let room =
            Self { folder: folder.map_err(|error| failed(&spill, &error))?, job: job.clone() };
        for folder in [room.inputs(), room.output(), room.work()] {
            fs::create_dir(&folder).map_err(|error| failed(&folder, &error))?;
        }
        Ok(room)
    }

    /// Where the program finds its inputs.
    pub(super) fn inputs(&self) -> PathBuf {
        self.folder.path().join("inputs")
    }

    /// Where it writes its outputs.
    pub(super) fn output(&self) -> PathBuf {
        self.folder.path().join("output")
    }

    /// Where it runs.
    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Brings the files of a job along, as they were when the run was planned, or not at all.
    pub(super) fn bring(
        &self,
        files: &BTreeMap<String, PinnedFile>,
        base: &Path,
    ) -> Result<(), Failure> {
        for (name, file) in files {
            let from = base.join(&file.path);
            let bytes = fs::read(&from).map_err(|error| failed(&from, &error))?;
            if Digest::blake3(&bytes) != file.digest {
                let message = format!("{} is not what it was when the run was planned", file.path);
                return Err(Failure::permanent(Code::PlanInvalid, message)
                    .hint("put it back and resume, or begin a new run with it as it is")
                    .plain());
            }
            put(&self.work().join(name), &bytes).map_err(|error| failed(&from, &error))?;
        }
        Ok(())
    }

    /// The program that runs here; it sees what is declared, and no more.
    pub(super) fn program(&self, declared: &Declared<'_>, base: &Path) -> Result<Program, Failure> {
        let (mut env, secrets): Variables = variables(declared.env, base)?;
        for (name, value) in [("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC")] {
            env.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        let folders = [
            ("HOME", self.work()),
            ("TMPDIR", self.work()),
            ("COPPICE_INPUTS", self.inputs()),
            ("COPPICE_OUTPUT", self.output()),
        ];
        env.extend(folders.map(|(name, path)| (name.to_owned(), path.display().to_string())));
        env.insert("COPPICE_JOB".to_owned(), self.job.to_string());
        let own = beside(declared.program).filter(|_| declared.program.contains('/'));
        Ok(Program {
            name: format!("{} of {}", declared.program, self.job),
            file: own.map_or_else(|| declared.program.into(), |name| self.work().join(name)),
            args: declared.args.to_vec(),
            env,
            secrets,
            folder: self.work(),
            timeout: declared.limit,
        })
    }
}

/// What a job declares of a program.
pub(super) struct Declared<'a> {
    pub(super) program: &'a str,
    pub(super) args: &'a [String],
    pub(super) env: &'a BTreeMap<String, OptionValue>,
    pub(super) limit: std::time::Duration,
}

/// Writes a copy that may be read and run by its owner.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes)?;
    fs::set_permissions(path, Permissions::from_mode(0o500))
}

/// Makes a copy read-only.
pub(super) fn seal(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o400))
}

/// A file or folder that could not be used.
pub(super) fn failed(path: &Path, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::StorageFull => Code::NoSpace,
        _ => Code::StepFailed,
    };
    Failure::permanent(code, format!("failed to use {}", path.display())).because(error)
}
