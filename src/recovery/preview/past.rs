use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Utc};

use crate::digest::Digest;
use crate::engine::stored_graph;
use crate::journal::{Journal, RunInfo, RunState, StepPhase, StepState, load};
use crate::model::{Failure, Outcome, RunId, RunMode, StepId};
use crate::plan::{Difference, RecoveryGraph, diff};
use crate::recovery::request::Prepared;
use crate::recovery::setting::Setting;

/// Of so many former runs the times count.
const LOOKED_AT: usize = 5;

/// The former runs of a plan's environment, newest first, as far as the journal has them.
pub(crate) struct Past {
    runs: Vec<(RunState, RunMode)>,
    mode: RunMode,
}

/// The last run of the same plan, environment and mode.
pub(crate) struct Former {
    /// The run.
    pub(crate) run: RunId,
    /// When it started.
    pub(crate) started_at: DateTime<Utc>,
    /// How it ended; `None`: it did not.
    pub(crate) outcome: Option<Outcome>,
    /// The digest of its plan.
    pub(crate) plan_digest: Digest,
    /// Whether the plan is the same.
    pub(crate) same: bool,
    /// What is another now.
    pub(crate) differences: Vec<Difference>,
}

impl Past {
    /// Reads the last runs that did the same: a rehearsal does what a restore does.
    pub(crate) async fn read(journal: &dyn Journal, setting: &Setting) -> Result<Self, Failure> {
        let mut runs = Vec::new();
        // One of the same mode is looked for longer: it is what a diff is made against.
        let mut same_mode = false;
        for run in journal.runs().await? {
            let wanted = run.mode == setting.mode && !same_mode;
            let known = alike(run.mode, setting.mode) && runs.len() < LOOKED_AT;
            if run.environment != setting.name || !(known || wanted) {
                continue;
            }
            let state = load(journal, run.run).await?;
            if is_of(journal, &state, setting).await? {
                same_mode |= run.mode == setting.mode;
                runs.push((state, run.mode));
            }
        }
        Ok(Self { runs, mode: setting.mode })
    }

    /// Reads the last recoveries of an environment, whatever is asked now.
    pub(crate) async fn recoveries(
        journal: &dyn Journal,
        setting: &Setting,
    ) -> Result<Self, Failure> {
        Self::read(journal, &Setting { mode: RunMode::Restore, ..setting.clone() }).await
    }

    /// The states of the runs.
    pub(crate) fn states(&self) -> impl Iterator<Item = &RunState> {
        self.runs.iter().map(|(state, _)| state)
    }

    /// Puts the times of former runs in place of the reckoned ones: of each step the longest, for
    /// a run that found its work done already is no measure.
    pub(crate) fn estimate(&self, graph: &mut RecoveryGraph) {
        let mut longest: BTreeMap<&StepId, u64> = BTreeMap::new();
        for step in self.runs.iter().flat_map(|(state, _)| state.steps.values()) {
            if let Some(seconds) = seconds(step) {
                let known = longest.entry(&step.seed.id).or_default();
                *known = seconds.max(*known);
            }
        }
        for step in &mut graph.steps {
            if let Some(seconds) = longest.get(&step.id) {
                step.estimate_seconds = Some(*seconds);
            }
        }
    }

    /// The last run of the same mode, held against the plan of now.
    pub(crate) async fn last(&self, prepared: &Prepared) -> Result<Option<Former>, Failure> {
        let of_mode = |(state, mode): &&(RunState, RunMode)| {
            *mode == self.mode && state.info.is_some() && state.run != prepared.run
        };
        let Some((state, _)) = self.runs.iter().find(of_mode) else { return Ok(None) };
        let graph = stored_graph(&*prepared.world.journal, state).await?;
        let same = graph.plan_digest == prepared.graph.plan_digest;
        Ok(Some(Former {
            run: state.run,
            started_at: state.started_at.unwrap_or_default(),
            outcome: match state.phase {
                crate::journal::RunPhase::Finished(outcome) => Some(outcome),
                _ => None,
            },
            plan_digest: graph.plan_digest,
            same,
            differences: if same { Vec::new() } else { diff(&graph, &prepared.graph) },
        }))
    }
}

fn alike(one: RunMode, other: RunMode) -> bool {
    let recovers = |mode| matches!(mode, RunMode::Restore | RunMode::Rehearse);
    one == other || (recovers(one) && recovers(other))
}

/// Whether a run was of the same plan: environments of two plans may have one name.
pub(crate) async fn is_of(
    journal: &dyn Journal,
    state: &RunState,
    setting: &Setting,
) -> Result<bool, Failure> {
    let Some(info) = &state.info else { return Ok(false) };
    is_of_plan(journal, info, &setting.plan).await
}

/// The same, by the plan's file.
pub(crate) async fn is_of_plan(
    journal: &dyn Journal,
    info: &RunInfo,
    plan: &Path,
) -> Result<bool, Failure> {
    let bytes = journal.get(&info.request.setting).await?;
    // One that another version of the program wrote in another form tells nothing here.
    let theirs = serde_json::from_slice::<serde_json::Value>(&bytes).unwrap_or_default();
    Ok(theirs.get("plan").and_then(|theirs| theirs.as_str()) == plan.to_str())
}

/// When a run of this plan, environment and mode last recovered.
pub(crate) async fn last_success(
    journal: &dyn Journal,
    plan: &Path,
    environment: &str,
    mode: RunMode,
) -> Result<Option<DateTime<Utc>>, Failure> {
    let recovered = Some(Outcome::Recovered);
    for run in journal.runs().await? {
        if run.outcome != recovered || run.mode != mode || run.environment != environment {
            continue;
        }
        let state = load(journal, run.run).await?;
        if let Some(info) = &state.info
            && is_of_plan(journal, info, plan).await?
        {
            return Ok(run.finished_at);
        }
    }
    Ok(None)
}

/// How long a step took, rounded up to whole seconds.
fn seconds(step: &StepState) -> Option<u64> {
    if step.phase != StepPhase::Succeeded {
        return None;
    }
    Some(u64::try_from(step.took()?.num_milliseconds()).ok()?.div_ceil(1000).max(1))
}
