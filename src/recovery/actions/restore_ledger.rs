//! Brings the ledger back: its records where it has not left the snapshot's history, and last of
//! all its head, which is only ever moved forward.

use std::sync::Arc;

use async_trait::async_trait;

use super::{foresee, join_restored, restored};
use crate::canonical::ledger::{self, HEAD, HeadMove};
use crate::canonical::{Entry, Existing, Restore, RestoredShard, ShardRef};
use crate::engine::{Action, StepContext};
use crate::model::{Code, Failure, Fate, Output, Preview, Previews, Thing, Zone};
use crate::plan::{Part, RestoreObjectsParams, StepSpec};
use crate::recovery::{LedgerOutput, RestoredLedger, World, params, shards};

struct RestoreLedger {
    params: RestoreObjectsParams,
    world: Arc<World>,
}

/// Binds a `RestoreLedger` step.
pub(crate) fn bind(spec: &StepSpec, world: &Arc<World>) -> Result<Arc<dyn Action>, Failure> {
    Ok(Arc::new(RestoreLedger { params: params(spec)?, world: world.clone() }))
}

#[async_trait]
impl Action for RestoreLedger {
    async fn run(&self, cx: &StepContext) -> Result<Output, Failure> {
        let RestoreObjectsParams { snapshot, zone, part } = self.params;
        let all = shards::of(&self.world, &snapshot, zone, part).await?;
        if cx.unit.shard == 0 {
            let total = |count: fn(&ShardRef) -> u64| all.iter().map(count).sum();
            cx.meter.set_totals(Some(total(|s| s.bytes)), Some(total(|s| s.objects)));
        }
        let shard = shards::nth(&all, cx)?;
        match part {
            Part::Head => self.head(cx, shard).await,
            _ => self.records(cx, shard).await,
        }
    }

    async fn join(&self, _cx: &StepContext, shards: Vec<Output>) -> Result<Output, Failure> {
        let mut lost_head = None;
        for shard in &shards {
            lost_head = lost_head.or(shard.read::<RestoredLedger>()?.lost_head);
        }
        let joined = join_restored(shards)?;
        let output = RestoredLedger { moved: joined.read()?, lost_head };
        Ok(Output::of(&output)?.with_findings(joined.findings))
    }

    async fn preview(&self, _before: &Previews) -> Result<Preview, Failure> {
        let RestoreObjectsParams { snapshot, zone, part } = self.params;
        let target = self.world.ledger_at_target(&snapshot).await?;
        if !target.forked.is_empty() {
            let why = "the ledger at the target has left the snapshot's history";
            return Ok(Preview::blocked(why));
        }
        let all = shards::of(&self.world, &snapshot, zone, part).await?;
        let mut preview = foresee(&self.world, &all, Existing::Keep).await?;
        if part == Part::Head && preview.count(Thing::Object, Fate::Keep) > 0 {
            preview.note = Some("the head is moved forward where it is behind, never back".into());
        }
        Ok(preview)
    }
}

impl RestoreLedger {
    /// Nothing is written to a ledger that left the snapshot's history.
    async fn records(&self, cx: &StepContext, shard: &ShardRef) -> Result<Output, Failure> {
        let target = self.world.ledger_at_target(&self.params.snapshot).await?;
        if !target.forked.is_empty() {
            let output = RestoredLedger::default();
            return Ok(Output::of(&output)?.with_findings(target.forked.clone()));
        }
        let done = self.restore(cx, shard, Existing::Keep, &|_| false).await?;
        output(&done, target.lost_head)
    }

    /// The head and its signature, as `verify/ledger` proved them to stand to the snapshot's.
    async fn head(&self, cx: &StepContext, shard: &ShardRef) -> Result<Output, Failure> {
        let world = &self.world;
        let store = world.canonical.of_zone(Zone::Audit);
        let proven = cx.inputs.values().find_map(|input| input.read::<LedgerOutput>().ok());
        let proven = proven.ok_or_else(|| {
            let message = format!("{} was not told how the ledger stands", cx.unit.step);
            Failure::permanent(Code::Internal, message)
        })?;
        let LedgerOutput { snapshot_head, standing, head, .. } = proven;
        let next = ledger::head_move(store, snapshot_head, standing, head).await?;
        if next == HeadMove::Keep {
            let done = RestoredShard { kept: shard.objects, ..RestoredShard::default() };
            return output(&done, None);
        }
        // What lies beside the head is the snapshot's, since the head is or becomes it.
        let mut done = self.restore(cx, shard, Existing::Replace, &|e| e.key == HEAD).await?;
        match &next {
            HeadMove::Replace(pin) => {
                let entries = world.backup()?.shard(shard).await?;
                for entry in entries.iter().filter(|entry| entry.key == HEAD) {
                    ledger::move_head(store, world.backup()?, entry, pin, world.run).await?;
                    done.restored += 1;
                    done.displaced += 1;
                    done.bytes += entry.size;
                }
            }
            _ => done.merge(self.restore(cx, shard, Existing::Keep, &|e| e.key != HEAD).await?),
        }
        output(&done, None)
    }

    async fn restore(
        &self,
        cx: &StepContext,
        shard: &ShardRef,
        existing: Existing,
        hold_back: &(dyn Fn(&Entry) -> bool + Sync),
    ) -> Result<RestoredShard, Failure> {
        let world = &self.world;
        let withdrawals = world.withdrawals().await?;
        let restore = Restore {
            near: None,
            backup: world.backup()?,
            stores: &world.canonical,
            filter: &world.setting.filter,
            withdrawals,
            hold_back,
            existing,
            run: world.run,
            at_once: world.setting.limits.transfers as usize,
            meter: &cx.meter,
            cancel: &cx.cancel,
        };
        restore.shard(shard).await
    }
}

fn output(
    done: &RestoredShard,
    lost_head: Option<crate::digest::Digest>,
) -> Result<Output, Failure> {
    let output = RestoredLedger { moved: restored(done), lost_head };
    Ok(Output::of(&output)?.with_findings(done.findings.clone()))
}
