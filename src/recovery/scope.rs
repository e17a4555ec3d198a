//! What a filtered restore can regrow: jobs all of whose transitive inputs are restored, or stand
//! at the target and are proven there.

use std::collections::{BTreeMap, BTreeSet};

use super::request::Request;
use super::survey::versions_in_place;
use super::world::World;
use crate::canonical::{SnapshotContent, VersionContent, ledger};
use crate::digest::Digest;
use crate::model::{Failure, JobId, Sink, Zone};
use crate::plan::{CatalogScope, Facts, Input, LoadedJob, LoadedPlan, VersionFacts};

/// The jobs that are left out, and why.
pub(super) type NotCovered = BTreeMap<JobId, String>;

/// The jobs that a rehearsal leaves out: commands that are not said to be rehearsable, and what is
/// made of them.
pub(super) fn not_rehearsable(plan: &LoadedPlan) -> NotCovered {
    let mut left_out = NotCovered::new();
    for (id, job) in &plan.jobs {
        if matches!(&job.job.spec.sink, Sink::Command(sink) if !sink.rehearsable) {
            let why = "its program is not run in a rehearsal: it is not `rehearsable`";
            left_out.insert(id.clone(), why.to_owned());
        }
    }
    loop {
        let more = plan.jobs.iter().filter(|(id, _)| !left_out.contains_key(*id));
        let more: Vec<_> =
            more.filter_map(|(id, job)| Some((id, made_of(job, &left_out)?))).collect();
        if more.is_empty() {
            return left_out;
        }
        let why = |of: &JobId| format!("it is made of {of}, which is not run in a rehearsal");
        left_out.extend(more.into_iter().map(|(id, of)| (id.clone(), why(&of))));
    }
}

/// A job among these that a job is made of.
fn made_of(job: &LoadedJob, among: &NotCovered) -> Option<JobId> {
    job.job.spec.inputs.iter().find_map(|input| match input {
        Input::Projection { projection } => {
            among.contains_key(projection).then(|| projection.clone())
        }
        _ => None,
    })
}

/// Adds to the facts what stands at the target, and says which jobs are left out all the same.
pub(super) async fn narrow(
    world: &World,
    request: &Request,
    content: &SnapshotContent,
    has_ledger: bool,
    facts: &mut Facts,
) -> Result<NotCovered, Failure> {
    let restored: BTreeSet<String> = facts.versions.iter().map(|v| v.dataset.clone()).collect();
    let standing = versions_in_place(world).await?;
    let nothing = crate::canonical::content_digest(std::iter::empty::<(&str, &Digest)>());
    // What `checksums.json` does not list cannot be named, so it cannot be built from either.
    let usable = standing
        .into_iter()
        .filter(|v| !restored.contains(&v.dataset) && v.artifacts != nothing)
        .map(|version| VersionFacts { in_place: true, ..version });
    facts.versions.extend(usable);
    let audit = world.canonical.of_zone(Zone::Audit);
    facts.ledger_in_place = audit.head(ledger::HEAD).await?.is_some();
    let ledger = !has_ledger || facts.ledger_in_place || request.filter.holds(ledger::HEAD);
    let judge = Judge { plan: &request.plan, content, facts, restored: &restored, ledger };
    let mut left_out = NotCovered::new();
    let mut read = Reads::default();
    for job in request.plan.jobs.keys() {
        let reads = judge.reads(job);
        match judge.why_not(job, &reads) {
            Some(why) => drop(left_out.insert(job.clone(), why)),
            None => read.add(reads),
        }
    }
    // What a job is made of comes with it, touched or not.
    left_out.retain(|job, _| !read.jobs.contains(job));
    facts.versions.retain(|v| !v.in_place || read.catalogs || read.datasets.contains(&v.dataset));
    Ok(left_out)
}

/// What a job reads, through other jobs too.
#[derive(Default)]
struct Reads {
    jobs: BTreeSet<JobId>,
    datasets: BTreeSet<String>,
    catalogs: bool,
}

impl Reads {
    fn add(&mut self, other: Self) {
        self.jobs.extend(other.jobs);
        self.datasets.extend(other.datasets);
        self.catalogs |= other.catalogs;
    }
}

struct Judge<'a> {
    plan: &'a LoadedPlan,
    content: &'a SnapshotContent,
    facts: &'a Facts,
    restored: &'a BTreeSet<String>,
    ledger: bool,
}

impl Judge<'_> {
    fn reads(&self, job: &JobId) -> Reads {
        let mut reads = Reads::default();
        let mut next = vec![job.clone()];
        while let Some(job) = next.pop() {
            // One that is derived from itself is told of when the plan is compiled.
            let Some(loaded) = self.plan.jobs.get(&job) else { continue };
            if !reads.jobs.insert(job) {
                continue;
            }
            for input in &loaded.job.spec.inputs {
                match input {
                    Input::Dataset { dataset, .. } => drop(reads.datasets.insert(dataset.clone())),
                    Input::Catalog { .. } => reads.catalogs = true,
                    Input::Projection { projection } => next.push(projection.clone()),
                }
            }
        }
        reads
    }

    /// Why a job is left out, if it is.
    fn why_not(&self, job: &JobId, reads: &Reads) -> Option<String> {
        let touched = reads.datasets.iter().any(|dataset| self.restored.contains(dataset))
            || (reads.catalogs && !self.restored.is_empty());
        if !touched {
            return Some("nothing that it reads is in scope".to_owned());
        }
        if !self.ledger {
            return Some("the ledger is neither in scope nor at the target".to_owned());
        }
        reads.jobs.iter().find_map(|through| {
            let loaded = self.plan.jobs.get(through)?;
            let why = loaded.job.spec.inputs.iter().find_map(|input| self.absent(input))?;
            Some(if through == job { why } else { format!("it is made of {through}: {why}") })
        })
    }

    fn absent(&self, input: &Input) -> Option<String> {
        match input {
            Input::Dataset { dataset, version, .. } => self.dataset(dataset, version.as_deref()),
            Input::Catalog { catalog } => self.catalogs(*catalog),
            Input::Projection { .. } => None,
        }
    }

    fn dataset(&self, dataset: &str, version: Option<&str>) -> Option<String> {
        let wanted = |known: &VersionFacts| {
            known.dataset == dataset && version.is_none_or(|v| known.version.as_str() == v)
        };
        let there = self.facts.versions.iter().any(wanted);
        (!there).then(|| format!("it reads {dataset}, which is neither in scope nor at the target"))
    }

    fn catalogs(&self, scope: CatalogScope) -> Option<String> {
        let there = |sealed: &VersionContent| {
            self.facts.versions.iter().any(|known| {
                known.dataset == sealed.dataset
                    && (scope != CatalogScope::All || known.version == sealed.version)
            })
        };
        let absent = self.content.versions.iter().find(|sealed| !there(sealed))?;
        let dataset = &absent.dataset;
        Some(format!(
            "it reads all catalogs, and that of {dataset} is neither in scope nor at the target"
        ))
    }
}
