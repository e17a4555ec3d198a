use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

use super::sinks;
use crate::model::{JobId, Sink};
use crate::plan::hint::did_you_mean;
use crate::plan::load::LoadedJob;
use crate::plan::source::Source;
use crate::plan::{Input, Problem, RecoveryPlan};

/// Checks the jobs alone and among each other; gives those that belong to the plan, by name.
pub(in crate::plan) fn jobs(
    plan: &RecoveryPlan,
    source: &Source,
    all: Vec<LoadedJob>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<JobId, LoadedJob> {
    let mut jobs: BTreeMap<JobId, LoadedJob> = BTreeMap::new();
    for job in all {
        let name = &job.job.metadata.name;
        let id = match name.parse::<JobId>() {
            Ok(id) => id,
            Err(error) => {
                problems.push(job.source.problem("metadata/name", error.to_string()));
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
        problems.extend(one(id, job, &jobs));
        problems.extend(sinks::sink(id, job, &jobs));
    }
    problems.extend(cycles(&jobs));
    problems.extend(targets(&jobs));
    chosen(plan, source, jobs, problems)
}

fn one(id: &JobId, job: &LoadedJob, jobs: &BTreeMap<JobId, LoadedJob>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let spec = &job.job.spec;
    let mut say = |path: &str, message: String, hint: Option<String>| {
        problems.push(job.source.problem(path, message).hint(hint));
    };
    let kind = sinks::kind(&spec.sink);
    if id.kind() != kind {
        let hint = format!("call it `{kind}/{}`", id.name());
        say(
            "metadata/name",
            format!("the name says `{}`, the sink `{kind}`", id.kind()),
            Some(hint),
        );
    }
    let tiles = matches!(spec.sink, Sink::Tiles(_));
    match &spec.query {
        Some(_) if tiles => {
            let hint = "tiles are made out of the tables that `layers` name".to_owned();
            say("spec/query", "tiles have no query".to_owned(), Some(hint));
        }
        None if !tiles => {
            let hint = "give SQL, or the name of a `.sql` file beside the job".to_owned();
            say("spec", "field `query` is missing".to_owned(), Some(hint));
        }
        _ if job.sql.as_ref().is_some_and(|sql| sql.trim().is_empty()) => {
            say("spec/query", "the query is empty".to_owned(), None);
        }
        _ => {}
    }
    if spec.inputs.is_empty() {
        say("spec/inputs", "a job has at least one input".to_owned(), None);
    }
    if spec.expect.min_rows.zip(spec.expect.max_rows).is_some_and(|(min, max)| min > max) {
        say("spec/expect/max_rows", "is less than `min_rows`".to_owned(), None);
    }
    let mut tables = BTreeSet::new();
    for (index, input) in spec.inputs.iter().enumerate() {
        let at = format!("spec/inputs/{index}");
        let name = match input {
            Input::Dataset { dataset, alias, .. } => alias.as_ref().unwrap_or(dataset).clone(),
            Input::Projection { projection } => projection.to_string(),
            Input::Catalog { .. } => "catalog".to_owned(),
        };
        if !tables.insert(name.clone()) {
            say(
                &at,
                format!("a second input named `{name}`"),
                Some("give it `as: NAME`".to_owned()),
            );
        }
        match input {
            Input::Dataset { alias, .. } => {
                let field = if alias.is_some() { "as" } else { "dataset" };
                if tiles {
                    let hint = "name the postgis job that holds the dataset".to_owned();
                    say(&at, "tiles are made out of projections".to_owned(), Some(hint));
                } else if !sinks::is_identifier(&name) || name.starts_with("catalog_") {
                    let hint = "give it `as: NAME` with letters, digits and `_`; names that \
                                begin with `catalog_` are taken";
                    say(
                        &format!("{at}/{field}"),
                        format!("`{name}` is no table name"),
                        Some(hint.to_owned()),
                    );
                }
            }
            Input::Projection { projection } => {
                let at = format!("{at}/projection");
                if !jobs.contains_key(projection) {
                    let hint = did_you_mean(&name, jobs.keys().map(JobId::as_str));
                    say(&at, format!("no job named `{projection}`"), hint);
                } else if !tiles {
                    let hint = "a query reads datasets and catalogs; name the datasets".to_owned();
                    say(&at, "only tiles are made out of projections".to_owned(), Some(hint));
                }
            }
            Input::Catalog { .. } => {}
        }
    }
    problems
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
        problems.push(job.source.problem(&format!("spec/inputs/{index}/projection"), message));
    }
    problems
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
        let target = (sink.schema.clone(), sink.table.clone());
        if let Some(first) = seen.get(&target) {
            let message = format!("`{}.{}` is also filled by `{first}`", sink.schema, sink.table);
            problems.push(job.source.problem("spec/sink/postgis/table", message));
        } else {
            seen.insert(target, id);
        }
    }
    problems
}

/// Leaves out what `spec.only` does not name; a job needs its dependencies.
fn chosen(
    plan: &RecoveryPlan,
    source: &Source,
    mut jobs: BTreeMap<JobId, LoadedJob>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<JobId, LoadedJob> {
    let only = &plan.spec.only;
    if only.is_empty() {
        if jobs.is_empty() {
            problems.push(source.problem("spec/jobs", "there is no rebuild job in the folder"));
        }
        return jobs;
    }
    let named = |id: &JobId| only.iter().any(|name| name == id.as_str());
    for (index, name) in only.iter().enumerate() {
        let at = format!("spec/only/{index}");
        match jobs.iter().find(|(id, _)| id.as_str() == name) {
            None => {
                let hint = did_you_mean(name, jobs.keys().map(JobId::as_str));
                problems.push(source.problem(&at, format!("no job named `{name}`")).hint(hint));
            }
            Some((id, job)) => {
                let missing = needs(job).filter(|(_, needed)| !named(needed));
                problems.extend(missing.map(|(_, needed)| {
                    let message = format!("`{id}` needs `{needed}`, which is not in the list");
                    source.problem(&at, message).hint(Some(format!("add `{needed}`")))
                }));
            }
        }
    }
    jobs.retain(|id, _| named(id));
    jobs
}
