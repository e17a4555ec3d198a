use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

use super::{around, known_or, programs, reading, sinks};
use crate::model::{JobId, Sink};
use crate::plan::load::LoadedJob;
use crate::plan::source::Source;
use crate::plan::{Input, Problem, RecoveryPlan};

/// What to do where there is no job at all.
const NO_JOBS: &str = "put one there, a file NAME.yaml with `kind: RebuildJob`; \
                       `coppice schema rebuild-job` prints its form";

/// Checks the jobs alone and among each other; gives those that belong to the plan, by name.
/// Where not all could be read (`complete` is false), one that is missing may be among the rest.
pub(in crate::plan) fn jobs(
    plan: Option<&(RecoveryPlan, Source)>,
    all: Vec<LoadedJob>,
    complete: bool,
    problems: &mut Vec<Problem>,
) -> BTreeMap<JobId, LoadedJob> {
    let mut jobs: BTreeMap<JobId, LoadedJob> = BTreeMap::new();
    for job in all {
        let name = &job.job.metadata.name;
        let id = match name.parse::<JobId>() {
            Ok(id) => id,
            Err(error) => {
                let kind = job.job.spec.sink.kind();
                let hint = format!("write `{kind}/` and a name, such as `{kind}/places`");
                let problem = job.source.problem("metadata/name", error.to_string());
                problems.push(problem.hint(hint));
                continue;
            }
        };
        if let Some(first) = jobs.get(&id) {
            let message = format!("a second job named `{id}`");
            let hint = format!("the first is in {}", first.file);
            problems.push(job.source.problem("metadata/name", message).hint(Some(hint)));
            continue;
        }
        jobs.insert(id, job);
    }
    for (id, job) in &jobs {
        let mut check = Check { id, job, jobs: &jobs, complete, problems: Vec::new() };
        check.form();
        check.inputs();
        problems.extend(check.problems);
        problems.extend(sinks::sink(id, job, &jobs));
        problems.extend(around::around(job, &jobs, complete));
        problems.extend(reading::reading(job));
        problems.extend(programs::program(job, plan));
    }
    problems.extend(cycles(&jobs));
    problems.extend(targets(&jobs));
    match plan {
        Some((plan, source)) => chosen(plan, source, jobs, complete, problems),
        None => jobs,
    }
}

/// What is wrong in one job apart from its sink.
struct Check<'a> {
    id: &'a JobId,
    job: &'a LoadedJob,
    jobs: &'a BTreeMap<JobId, LoadedJob>,
    complete: bool,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn say(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        let hint: String = hint.into();
        self.problems.push(self.job.source.problem(path, message).hint(hint));
    }

    fn sink(&self) -> &Sink {
        &self.job.job.spec.sink
    }

    fn form(&mut self) {
        let spec = &self.job.job.spec;
        let kind = spec.sink.kind();
        if self.id.kind() != kind {
            let message = format!("the name says `{}`, the sink `{kind}`", self.id.kind());
            let hint = format!("call it `{kind}/{}`", self.id.name());
            self.say("metadata/name", message, hint);
        }
        match &spec.query {
            Some(_) if !spec.sink.has_query() => {
                let (message, hint) = if matches!(spec.sink, Sink::Command(_)) {
                    ("a command has no query", "its `program` reads the inputs itself")
                } else {
                    let hint = "tiles are made out of the tables that `layers` name";
                    ("tiles have no query", hint)
                };
                self.say("spec/query", message, hint);
            }
            None if spec.sink.has_query() => {
                let hint = "give SQL, or the name of a `.sql` file beside the job";
                self.say("spec", "field `query` is missing", hint);
            }
            _ if self.job.sql.as_ref().is_some_and(|sql| sql.trim().is_empty()) => {
                let hint = "write a SELECT over the inputs, here or in the `.sql` file";
                self.say("spec/query", "the query is empty", hint);
            }
            _ => {}
        }
        let rows = spec.expect.min_rows.zip(spec.expect.max_rows);
        if let Some((min, _)) = rows.filter(|(min, max)| min > max) {
            let hint = format!("write at least {min}, or lower `min_rows`");
            self.say("spec/expect/max_rows", "is less than `min_rows`", hint);
        }
    }

    fn inputs(&mut self) {
        let inputs = &self.job.job.spec.inputs;
        if inputs.is_empty() {
            let hint = match self.sink() {
                Sink::Tiles(_) => "name a job whose table it shows: `- projection: postgis/places`",
                _ => "name what it reads, such as `- dataset: places`",
            };
            self.say("spec/inputs", "a job has at least one input", hint);
        }
        let mut names = BTreeSet::new();
        for (index, input) in inputs.iter().enumerate() {
            let at = format!("spec/inputs/{index}");
            let name = match input {
                Input::Dataset { dataset, alias, .. } => alias.as_ref().unwrap_or(dataset).clone(),
                Input::Projection { projection } => projection.to_string(),
                Input::Catalog { .. } => "catalog".to_owned(),
            };
            if !names.insert(name.clone()) {
                let message = format!("a second input named `{name}`");
                self.say(&at, message, "give it `as: NAME`");
            }
            match input {
                Input::Dataset { alias, .. } => self.table(&at, &name, alias.is_some()),
                Input::Projection { projection } => self.projection(&at, projection),
                Input::Catalog { .. } => {}
            }
        }
    }

    fn table(&mut self, at: &str, name: &str, aliased: bool) {
        if matches!(self.sink(), Sink::Tiles(_)) {
            let hint = "name the postgis job that holds the dataset";
            self.say(at, "tiles are made out of projections", hint);
        } else if !sinks::is_identifier(name) || name.starts_with("catalog_") {
            let field = if aliased { "as" } else { "dataset" };
            let hint = "give it `as: NAME` with a-z, 0-9 and `_`; names that begin with \
                        `catalog_` are taken";
            let message = format!("`{name}` is no table name");
            self.say(&format!("{at}/{field}"), message, hint);
        }
    }

    fn projection(&mut self, at: &str, projection: &JobId) {
        let at = format!("{at}/projection");
        let Some(from) = self.jobs.get(projection) else {
            if self.complete {
                let known = self.jobs.keys().map(JobId::as_str);
                let hint = known_or(projection.as_str(), known, NO_JOBS);
                self.say(&at, format!("no job named `{projection}`"), hint);
            }
            return;
        };
        let is_table = matches!(from.job.spec.sink, Sink::Postgis(_));
        match self.sink() {
            Sink::Command(_) if is_table => {
                let hint = "name the datasets of that job, or a job that publishes files";
                let message = format!("`{projection}` fills a table, and a command reads files");
                self.say(&at, message, hint);
            }
            Sink::Tiles(_) | Sink::Command(_) => {}
            _ => {
                let hint = "a query reads datasets and catalogs; name the datasets";
                let message = "only tiles and commands are made out of projections";
                self.say(&at, message, hint);
            }
        }
    }
}

/// The jobs that a job reads, with the index of the input.
fn needs(job: &LoadedJob) -> impl Iterator<Item = (usize, &JobId)> {
    job.job.spec.inputs.iter().enumerate().filter_map(|(index, input)| match input {
        Input::Projection { projection } => Some((index, projection)),
        _ => None,
    })
}

/// Each cycle once, by its whole path, at the input that closes it.
fn cycles(jobs: &BTreeMap<JobId, LoadedJob>) -> Vec<Problem> {
    let mut graph = DiGraphMap::<&str, ()>::new();
    for (id, job) in jobs {
        for (_, needed) in needs(job) {
            graph.add_edge(id.as_str(), needed.as_str(), ());
        }
    }
    let mut problems = Vec::new();
    for component in tarjan_scc(&graph) {
        let Some(&start) = component.iter().min() else { continue };
        let looped = component.len() > 1 || graph.contains_edge(start, start);
        let job = jobs.iter().find(|(id, _)| id.as_str() == start);
        let (true, Some((_, job))) = (looped, job) else { continue };
        let path = path_back(&graph, &component, start);
        let next = path.get(1).copied().unwrap_or(start);
        let index = needs(job).find(|(_, id)| id.as_str() == next).map_or(0, |(index, _)| index);
        let message = format!("the job is derived from itself: {}", path.join(" -> "));
        let hint = format!("take one of these inputs away: {}", edges(jobs, &path).join(", "));
        let problem = job.source.problem(&format!("spec/inputs/{index}/projection"), message);
        problems.push(problem.hint(Some(hint)));
    }
    problems
}

/// Where each job of a path names the next.
fn edges(jobs: &BTreeMap<JobId, LoadedJob>, path: &[&str]) -> Vec<String> {
    let place = |pair: &[&str]| {
        let (_, job) = jobs.iter().find(|(id, _)| Some(&id.as_str()) == pair.first())?;
        let (index, _) = needs(job).find(|(_, id)| Some(&id.as_str()) == pair.last())?;
        Some(job.source.problem(&format!("spec/inputs/{index}/projection"), "").location())
    };
    path.windows(2).filter_map(place).collect()
}

/// The shortest way from `start` back to itself within a component.
fn path_back<'a>(
    graph: &DiGraphMap<&'a str, ()>,
    within: &[&'a str],
    start: &'a str,
) -> Vec<&'a str> {
    let mut paths = std::collections::VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(path) = paths.pop_front() {
        for next in graph.neighbors(path.last().copied().unwrap_or(start)) {
            let mut longer = path.clone();
            longer.push(next);
            if next == start {
                return longer;
            }
            if within.contains(&next) && seen.insert(next) {
                paths.push_back(longer);
            }
        }
    }
    vec![start]
}

fn targets(jobs: &BTreeMap<JobId, LoadedJob>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen: BTreeMap<(String, String), &JobId> = BTreeMap::new();
    for (id, job) in jobs {
        let Sink::Postgis(sink) = &job.job.spec.sink else { continue };
        let views = sink.views.keys().map(|view| (view, format!("views/{view}")));
        for (name, at) in [(&sink.table, "table".to_owned())].into_iter().chain(views) {
            let target = (sink.schema.clone(), name.clone());
            if let Some(first) = seen.get(&target).filter(|first| **first != id) {
                let message = format!("`{}.{name}` is also filled by `{first}`", sink.schema);
                let hint = "give it a table of its own, or make one job of the two".to_owned();
                let problem = job.source.problem(&format!("spec/sink/postgis/{at}"), message);
                problems.push(problem.hint(Some(hint)));
            } else {
                seen.insert(target, id);
            }
        }
    }
    problems
}

/// Leaves out what `spec.only` does not name; a job needs its dependencies.
fn chosen(
    plan: &RecoveryPlan,
    source: &Source,
    mut jobs: BTreeMap<JobId, LoadedJob>,
    complete: bool,
    problems: &mut Vec<Problem>,
) -> BTreeMap<JobId, LoadedJob> {
    let only = &plan.spec.only;
    if only.is_empty() {
        if jobs.is_empty() && complete {
            let problem = source.problem("spec/jobs", "there is no rebuild job in the folder");
            problems.push(problem.hint(NO_JOBS.to_owned()));
        }
        return jobs;
    }
    let named = |id: &JobId| only.iter().any(|name| name == id.as_str());
    for (index, name) in only.iter().enumerate() {
        let at = format!("spec/only/{index}");
        match jobs.iter().find(|(id, _)| id.as_str() == name) {
            None if !complete => {}
            None => {
                let hint = known_or(name, jobs.keys().map(JobId::as_str), NO_JOBS);
                problems.push(source.problem(&at, format!("no job named `{name}`")).hint(hint));
            }
            Some((id, job)) => {
                let needed = needs(job).map(|(_, needed)| needed).chain(around::references(job));
                problems.extend(needed.filter(|needed| !named(needed)).map(|needed| {
                    let message = format!("`{id}` needs `{needed}`, which is not in the list");
                    source.problem(&at, message).hint(Some(format!("add `{needed}`")))
                }));
            }
        }
    }
    jobs.retain(|id, _| named(id));
    jobs
}
