//! What a command job fills, as its document says it, and what came of a run of its program.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OptionValue, Period};
use crate::digest::Digest;

/// How long a program may take where its job does not say.
const LIMIT: Duration = Duration::from_mins(10);

/// Flat files that another program makes out of the job's inputs.
///
/// It runs in a process group of its own, in an empty folder with copies of the files that it
/// brings along. It sees `PATH` and what is declared here; `COPPICE_INPUTS` names the folder with
/// its inputs, `COPPICE_OUTPUT` the one that it writes into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandSink {
    /// Raised by hand when the same program and inputs should give other files: what is found in
    /// `PATH` counts by its name alone.
    pub command_profile_version: u32,
    /// The program: `./NAME` beside the job, which counts by its content; or a name that is
    /// looked for in `PATH`.
    #[schemars(example = &"./report.sh", example = &"python3")]
    pub program: String,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Its variables: a value, or a reference to a secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, OptionValue>,
    /// Files beside the job that it needs, such as the script of an interpreter. They count by
    /// their content and lie in the folder that it runs in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// The files that it writes into `COPPICE_OUTPUT`: all of them, and no other.
    pub outputs: Vec<String>,
    /// How long it may take; then it is killed with all that it started. By default `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Period>,
    /// What is run on the files once they are published and read back, and must end with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckProgram>,
    /// Whether a rehearsal runs it. By default it does not: the job, and what is made of it, is
    /// not covered then.
    #[serde(default)]
    pub rehearsable: bool,
}

/// A program that judges what was made: it reads `COPPICE_OUTPUT` and ends with 0 if that is good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckProgram {
    /// The program: `./NAME` beside the job, or a name that is looked for in `PATH`.
    pub program: String,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// How long it may take. By default `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Period>,
}

impl CommandSink {
    /// How long the program may take.
    pub fn limit(&self) -> Duration {
        self.timeout.as_ref().map_or(LIMIT, Period::length)
    }

    /// The files beside the job that count by their content, as paths below its folder.
    pub fn beside(&self) -> BTreeSet<String> {
        let programs = [Some(&self.program), self.check.as_ref().map(|check| &check.program)];
        let programs = programs.into_iter().flatten().filter(|program| program.contains('/'));
        programs.chain(&self.files).filter_map(|path| beside(path)).collect()
    }

    /// The same without what does not decide the files: how long it may take, and where it runs.
    #[must_use]
    pub fn decisive(&self) -> Self {
        let check = self.check.clone().map(|check| CheckProgram { timeout: None, ..check });
        Self { timeout: None, check, rehearsable: false, ..self.clone() }
    }
}

impl CheckProgram {
    /// How long it may take.
    pub fn limit(&self) -> Duration {
        self.timeout.as_ref().map_or(LIMIT, Period::length)
    }
}

/// A path below a folder without `.`; `None` where it leads out of it, or to nothing.
pub fn beside(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_str()?),
            _ => return None,
        }
    }
    (!parts.is_empty() && !path.ends_with('/')).then(|| parts.join("/"))
}

/// What a run of a job's program had in hand and made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandRun {
    /// The program.
    pub program: String,
    /// How long it took.
    pub took_ms: u64,
    /// What it was given.
    pub inputs: Vec<Given>,
    /// What it made.
    pub outputs: Vec<MadeFile>,
    /// What it printed; secrets are masked, and much is cut. Not in receipts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    /// What it said of errors. Not in receipts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
}

impl CommandRun {
    /// The same without what the program printed.
    #[must_use]
    pub fn without_words(self) -> Self {
        Self { stdout: String::new(), stderr: String::new(), ..self }
    }
}

/// An input of a program: files in a folder of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Given {
    /// The folder below `COPPICE_INPUTS`.
    pub name: String,
    /// What it is of: the dataset and its version, the job, or `catalogs`.
    pub of: String,
    /// What it is pinned by: the digest over the artifacts, the generation, or that over the
    /// documents.
    pub digest: Digest,
    /// How many files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A file that a program made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MadeFile {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The BLAKE3 of its bytes.
    pub digest: Digest,
    /// Where it is on this machine, while the run of the program is at hand.
    #[serde(skip)]
    #[schemars(skip)]
    pub path: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_below_the_job_is_beside_it() {
        for (path, name) in [("./a.sh", "a.sh"), ("lib/./b", "lib/b"), ("a.sh", "a.sh")] {
            assert_eq!(beside(path).as_deref(), Some(name));
        }
        for path in ["", ".", "./", "/bin/sh", "../a.sh", "a/../../b", "a/"] {
            assert_eq!(beside(path), None, "{path}");
        }
    }
}
