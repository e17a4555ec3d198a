//! What a job declares around its table: grants, comments, views, foreign keys.

use std::collections::{BTreeMap, BTreeSet};

use super::sinks::is_identifier;
use super::{known_or, name_a_table};
use crate::model::{ForeignKey, JobId, Sink, TableSink};
use crate::plan::Problem;
use crate::plan::load::LoadedJob;

/// PostgreSQL cuts longer names without a word.
const LONGEST_NAME: usize = 63;

/// What is wrong around a job's table. Where not all jobs could be read (`complete` is false), one
/// that is missing may be among the rest.
pub(super) fn around(
    job: &LoadedJob,
    jobs: &BTreeMap<JobId, LoadedJob>,
    complete: bool,
) -> Vec<Problem> {
    let Sink::Postgis(sink) = &job.job.spec.sink else { return Vec::new() };
    let mut check = Check { job, jobs, complete, problems: Vec::new() };
    check.grants(sink);
    check.views(sink);
    for (index, key) in sink.foreign_keys.iter().enumerate() {
        check.foreign_key(&format!("foreign_keys/{index}"), key, sink);
    }
    check.problems
}

/// The foreign keys of a job to other jobs, each with its index.
pub(super) fn references(job: &LoadedJob) -> impl Iterator<Item = &JobId> {
    let keys = match &job.job.spec.sink {
        Sink::Postgis(sink) => sink.foreign_keys.as_slice(),
        _ => &[],
    };
    keys.iter().map(|key| &key.references)
}

struct Check<'a> {
    job: &'a LoadedJob,
    jobs: &'a BTreeMap<JobId, LoadedJob>,
    complete: bool,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn say(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        let hint: String = hint.into();
        let path = format!("spec/sink/postgis/{path}");
        self.problems.push(self.job.source.problem(&path, message).hint(hint));
    }

    fn grants(&mut self, sink: &TableSink) {
        for (role, privileges) in &sink.grants {
            let at = format!("grants/{role}");
            if role.is_empty() || role.len() > LONGEST_NAME || role.contains('\0') {
                let hint = "a role has a name of at most 63 bytes";
                self.say("grants", format!("`{role}` is no name of a role"), hint);
            } else if privileges.is_empty() {
                self.say(&at, "grants nothing", "write `[select]`");
            }
            let distinct: BTreeSet<_> = privileges.iter().collect();
            if distinct.len() < privileges.len() {
                let names: Vec<_> = distinct.iter().map(|one| one.name().to_lowercase()).collect();
                let hint = format!("write `[{}]`", names.join(", "));
                self.say(&at, "names a privilege twice", hint);
            }
        }
    }

    fn views(&mut self, sink: &TableSink) {
        for (name, query) in &sink.views {
            let at = format!("views/{name}");
            if !is_identifier(name) {
                let hint = "use a-z, 0-9 and `_`, not a digit first, at most 63 bytes";
                self.say(&at, format!("`{name}` is no identifier"), hint);
            }
            if *name == sink.table {
                let hint = "that is the live table; give the view another name";
                self.say(&at, format!("`{name}` is taken"), hint);
            }
            let first = query.split_whitespace().next().unwrap_or_default();
            if !["select", "with"].contains(&first.to_lowercase().as_str()) {
                let live = format!("{}.{}", sink.schema, sink.table);
                let hint = format!("write one query over the live table: SELECT ... FROM {live}");
                self.say(&at, "a view is a SELECT", hint);
            }
        }
    }

    fn foreign_key(&mut self, at: &str, key: &ForeignKey, sink: &TableSink) {
        let mut known = !key.columns.is_empty();
        if key.columns.is_empty() {
            let hint = "name what refers to the other table, such as `columns: [county_id]`";
            self.say(&format!("{at}/columns"), "a foreign key has at least one column", hint);
        }
        for (index, name) in key.columns.iter().enumerate() {
            known &= self.column(&format!("{at}/columns/{index}"), name, sink);
        }
        let path = format!("{at}/references");
        let Some(other) = self.jobs.get(&key.references) else {
            if self.complete {
                let jobs = self.jobs.keys().map(JobId::as_str);
                let hint = known_or(key.references.as_str(), jobs, "there is none yet");
                self.say(&path, format!("no job named `{}`", key.references), hint);
            }
            return;
        };
        let Sink::Postgis(other) = &other.job.spec.sink else {
            let message = format!("`{}` fills no table", key.references);
            self.say(&path, message, name_a_table(&key.references, self.jobs));
            return;
        };
        for (index, name) in key.to.iter().enumerate() {
            known &= self.column(&format!("{at}/to/{index}"), name, other);
        }
        if known {
            self.fits(at, key, sink, other);
        }
    }

    fn fits(&mut self, at: &str, key: &ForeignKey, sink: &TableSink, other: &TableSink) {
        let to = if key.to.is_empty() { &other.primary_key } else { &key.to };
        let there = format!("{}.{}", other.schema, other.table);
        let wanted: BTreeSet<_> = to.iter().collect();
        let unique = other.indexes.iter().filter(|index| index.unique);
        let mut keys = unique.map(|index| &index.columns).chain([&other.primary_key]);
        if to.is_empty() || !keys.any(|columns| columns.iter().collect::<BTreeSet<_>>() == wanted) {
            let hint = "name its primary key, or the columns of an index with `unique: true`";
            let message = format!("these columns are no key of {there}");
            return self.say(&format!("{at}/references"), message, hint);
        }
        if to.len() != key.columns.len() {
            let message = format!("{} columns refer to {} of {there}", key.columns.len(), to.len());
            let hint = format!("name one column for each of {}", to.join(", "));
            return self.say(&format!("{at}/columns"), message, hint);
        }
        let type_of = |table: &TableSink, name: &String| {
            table.columns.iter().find(|column| column.name == *name).map(|column| column.data_type)
        };
        for (index, (ours, theirs)) in key.columns.iter().zip(to).enumerate() {
            if type_of(sink, ours) != type_of(other, theirs) {
                let message = format!("`{ours}` is of another type than {there}.{theirs}");
                let hint = "let the query cast it, and declare the same type";
                self.say(&format!("{at}/columns/{index}"), message, hint);
            }
        }
    }

    fn column(&mut self, path: &str, name: &str, table: &TableSink) -> bool {
        let there = table.columns.iter().any(|column| column.name == name);
        if !there {
            let known = table.columns.iter().map(|column| column.name.as_str());
            let hint = known_or(name, known, "declare it under `columns`");
            self.say(path, format!("no column `{name}` in {}.{}", table.schema, table.table), hint);
        }
        there
    }
}
