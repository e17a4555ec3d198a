//! Is a document sound beyond its form? Each check gives all problems that it finds, with places.

mod around;
mod commands;
mod environments;
mod jobs;
mod places;
mod programs;
mod reading;
mod sinks;
mod variables;

use std::collections::BTreeMap;

pub(super) use environments::plan;
pub(super) use jobs::jobs;

use super::LoadedJob;
use super::hint::did_you_mean;
use crate::model::{JobId, Sink};

/// What to do about an unknown name: the nearest known one, else all of them; `none`, where nothing
/// is known.
fn known_or<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
    none: &str,
) -> String {
    did_you_mean(given, known).unwrap_or_else(|| none.to_owned())
}

/// What to do about a job that fills no table, where one is asked for that does.
fn name_a_table(given: &JobId, jobs: &BTreeMap<JobId, LoadedJob>) -> String {
    let fills = jobs.iter().filter(|(_, job)| matches!(job.job.spec.sink, Sink::Postgis(_)));
    let known: Vec<_> = fills.map(|(id, _)| id.as_str()).collect();
    format!("name a job that does; {}", known_or(given.as_str(), known, "there is none yet"))
}
