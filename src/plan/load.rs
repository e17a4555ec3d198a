use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::hint::did_you_mean;
use super::shape::Shape;
use super::source::{self, Source};
use super::{Environment, Problem, RebuildJob, RecoveryPlan, beside, check, paths};
use crate::model::JobId;

/// Bytes that one plan or job file may have; they are read into memory.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// A plan with everything that it names, valid as far as can be said without looking outside.
#[derive(Clone)]
pub(crate) struct LoadedPlan {
    /// The plan.
    pub(crate) plan: RecoveryPlan,
    /// The plan's name in `files`.
    pub(crate) file: String,
    /// The jobs that belong to the plan, by name.
    pub(crate) jobs: BTreeMap<JobId, LoadedJob>,
    /// Every file, by its path below the folder that holds plan and jobs: sealed into snapshots
    /// and digested into the plan's digest.
    pub(crate) files: BTreeMap<String, Bytes>,
    pub(super) source: Source,
}

/// A rebuild job with its query.
#[derive(Clone)]
pub(crate) struct LoadedJob {
    /// The job.
    pub(crate) job: RebuildJob,
    /// Its SQL, unless the sink has none.
    pub(crate) sql: Option<String>,
    /// Its name in `files`.
    pub(crate) file: String,
    /// The files that a command job brings along, by their names beside it: each with its name in
    /// `files`.
    pub(crate) beside: BTreeMap<String, String>,
    pub(super) source: Source,
}

impl fmt::Debug for LoadedPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs: Vec<_> = self.jobs.keys().map(JobId::as_str).collect();
        f.debug_struct("LoadedPlan")
            .field("file", &self.file)
            .field("jobs", &jobs)
            .finish_non_exhaustive()
    }
}

impl LoadedPlan {
    /// The environment of that name.
    pub(crate) fn environment(&self, name: &str) -> Result<&Environment, Problem> {
        let known = &self.plan.spec.environments;
        known.get(name).ok_or_else(|| {
            let hint = did_you_mean(name, known.keys().map(String::as_str));
            let message = format!("the plan has no environment `{name}`");
            self.source.problem_of_key("spec/environments", message).hint(hint)
        })
    }
}

/// Reads a plan and every rebuild job below its `spec.jobs`; gives all problems at once.
pub(crate) fn load(path: &Path) -> Result<LoadedPlan, Vec<Problem>> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let absolute = paths::normal(&absolute);
    let base = absolute.parent().unwrap_or(&absolute).to_owned();
    let shown = path.display().to_string();
    let bytes = read_file(&absolute, &shown).map_err(|p| vec![p])?;
    // Where the jobs are is only known once the plan is read.
    let parsed = Parsed::<RecoveryPlan>::of(&shown, &bytes);
    let Some(folder) = parsed.jobs(&bytes) else { return Err(parsed.problems) };
    let jobs = paths::normal(&base.join(&folder));
    if !jobs.is_dir() {
        let message = format!("no folder `{folder}`");
        let problem = match &parsed.source {
            Some(source) => source.problem("spec/jobs", message),
            None => Problem::of_file(shown, message),
        };
        let hint = "the folder is looked for at";
        let hint = format!("{hint} {}; it is relative to the plan", jobs.display());
        let mut problems = parsed.problems;
        problems.push(problem.hint(Some(hint)));
        return Err(problems);
    }
    let root = paths::common(&base, &jobs);
    let mut files = BTreeMap::from([(paths::below(&root, &absolute), bytes)]);
    let mut unread = Vec::new();
    walk(&jobs, &root, &mut files, &mut unread);
    let here = std::env::current_dir().unwrap_or_default();
    let shown = root.strip_prefix(&here).unwrap_or(&root);
    let fetch = |name: &str| read_beside(&root, shown, name);
    read_shown(files, &paths::below(&root, &absolute), &root, shown, unread, &fetch)
}

/// Makes a plan of files that are in memory already, such as those that a snapshot sealed. `root`
/// is the folder that they would lie below.
#[cfg(test)]
pub(crate) fn read(
    files: BTreeMap<String, Bytes>,
    file: &str,
    root: &Path,
) -> Result<LoadedPlan, Vec<Problem>> {
    read_shown(files, file, root, Path::new(""), Vec::new(), &|_| None)
}

/// `shown` stands before file names in problems, so that they can be opened from where we are.
/// `unread` are the problems of files that could not be read; `fetch` reads those that jobs name.
fn read_shown(
    mut files: BTreeMap<String, Bytes>,
    file: &str,
    root: &Path,
    shown: &Path,
    unread: Vec<Problem>,
    fetch: beside::Fetch<'_>,
) -> Result<LoadedPlan, Vec<Problem>> {
    let label = |name: &str| shown.join(name).display().to_string();
    let Some(bytes) = files.get(file) else {
        let problem = Problem::of_file(label(file), "the plan is not among the files");
        return Err(vec![problem.hint("name one of those that are there".to_owned())]);
    };
    let parsed = Parsed::<RecoveryPlan>::of(&label(file), bytes);
    let base = paths::normal(&root.join(file));
    let base = base.parent().unwrap_or(root).to_owned();
    let Some(folder) = parsed.jobs(bytes) else { return Err(parsed.problems) };
    let folder = paths::below(root, &paths::normal(&base.join(folder)));
    let mut complete = unread.is_empty();
    let mut problems = unread;
    problems.extend(parsed.problems);
    let plan = parsed.value.zip(parsed.source);
    if let Some((plan, source)) = &plan {
        problems.extend(check::plan(plan, source, &base));
    }
    let mut all = Vec::new();
    let shape = Shape::of::<RebuildJob>();
    let documents: Vec<_> = files
        .iter()
        .filter(|(name, _)| is_job(name, &folder, file))
        .map(|(name, bytes)| (name.clone(), bytes.clone()))
        .collect();
    for (name, bytes) in documents {
        let parsed = Parsed::<RebuildJob>::as_shape(&shape, "rebuild-job", &label(&name), &bytes);
        problems.extend(parsed.problems);
        let Some((job, source)) = parsed.value.zip(parsed.source) else {
            complete = false;
            continue;
        };
        let (sql, found) = query(&job, &name, &source, &files);
        problems.extend(found);
        let (beside, found) = beside::gather(&job, &name, &source, &mut files, fetch);
        problems.extend(found);
        all.push(LoadedJob { job, sql, file: name, beside, source });
    }
    let jobs = check::jobs(plan.as_ref(), all, complete, &mut problems);
    match plan {
        Some((plan, source)) if problems.is_empty() => {
            Ok(LoadedPlan { plan, file: file.to_owned(), jobs, files, source })
        }
        _ => Err(in_order(problems)),
    }
}

/// Problems by their place; what is a secret by its form needs no second word.
fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    problems.dedup_by(|b, a| {
        let same = (&a.file, a.line, a.column) == (&b.file, b.line, b.column);
        same && b.line > 0 && [&*a, &*b].iter().any(|one| one.message.ends_with("in plain text"))
    });
    problems
}

fn is_job(name: &str, folder: &str, plan: &str) -> bool {
    let inside = folder.is_empty() || name.starts_with(&format!("{folder}/"));
    inside && name != plan && (ends_with(name, ".yaml") || ends_with(name, ".yml"))
}

fn ends_with(name: &str, ending: &str) -> bool {
    name.to_lowercase().ends_with(ending)
}

/// A document as far as it could be read, and what is wrong with its form.
struct Parsed<T> {
    value: Option<T>,
    source: Option<Source>,
    problems: Vec<Problem>,
}

impl<T: DeserializeOwned> Parsed<T> {
    /// `kind` is what `coppice schema` calls such a document.
    fn as_shape(shape: &Shape, kind: &str, name: &str, bytes: &Bytes) -> Self {
        let none = |problem| Self { value: None, source: None, problems: vec![problem] };
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return none(Problem::of_bytes(name, bytes, &error)),
        };
        let source = match Source::parse(name, text) {
            Ok(source) => source,
            Err(problem) => return none(problem.or_hint(of_yaml)),
        };
        let mut problems = shape.problems(&source);
        let mut value = None;
        if problems.is_empty() {
            match serde_saphyr::from_str_with_options(text, source::options()) {
                Ok(read) => value = Some(read),
                Err(error) => problems.push(source.of_error(&error)),
            }
        }
        problems.extend(source.literal_secrets());
        let form = |_: &Problem| format!("`coppice schema {kind}` prints what each field holds");
        let problems = problems.into_iter().map(|problem| problem.or_hint(form)).collect();
        Self { value, source: Some(source), problems }
    }
}

impl Parsed<RecoveryPlan> {
    fn of(name: &str, bytes: &Bytes) -> Self {
        Self::as_shape(&Shape::of::<RecoveryPlan>(), "recovery-plan", name, bytes)
    }

    /// The folder of the jobs, also of a plan with errors: those of the jobs are told too.
    fn jobs(&self, bytes: &Bytes) -> Option<String> {
        if let Some(source) = &self.source {
            return source.text(&["spec", "jobs"]).map(str::to_owned);
        }
        let text = std::str::from_utf8(bytes).ok()?;
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix("jobs:"))?;
        let folder = line.split(" #").next()?.trim().trim_matches(['"', '\'']);
        (!folder.is_empty()).then(|| folder.to_owned())
    }
}

/// What to do about a text that is no YAML.
fn of_yaml(problem: &Problem) -> String {
    let hint = if problem.message.contains("duplicate") {
        "take one of the two away"
    } else {
        "look for an open bracket or quote, a missing `:` or a wrong indent, here or just above"
    };
    hint.to_owned()
}

/// The SQL of a job: written in place, or in the `.sql` file beside it.
fn query(
    job: &RebuildJob,
    file: &str,
    source: &Source,
    files: &BTreeMap<String, Bytes>,
) -> (Option<String>, Option<Problem>) {
    let Some(query) = &job.spec.query else { return (None, None) };
    if !ends_with(query, ".sql") || query.contains(char::is_whitespace) {
        return (Some(query.clone()), None);
    }
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let path = paths::normal(&Path::new(folder).join(query)).display().to_string();
    let problem = |message: String, hint: String| {
        (None, Some(source.problem("spec/query", message).hint(hint)))
    };
    match files.get(&path).map(|bytes| std::str::from_utf8(bytes)) {
        Some(Ok(sql)) => (Some(sql.to_owned()), None),
        Some(Err(error)) => {
            problem(format!("`{path}` is no UTF-8 text: {error}"), "save it as UTF-8".to_owned())
        }
        None => {
            let beside = files
                .keys()
                .filter_map(|name| {
                    name.strip_prefix(&format!("{folder}/"))
                        .filter(|n| ends_with(n, ".sql"))
                        .map(str::to_owned)
                })
                .collect::<Vec<_>>();
            let hint = did_you_mean(query, beside.iter().map(String::as_str));
            let none = || "put it there, or write the SQL in its place".to_owned();
            problem(format!("no file `{path}`"), hint.unwrap_or_else(none))
        }
    }
}

fn walk(
    folder: &Path,
    root: &Path,
    files: &mut BTreeMap<String, Bytes>,
    problems: &mut Vec<Problem>,
) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            problems.push(unreadable(&paths::below(root, folder), &error));
            return;
        }
    };
    for entry in entries {
        let (path, kind) = match entry.and_then(|e| Ok((e.path(), e.file_type()?))) {
            Ok(found) => found,
            Err(error) => {
                problems.push(unreadable(&paths::below(root, folder), &error));
                continue;
            }
        };
        let name = paths::below(root, &path);
        if kind.is_symlink() {
            // A folder that links to its parent has no end, and what lies elsewhere is not sealed.
            let problem = Problem::of_file(name, "is a link, and links are not followed");
            problems.push(problem.hint("put the file itself there".to_owned()));
        } else if kind.is_dir() {
            walk(&path, root, files, problems);
        } else if kind.is_file() && [".yaml", ".yml", ".sql"].iter().any(|e| ends_with(&name, e)) {
            match read_file(&path, &name) {
                Ok(bytes) => drop(files.insert(name, bytes)),
                Err(problem) => problems.push(problem),
            }
        }
    }
}

/// Reads a file that a job names, where there is one.
fn read_beside(root: &Path, shown: &Path, name: &str) -> Option<Result<Bytes, Problem>> {
    let (path, shown) = (root.join(name), shown.join(name).display().to_string());
    let kind = std::fs::symlink_metadata(&path).ok()?.file_type();
    if kind.is_symlink() {
        let problem = Problem::of_file(shown, "is a link, and links are not followed");
        return Some(Err(problem.hint("put the file itself there".to_owned())));
    }
    kind.is_file().then(|| read_file(&path, &shown))
}

fn read_file(path: &Path, name: &str) -> Result<Bytes, Problem> {
    let size = std::fs::metadata(path).map_err(|error| unreadable(name, &error))?.len();
    if size > MAX_FILE {
        let message = format!("is {size} bytes long; at most {MAX_FILE} are read");
        let hint = "a plan or job has some kilobytes; put what is none elsewhere";
        return Err(Problem::of_file(name, message).hint(hint.to_owned()));
    }
    std::fs::read(path).map(Bytes::from).map_err(|error| unreadable(name, &error))
}

fn unreadable(name: &str, error: &std::io::Error) -> Problem {
    let hint = "look whether it is there, and whether you may read it";
    Problem::of_file(name, format!("failed to read the file: {error}")).hint(hint.to_owned())
}
