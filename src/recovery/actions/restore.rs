//! Copies one manifest shard out of the snapshot: hashed while written, visible only when right.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::{foresee, join_restored, restored};
use crate::canonical::{Entry, Existing, Restore, RestoredShard};
use crate::engine::{Action, StepContext};
use crate::model::{Code, Failure, Fate, FindingKind, Output, Preview, Previews, Thing, Verdict};
use crate::plan::{Part, RestoreObjectsParams, StepSpec};
use crate::recovery::{World, params, shards};

struct RestoreObjects {
    params: RestoreObjectsParams,
    world: Arc<World>,
}

/// Binds a `RestoreObjects` step.
pub(crate) fn bind(spec: &StepSpec, world: &Arc<World>) -> Result<Arc<dyn Action>, Failure> {
    Ok(Arc::new(RestoreObjects { params: params(spec)?, world: world.clone() }))
}

#[async_trait]
impl Action for RestoreObjects {
    async fn run(&self, cx: &StepContext) -> Result<Output, Failure> {
        let world = &self.world;
        let RestoreObjectsParams { snapshot, zone, part } = self.params;
        let all = shards::of(world, &snapshot, zone, part).await?;
        if cx.unit.shard == 0 {
            let total = |count: fn(&crate::canonical::ShardRef) -> u64| all.iter().map(count).sum();
            cx.meter.set_totals(Some(total(|s| s.bytes)), Some(total(|s| s.objects)));
        }
        let shard = shards::nth(&all, cx)?;
        let held = HeldBack::of(part, cx);
        let hold_back = |entry: &Entry| held.holds(entry);
        let withdrawals = world.withdrawals().await?;
        let restore = Restore {
            near: world.near(),
            backup: world.backup()?,
            withdrawals,
            stores: &world.canonical,
            filter: &world.setting.filter,
            hold_back: &hold_back,
            existing: world.setting.existing.unwrap_or(Existing::List),
            run: world.run,
            at_once: world.setting.limits.transfers as usize,
            meter: &cx.meter,
            cancel: &cx.cancel,
        };
        let done = restore.shard(shard).await?;
        let output = Output::of(&restored(&done))?;
        refuse_conflicts(&done)?;
        Ok(output.with_findings(done.findings))
    }

    async fn join(&self, _cx: &StepContext, shards: Vec<Output>) -> Result<Output, Failure> {
        join_restored(shards)
    }

    async fn preview(&self, _before: &Previews) -> Result<Preview, Failure> {
        let RestoreObjectsParams { snapshot, zone, part } = self.params;
        let existing = self.world.setting.existing.unwrap_or(Existing::List);
        let all = shards::of(&self.world, &snapshot, zone, part).await?;
        let mut preview = foresee(&self.world, &all, existing).await?;
        if preview.count(Thing::Object, Fate::Conflict) > 0 {
            let note = "refused until you say --existing keep, or --existing replace";
            preview.note = Some(note.to_owned());
        }
        Ok(preview)
    }
}

/// Which objects are not yet to be seen: those of versions that are not proven.
enum HeldBack {
    /// None.
    Nothing,
    /// Those of these versions.
    Versions(BTreeSet<String>),
    /// All but those of these versions.
    AllBut(BTreeSet<String>),
}

impl HeldBack {
    fn of(part: Part, cx: &StepContext) -> Self {
        let outputs = cx.inputs.values();
        match part {
            Part::Documents => {
                let findings = outputs.flat_map(|output| &output.findings);
                // What was erased will never be there: the documents that tell of it stay true.
                let blocking = findings
                    .filter(|finding| finding.blocks() && finding.kind != FindingKind::Withdrawn);
                let versions = blocking.filter_map(|finding| finding.dataset_version_id.as_ref());
                Self::Versions(versions.map(ToString::to_string).collect())
            }
            Part::Releases => {
                let open = outputs.filter_map(|output| output.read::<Verdict>().ok());
                let open = open.filter(|verdict| verdict.open);
                let versions = open.filter_map(|verdict| {
                    verdict.id.strip_prefix("canonical-intact/").map(str::to_owned)
                });
                Self::AllBut(versions.collect())
            }
            Part::All | Part::Records | Part::Head => Self::Nothing,
        }
    }

    fn holds(&self, entry: &Entry) -> bool {
        let segment = |at: usize| entry.key.split('/').nth(at).unwrap_or_default();
        match self {
            Self::Nothing => false,
            Self::Versions(versions) => versions.contains(segment(2)),
            Self::AllBut(versions) => !versions.contains(segment(2)),
        }
    }
}

fn refuse_conflicts(done: &RestoredShard) -> Result<(), Failure> {
    let Some(first) = done.conflicts.first() else { return Ok(()) };
    let count = done.conflicts.len();
    Err(Failure::permanent(
        Code::StepFailed,
        format!("{count} objects at the target differ from the snapshot, the first is {first}"),
    )
    .hint("they came while the run went on; say --existing keep or --existing replace"))
}
