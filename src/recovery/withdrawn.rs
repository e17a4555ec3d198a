//! The environment's list of withdrawals: read once for a run, and held to what it was planned
//! with.

use std::path::Path;
use std::sync::Arc;

use super::places::{self, Place};
use super::world::World;
use crate::canonical::Withdrawals;
use crate::model::{Code, Failure, RunMode};
use crate::plan::{ListFacts, StoreSpec};

impl World {
    /// All that was withdrawn; nothing where the environment has no list. A rollback moves no
    /// data and asks for none.
    pub(crate) async fn withdrawals(&self) -> Result<&Arc<Withdrawals>, Failure> {
        self.withdrawn.get_or_try_init(|| self.read_withdrawals()).await
    }

    async fn read_withdrawals(&self) -> Result<Arc<Withdrawals>, Failure> {
        match &self.setting.environment.withdrawals {
            Some(spec) if self.setting.mode != RunMode::Rollback => {
                Ok(Arc::new(of_plan(spec, &self.setting.plan).await?))
            }
            _ => Ok(Arc::default()),
        }
    }
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
