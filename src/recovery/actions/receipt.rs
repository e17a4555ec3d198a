//! Folds the receipt, stores it, and appends the ledger entry that cites its digest.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;
use serde_json::{Map, Value, json};

use crate::canonical::ledger::{self, NewRecord};
use crate::digest::{Digest, digest_json};
use crate::engine::{Action, StepContext};
use crate::journal::{RunState, load};
use crate::model::{Code, Failure, Output, RunMode, StepId, Zone};
use crate::receipt::{Receipt, fold};
use crate::recovery::{LedgerOutput, World, receipts};

struct WriteReceipt(Arc<World>);

/// Binds a `Receipt` step.
pub(crate) fn bind(world: &Arc<World>) -> Arc<dyn Action> {
    Arc::new(WriteReceipt(world.clone()))
}

#[async_trait]
impl Action for WriteReceipt {
    async fn run(&self, cx: &StepContext) -> Result<Output, Failure> {
        let world = &self.0;
        let state = load(&*world.journal, world.run).await?;
        let receipt = match receipts::stored(&world.state, world.run)? {
            // A second try cites the receipt of the first.
            Some(receipt) if !is_of_before(&receipt, &state, &cx.unit.step) => receipt,
            Some(_) => {
                receipts::set_aside(&world.state, world.run)?;
                self.write(&state)?
            }
            None => self.write(&state)?,
        };
        let digest = digest_json(&receipt).map_err(|error| {
            Failure::permanent(Code::Internal, "failed to name the receipt").because(&error)
        })?;
        let entry = match may_append(world, &state) {
            true if world.holds_stores().await => {
                Some(append(world, &state, &receipt, digest).await?)
            }
            // The ledger is the other run's now.
            true => {
                tracing::warn!("no ledger entry: another run has taken the lock since");
                None
            }
            false => None,
        };
        let value = json!({ "receipt": digest, "ledger_entry": entry });
        Ok(Output { value, ..Output::default() })
    }
}

impl WriteReceipt {
    fn write(&self, state: &RunState) -> Result<Receipt, Failure> {
        let receipt = fold(state, Utc::now())?;
        receipts::store(&self.0.state, &receipt)?;
        Ok(receipt)
    }
}

/// Whether a receipt was made when the run halted, before it was resumed.
fn is_of_before(receipt: &Receipt, state: &RunState, step: &StepId) -> bool {
    let began = state.steps.get(step).and_then(|step| step.started_at);
    began.is_some_and(|began| receipt.predicate.finished_at < began)
}

/// Nothing is written to a ledger that is not proven whole.
fn may_append(world: &World, state: &RunState) -> bool {
    let succeeded = |id: &str| {
        let step = state.in_order().find(|step| step.seed.id.as_str() == id);
        step.map(|step| step.output.is_some())
    };
    match world.setting.mode {
        RunMode::Rollback => true,
        _ => {
            succeeded("gate/ledger") == Some(true)
                && succeeded("restore/ledger-head") != Some(false)
        }
    }
}

async fn append(
    world: &World,
    state: &RunState,
    receipt: &Receipt,
    digest: Digest,
) -> Result<String, Failure> {
    let predicate = &receipt.predicate;
    let record = NewRecord {
        event_type: predicate.mode.to_string(),
        subject: format!("kfm://environment/{}", predicate.environment),
        evidence_refs: vec![format!("prov://{}", predicate.audit_ref), format!("doc://{digest}")],
        actor: json!({ "principal": predicate.actor.principal, "role": "operator" }),
        audit_ref: predicate.audit_ref.clone(),
        timestamp: predicate.finished_at,
        extra: extra(state, receipt, digest),
    };
    let store = world.canonical.of_zone(Zone::Audit);
    Ok(ledger::append(store, &record).await?.key)
}

/// What the first record after a recovery names beside its receipt.
fn extra(state: &RunState, receipt: &Receipt, digest: Digest) -> Map<String, Value> {
    let predicate = &receipt.predicate;
    let mut extra = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            extra.insert(name.to_owned(), value);
        }
    };
    put("receipt_digest", json!(digest));
    put("outcome", json!(predicate.outcome));
    put("plan_digest", json!(predicate.plan_digest));
    put("snapshot", json!(predicate.snapshot));
    put("reason", json!(predicate.reason));
    let met: Vec<_> = predicate.accepted.iter().filter(|one| one.met).collect();
    if !met.is_empty() {
        put("accepted", met.iter().map(|one| json!(one.finding)).collect());
    }
    let ledger = state.in_order().find(|step| step.seed.id.as_str() == "verify/ledger");
    let found = ledger.and_then(|step| step.output.as_ref()?.read::<LedgerOutput>().ok());
    if let Some(found) = found {
        put("snapshot_head", json!(found.snapshot_head));
        put("last_lost_head", json!(found.lost_head));
    }
    extra
}
