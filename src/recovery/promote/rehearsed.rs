use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

use crate::canonical::CanonicalStores;
use crate::digest::Digest;
use crate::journal::{Journal, RunInfo, RunPhase, RunState, load};
use crate::model::{Code, Failure, JobId, Outcome, ProveOutput, RebuildOutput, RunId, RunMode};
use crate::plan::{RebuildParams, RecoveryGraph, StepKind};
use crate::recovery::drift::changes;
use crate::recovery::places::{self, Places};
use crate::recovery::setting::Setting;
use crate::recovery::targets::Targets;

/// A rehearsal whose scratch is there still, opened to be read.
pub(crate) struct Rehearsed {
    /// The rehearsal.
    pub(crate) run: RunId,
    /// The snapshot that it recovered.
    pub(crate) snapshot: Digest,
    /// What time that is of.
    pub(crate) as_of: Option<DateTime<Utc>>,
    /// Its projections.
    pub(crate) targets: Targets,
    /// Its canonical stores.
    pub(crate) canonical: CanonicalStores,
    jobs: BTreeMap<JobId, Built>,
}

/// A job as the rehearsal built and proved it, by the journal.
pub(crate) struct Built {
    params: RebuildParams,
    pub(super) rebuilt: RebuildOutput,
    pub(super) proven: ProveOutput,
}

impl Built {
    /// How many rows it has.
    pub(crate) fn rows(&self) -> u64 {
        self.proven.proof.rows
    }
}

impl Rehearsed {
    /// Opens a rehearsal of the same plan and environment, or says why it cannot be promoted.
    pub(crate) async fn open(
        run: RunId,
        now: &Setting,
        state: &Path,
        journal: &dyn Journal,
    ) -> Result<Self, Failure> {
        let known = load(journal, run).await?;
        let info = known.info.as_deref().ok_or_else(|| never(run))?;
        let then: Setting = blob(journal, &info.request.setting, run).await?;
        refuse(run, info, &known, &then, now)?;
        let places = Places::of(&then, run, state)?;
        let scratch = places.scratch.as_deref().filter(|folder| folder.is_dir());
        if then.keep && scratch.is_none() {
            return Err(refused(run, "its scratch was discarded", KEEP));
        }
        if scratch.is_none() {
            return Err(refused(run, "its scratch was cleared at its end", KEEP));
        }
        let snapshot = info.snapshot.ok_or_else(|| never(run))?;
        let graph: RecoveryGraph = blob(journal, &info.graph, run).await?;
        Ok(Self {
            run,
            snapshot,
            as_of: info.request.as_of,
            targets: Targets::new(&places, now.limits.pool_size())?,
            canonical: places::canonical(&places)?,
            jobs: jobs(&graph, &known)?,
        })
    }

    /// What the rehearsal built of a job, where that is what the job would build now; else why
    /// not.
    pub(crate) fn of(&self, now: &RebuildParams) -> Result<&Built, String> {
        let Some(built) = self.jobs.get(&now.job) else {
            return Err("the rehearsal did not build it".to_owned());
        };
        if built.params.generation != now.generation {
            let changed = changes(&built.params, now).join(", ");
            return Err(format!("it would be built otherwise now: {changed}"));
        }
        if !self.targets.is_there(&now.sink) {
            return Err("the rehearsal's database is gone".to_owned());
        }
        Ok(built)
    }
}

const KEEP: &str = "a rehearsal can be promoted while its scratch is there: rehearse with --keep, \
                    or restore without --promote";
const GREEN: &str = "only what a green rehearsal proved is put live: rehearse with --keep again, or \
                     restore without --promote";

fn refuse(
    run: RunId,
    info: &RunInfo,
    known: &RunState,
    then: &Setting,
    now: &Setting,
) -> Result<(), Failure> {
    if info.mode != RunMode::Rehearse {
        let what = format!("it is no rehearsal but a {}", info.mode);
        return Err(refused(run, &what, "look at `coppice runs` for one that was kept"));
    }
    if then.name != now.name || then.plan != now.plan {
        let what = format!("it is of {} in {}", then.plan.display(), then.name);
        let hint = "what is proven for one environment says nothing of another: name a rehearsal \
                    of this one";
        return Err(refused(run, &what, hint));
    }
    match known.phase {
        RunPhase::Finished(Outcome::Recovered) => Ok(()),
        RunPhase::Finished(outcome) => {
            Err(refused(run, &format!("it is not green: it ended {}", outcome.name()), GREEN))
        }
        _ => Err(refused(run, "it has not ended", GREEN)),
    }
}

fn refused(run: RunId, why: &str, hint: &str) -> Failure {
    Failure::permanent(Code::Usage, format!("run {run} cannot be promoted: {why}")).hint(hint)
}

fn never(run: RunId) -> Failure {
    refused(run, "it never started", "look at `coppice runs`")
}

async fn blob<T: DeserializeOwned>(
    journal: &dyn Journal,
    name: &Digest,
    run: RunId,
) -> Result<T, Failure> {
    let bytes = journal.get(name).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::permanent(Code::Journal, format!("failed to read what run {run} was planned with"))
            .because(&error)
            .hint("another version of coppice wrote it: rehearse again with --keep")
    })
}

/// What was built and proven, by the outputs in the journal.
fn jobs(graph: &RecoveryGraph, known: &RunState) -> Result<BTreeMap<JobId, Built>, Failure> {
    let mut jobs = BTreeMap::new();
    for spec in graph.steps.iter().filter(|spec| spec.kind == StepKind::Rebuild) {
        let params: RebuildParams = crate::recovery::params(spec)?;
        let output = |kind: StepKind| {
            let mut steps = known.steps.values();
            let step = steps.find(|step| {
                step.seed.kind == kind.to_string()
                    && step.seed.about.job.as_ref() == Some(&params.job)
            });
            step.and_then(|step| step.output.as_ref())
        };
        let (Some(rebuilt), Some(proven)) = (output(StepKind::Rebuild), output(StepKind::Prove))
        else {
            continue;
        };
        let (rebuilt, proven) = (rebuilt.read()?, proven.read()?);
        jobs.insert(params.job.clone(), Built { params, rebuilt, proven });
    }
    Ok(jobs)
}
