//! The files that command jobs bring along: beside the job, and part of the plan.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;

use super::hint::did_you_mean;
use super::source::Source;
use super::{Problem, RebuildJob, paths};
use crate::model::{Sink, beside};

/// Reads a file by its path below the folder that holds plan and jobs; `None`: there is none.
pub(super) type Fetch<'a> = &'a dyn Fn(&str) -> Option<Result<Bytes, Problem>>;

/// The files of a command job by their names beside it, each with its path in `files`, where they
/// are added; and what is wrong with them.
pub(super) fn gather(
    job: &RebuildJob,
    file: &str,
    source: &Source,
    files: &mut BTreeMap<String, Bytes>,
    fetch: Fetch<'_>,
) -> (BTreeMap<String, String>, Vec<Problem>) {
    let Sink::Command(sink) = &job.spec.sink else { return (BTreeMap::new(), Vec::new()) };
    let mut seen = Seen { folder: folder_of(file), files, fetch };
    let (mut own, mut problems) = (BTreeMap::new(), Vec::new());
    for (at, name) in named(job) {
        let path = seen.path(&name);
        match seen.find(&path) {
            Some(Ok(())) => drop(own.insert(name, path)),
            Some(Err(problem)) => problems.push(problem),
            None => {
                let hint = did_you_mean(&name, seen.names().iter().map(String::as_str));
                problems.push(source.problem(&at, format!("no file `{path}`")).hint(hint));
            }
        }
    }
    // What is beside the job and was not said would not count.
    let programs = [
        ("program".to_owned(), Some(&sink.program)),
        ("check/program".to_owned(), sink.check.as_ref().map(|check| &check.program)),
    ];
    for (at, program) in programs {
        if let Some(name) = program.filter(|program| !program.contains('/'))
            && seen.lies_beside(name)
        {
            let message = format!("`{name}` lies beside the job, and is looked for in PATH");
            let hint = format!("write `./{name}`; else give the file another name");
            let at = format!("spec/sink/command/{at}");
            problems.push(source.problem(&at, message).hint(hint));
        }
    }
    let args = sink.args.iter().enumerate().map(|(index, arg)| (format!("args/{index}"), arg));
    let check = sink.check.iter().flat_map(|check| check.args.iter().enumerate());
    let check = check.map(|(index, arg)| (format!("check/args/{index}"), arg));
    for (at, arg) in args.chain(check) {
        if beside(arg).is_some_and(|name| !own.contains_key(&name)) && seen.lies_beside(arg) {
            let message = format!("`{arg}` lies beside the job, and is not among its `files`");
            let hint = "add it there: else the program does not find it, and its content does \
                        not count";
            let at = format!("spec/sink/command/{at}");
            problems.push(source.problem(&at, message).hint(hint.to_owned()));
        }
    }
    (own, problems)
}

/// Where the job names a file beside it, and the file. What is no such name is told elsewhere.
fn named(job: &RebuildJob) -> Vec<(String, String)> {
    let Sink::Command(sink) = &job.spec.sink else { return Vec::new() };
    let programs = [
        ("program".to_owned(), Some(&sink.program)),
        ("check/program".to_owned(), sink.check.as_ref().map(|check| &check.program)),
    ];
    let programs = programs.into_iter().filter_map(|(at, program)| Some((at, program?)));
    let programs = programs.filter(|(_, program)| program.contains('/'));
    let files = sink.files.iter().enumerate();
    let files = files.map(|(index, file)| (format!("files/{index}"), file));
    let all = programs.chain(files);
    all.filter_map(|(at, path)| Some((format!("spec/sink/command/{at}"), beside(path)?))).collect()
}

struct Seen<'a> {
    folder: &'a str,
    files: &'a mut BTreeMap<String, Bytes>,
    fetch: Fetch<'a>,
}

impl Seen<'_> {
    fn path(&self, name: &str) -> String {
        paths::normal(&Path::new(self.folder).join(name)).display().to_string()
    }

    fn find(&mut self, path: &str) -> Option<Result<(), Problem>> {
        if self.files.contains_key(path) {
            return Some(Ok(()));
        }
        Some((self.fetch)(path)?.map(|bytes| drop(self.files.insert(path.to_owned(), bytes))))
    }

    fn lies_beside(&self, name: &str) -> bool {
        let Some(name) = beside(name) else { return false };
        let path = self.path(&name);
        self.files.contains_key(&path) || (self.fetch)(&path).is_some()
    }

    /// What is known to lie beside the job.
    fn names(&self) -> Vec<String> {
        let prefix = format!("{}/", self.folder);
        self.files.keys().filter_map(|name| Some(name.strip_prefix(&prefix)?.to_owned())).collect()
    }
}

fn folder_of(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}
