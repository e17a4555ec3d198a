//! Proves the ledger: its chain to the head, the checkpoints, and the snapshot's head in it.

use std::sync::Arc;

use async_trait::async_trait;

use crate::canonical::ledger::{self, AnchoredHead, HeadDocument, LedgerReport, Signature};
use crate::engine::{Action, StepContext};
use crate::model::{Failure, Finding, FindingKind, Output, VerifyOutput, Zone};
use crate::plan::{SignaturePolicy, StepSpec, VerifyLedgerParams};
use crate::recovery::{LedgerOutput, World, params};

struct VerifyLedger {
    params: VerifyLedgerParams,
    world: Arc<World>,
}

/// Binds a `VerifyLedger` step.
pub(crate) fn bind(spec: &StepSpec, world: &Arc<World>) -> Result<Arc<dyn Action>, Failure> {
    Ok(Arc::new(VerifyLedger { params: params(spec)?, world: world.clone() }))
}

#[async_trait]
impl Action for VerifyLedger {
    async fn run(&self, _cx: &StepContext) -> Result<Output, Failure> {
        let anchor = self.anchor().await?;
        let document = match self.params.snapshot {
            Some(_) => HeadDocument::YetToCome,
            None => HeadDocument::Expected,
        };
        let store = self.world.canonical.of_zone(Zone::Audit);
        let report = ledger::verify(store, anchor.as_ref(), document).await?;
        let findings = self.findings(&report);
        let output = LedgerOutput {
            read: VerifyOutput { objects: report.records, bytes: 0 },
            checkpointed: report.checkpointed,
            snapshot_head: anchor.map(|anchor| anchor.event_hash),
        };
        Ok(Output::of(&output)?.with_findings(findings))
    }
}

impl VerifyLedger {
    async fn anchor(&self) -> Result<Option<AnchoredHead>, Failure> {
        let Some(snapshot) = &self.params.snapshot else { return Ok(None) };
        let manifest = self.world.backup()?.manifest(snapshot).await?;
        Ok(manifest.ledger_head.map(|event_hash| AnchoredHead { event_hash, records: None }))
    }

    fn findings(&self, report: &LedgerReport) -> Vec<Finding> {
        let mut findings = report.findings.clone();
        if self.params.signatures == SignaturePolicy::Require {
            let actual = match report.signature {
                Signature::Absent => "no signature",
                Signature::NotChecked => "a signature that was not checked",
            };
            let hint = "the plan says `signatures: require`; this version of coppice checks none";
            findings.push(
                Finding::blocking(FindingKind::LedgerHeadMismatch, hint)
                    .at(ledger::HEAD)
                    .differs("a signature that was checked", actual),
            );
        }
        findings
    }
}
