//! The environment's list of withdrawals: read once for a run, and held to what it was planned
//! with.

use std::path::Path;
use std::sync::Arc;

use futures::TryStreamExt;

use super::places::{self, Place};
use super::setting::Setting;
use super::world::World;
use crate::canonical::Withdrawals;
use crate::journal::{EventKind, RunSummary};
use crate::model::{Code, Failure, RunId};
use crate::plan::{ListFacts, StoreSpec};

impl World {
    /// All that was withdrawn; nothing where the environment has no list.
    pub(crate) async fn withdrawals(&self) -> Result<&Arc<Withdrawals>, Failure> {
        self.withdrawn.get_or_try_init(|| self.read_withdrawals()).await
    }

    async fn read_withdrawals(&self) -> Result<Arc<Withdrawals>, Failure> {
        let list = match &self.setting.environment.withdrawals {
            Some(spec) => of_plan(spec, &self.setting.plan).await?,
            None => Withdrawals::default(),
        };
        if let Some((run, former)) = self.former_list().await?
            && former.entries > 0
            && !list.goes_on_from(&former.digest)
        {
            return Err(shorter(run, &former, &list));
        }
        Ok(Arc::new(list))
    }

    /// The list of the newest other run of this plan and environment that had one.
    async fn former_list(&self) -> Result<Option<(RunId, ListFacts)>, Failure> {
        let ours = &self.setting;
        let of_environment = |run: &RunSummary| run.run != self.run && run.environment == ours.name;
        for run in self.journal.runs().await?.into_iter().filter(of_environment) {
            let Some(setting) = self.setting_of(run.run).await? else { continue };
            if setting.plan == ours.plan
                && let Some(list) = setting.withdrawals
            {
                return Ok(Some((run.run, list)));
            }
        }
        Ok(None)
    }

    /// The setting of a run; `None` where it never started, or is of a form that is not known.
    async fn setting_of(&self, run: RunId) -> Result<Option<Setting>, Failure> {
        let first = self.journal.replay(run).try_next().await?;
        let Some(EventKind::RunStarted(info)) = first.map(|event| event.kind) else {
            return Ok(None);
        };
        let bytes = self.journal.get(&info.request.setting).await?;
        Ok(serde_json::from_slice(&bytes).ok())
    }
}

/// How long a list is, in words.
pub(super) fn entries(number: u64) -> String {
    format!("{number} {}", if number == 1 { "entry" } else { "entries" })
}

/// A list only grows: one that lost entries would bring back what was erased.
fn shorter(run: RunId, former: &ListFacts, list: &Withdrawals) -> Failure {
    let (was, is) = (former.entries, list.entries());
    let what = match list.digest() {
        None => "the plan names no list of withdrawals any more".to_owned(),
        Some(_) if is < was => format!("the list of withdrawals has only {}", entries(is)),
        Some(_) => "the list of withdrawals does not begin with what it said before".to_owned(),
    };
    let message =
        format!("gate withdrawals is shut: {what}, and run {run} knew one of {}", entries(was));
    Failure::permanent(Code::GateShut, message)
        .hint("put the whole list back where the plan says it is: entries are only ever appended")
}

/// Reads the list that an environment names; paths are relative to the plan's folder.
pub(crate) async fn of_plan(spec: &StoreSpec, plan: &Path) -> Result<Withdrawals, Failure> {
    let plan = std::path::absolute(plan).unwrap_or_else(|_| plan.to_owned());
    read(&Place::of(spec, plan.parent().unwrap_or(Path::new("/")))?).await
}

async fn read(place: &Place) -> Result<Withdrawals, Failure> {
    let (folder, name) = place.of_file()?;
    Ok(Withdrawals::load(&places::store(&folder)?, &name).await?)
}

/// What a plan is compiled with.
pub(super) fn facts(list: &Withdrawals) -> Option<ListFacts> {
    list.digest().map(|digest| ListFacts { digest, entries: list.entries() })
}

/// A resumed run goes by the labels and the erasures that it was compiled with: a list that
/// changed since needs a new run.
pub(super) async fn same_list(world: &World) -> Result<(), Failure> {
    let list = world.withdrawals().await?;
    if facts(list) == world.setting.withdrawals {
        return Ok(());
    }
    Err(Failure::permanent(
        Code::GateShut,
        "gate withdrawals is shut: the list of withdrawals is not the one that the run was planned \
         with",
    )
    .hint("start a new run: what is restored and proven already is not done again"))
}
