//! Command jobs: what another program is run for, and with what.

use std::collections::BTreeSet;

use super::places;
use super::variables::{self, WHO};
use crate::model::{CommandSink, OnBadRow, OptionValue, Period, Sink, beside};
use crate::plan::load::LoadedJob;
use crate::plan::source::Source;
use crate::plan::{Expect, Input, Problem, RecoveryPlan};

/// Folders of a program's inputs that are not those of a dataset.
const TAKEN: [&str; 2] = ["catalog", "projections"];

/// What is wrong in a command job beyond its form; `plan` says how long a step may take, and which
/// secrets open targets.
pub(super) fn program(job: &LoadedJob, plan: Option<&(RecoveryPlan, Source)>) -> Vec<Problem> {
    let Sink::Command(sink) = &job.job.spec.sink else { return Vec::new() };
    let mut check = Check { job, problems: Vec::new() };
    check.programs(sink);
    check.files(sink);
    check.outputs(sink);
    check.variables(sink);
    check.rows();
    if let Some((plan, _)) = plan {
        check.limits(sink, plan);
        check.secrets(sink, plan);
    }
    check.problems
}

struct Check<'a> {
    job: &'a LoadedJob,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn say(&mut self, path: &str, message: impl Into<String>, hint: &str) {
        let problem = self.job.source.problem(path, message);
        self.problems.push(problem.hint(hint.to_owned()));
    }

    fn of_sink(&mut self, path: &str, message: impl Into<String>, hint: &str) {
        self.say(&format!("spec/sink/command/{path}"), message, hint);
    }

    fn programs(&mut self, sink: &CommandSink) {
        if sink.command_profile_version == 0 {
            self.of_sink("command_profile_version", "must be at least 1", "begin with 1");
        }
        self.program("program", &sink.program);
        if let Some(check) = &sink.check {
            self.program("check/program", &check.program);
        }
    }

    fn program(&mut self, at: &str, program: &str) {
        let form = "write `./NAME` for a file beside the job, or a name that is found in PATH";
        if program.trim().is_empty() {
            self.of_sink(at, "expected a program", form);
        } else if program.starts_with('/') {
            let hint = "have PATH lead to it and write its name, or put a script beside the job \
                        and write `./NAME`";
            let message = format!("`{program}` holds on this machine alone");
            self.of_sink(at, message, hint);
        } else if program.contains('/') && beside(program).is_none() {
            self.of_sink(at, format!("`{program}` does not lie beside the job"), form);
        } else if program.contains(char::is_whitespace) && !program.contains('/') {
            let hint = "arguments go into `args`; no shell is asked";
            self.of_sink(at, format!("`{program}` is no name of a program"), hint);
        }
    }

    fn files(&mut self, sink: &CommandSink) {
        let mut names = BTreeSet::new();
        for (index, file) in sink.files.iter().enumerate() {
            let at = format!("files/{index}");
            match beside(file) {
                None => {
                    let hint = "name files in the job's folder, or in one below it";
                    self.of_sink(&at, format!("`{file}` does not lie beside the job"), hint);
                }
                Some(name) if !names.insert(name.clone()) => {
                    self.of_sink(&at, format!("a second file `{name}`"), "take it out");
                }
                Some(_) => {}
            }
        }
    }

    fn outputs(&mut self, sink: &CommandSink) {
        if sink.outputs.is_empty() {
            let hint = "name every file that it writes into COPPICE_OUTPUT";
            self.of_sink("outputs", "a command makes at least one file", hint);
        }
        let mut names = BTreeSet::new();
        for (index, name) in sink.outputs.iter().enumerate() {
            let at = format!("outputs/{index}");
            let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if name.is_empty() || name.len() > 200 || !name.chars().all(good) {
                let hint = "use letters, digits, `.`, `_` and `-`; outputs are flat, without \
                            folders";
                self.of_sink(&at, format!("`{name}` is no name of an output"), hint);
            } else if name.starts_with('.') {
                let hint = "names that begin with a dot are for the program's own use";
                self.of_sink(&at, format!("`{name}` is no name of an output"), hint);
            } else if !names.insert(name.to_lowercase()) {
                let hint = "stores and disks may not tell them apart; give each its own name";
                self.of_sink(&at, format!("a second output `{name}`"), hint);
            }
        }
    }

    fn variables(&mut self, sink: &CommandSink) {
        for (name, value) in &sink.env {
            let at = format!("env/{}", super::environments::escaped(name));
            let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
            let good = name.starts_with(letter);
            if !good || !name.chars().all(|c| letter(c) || c.is_ascii_digit()) {
                let hint = "use letters, digits and `_`, not a digit first";
                self.of_sink(&at, format!("`{name}` is no variable"), hint);
            } else if name.starts_with("COPPICE_") || WHO.contains(&name.as_str()) {
                self.of_sink(&at, format!("`{name}` is set by Coppice"), "use another name");
            }
            if let Some((message, hint)) = variables::wrong(name, value) {
                self.of_sink(&at, message, hint);
            }
        }
    }

    /// What speaks of rows is not for files.
    fn rows(&mut self) {
        let spec = &self.job.job.spec;
        let allowed = Expect { allow_empty: spec.expect.allow_empty, ..Expect::default() };
        if spec.expect != allowed {
            let hint = "of a command only `allow_empty` is asked; let its `check` judge the rest";
            self.say("spec/expect", "a command gives files, not rows", hint);
        }
        if spec.on_bad_row != OnBadRow::Refuse {
            let hint = "a command gets the files as they are, and judges their rows itself";
            self.say("spec/on_bad_row", "a command reads no rows", hint);
        }
        for (index, input) in spec.inputs.iter().enumerate() {
            let Input::Dataset { dataset, alias, read, .. } = input else { continue };
            if !read.is_plain() {
                let hint = "a command gets the files as they are";
                self.say(&format!("spec/inputs/{index}/read"), "is for queries", hint);
            }
            let name = alias.as_ref().unwrap_or(dataset);
            if TAKEN.contains(&name.as_str()) {
                let hint = "that folder holds inputs of another kind; give it `as: NAME`";
                self.say(&format!("spec/inputs/{index}"), format!("`{name}` is taken"), hint);
            }
        }
    }

    fn limits(&mut self, sink: &CommandSink, plan: &RecoveryPlan) {
        let most = plan.spec.limits.step_timeout_seconds;
        let check = sink.check.as_ref().and_then(|check| check.timeout.as_ref());
        for (at, timeout) in [("timeout", sink.timeout.as_ref()), ("check/timeout", check)] {
            if timeout.map_or(0, |timeout: &Period| timeout.length().as_secs()) > most {
                let message = format!("is longer than a step may take, {most} s");
                let hint = "raise limits.step_timeout_seconds in the plan";
                self.of_sink(at, message, hint);
            }
        }
    }

    /// A rehearsal never resolves what opens the environment's own targets.
    fn secrets(&mut self, sink: &CommandSink, plan: &RecoveryPlan) {
        if !sink.rehearsable {
            return;
        }
        for (name, value) in &sink.env {
            let OptionValue::Secret { secret } = value else { continue };
            if let Some(target) = places::opens(plan, secret) {
                let message = format!("`{name}` opens a target: it is the {target}");
                let hint = "a rehearsal must not reach an environment's own targets: give it \
                            another secret, or leave `rehearsable` out";
                let at = format!("env/{}", super::environments::escaped(name));
                self.of_sink(&at, message, hint);
            }
        }
    }
}
