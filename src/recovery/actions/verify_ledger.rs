//! Proves the ledger: its chain to the head, the checkpoints, and the snapshot's head in it.

use std::sync::Arc;

use async_trait::async_trait;

use crate::canonical::ledger::{
    self, AnchoredHead, HeadDocument, LedgerReport, Signature, Standing,
};
use crate::engine::{Action, StepContext};
use crate::model::{Failure, Finding, FindingKind, Output, VerifyOutput, Zone};
use crate::plan::{Part, SignaturePolicy, StepSpec, VerifyLedgerParams};
use crate::recovery::{LedgerOutput, RestoredLedger, World, params, shards};

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
    async fn run(&self, cx: &StepContext) -> Result<Output, Failure> {
        let anchor = self.anchor().await?;
        // A snapshot that was sealed without a head brings none.
        let document = match anchor {
            Some(_) => HeadDocument::YetToCome,
            None => HeadDocument::Expected,
        };
        let store = self.world.canonical.of_zone(Zone::Audit);
        let forked = forked(cx);
        // A history that left the snapshot's does not hold its head; that was found out already.
        let held = anchor.as_ref().filter(|_| forked.is_empty());
        let report = ledger::verify(store, held, document).await?;
        let known = cx.inputs.values().find_map(|input| input.read::<RestoredLedger>().ok());
        let signature = self.signature(&report).await?;
        let output = LedgerOutput {
            read: VerifyOutput { objects: report.records, bytes: 0 },
            lost_head: known.and_then(|known| known.lost_head).or(report.lost_head),
            snapshot_head: anchor.map(|anchor| anchor.event_hash),
            standing: report.standing,
            head: report.head.as_ref().map(|head| head.event_hash),
        };
        let found = report.findings;
        let findings = [forked, found, self.unsigned(signature)].concat();
        Ok(Output::of(&output)?.with_findings(findings))
    }
}

/// Why the restore before wrote nothing.
fn forked(cx: &StepContext) -> Vec<Finding> {
    let findings = cx.inputs.values().flat_map(|input| &input.findings);
    findings.filter(|finding| finding.kind == FindingKind::LedgerForked).cloned().collect()
}

impl VerifyLedger {
    async fn anchor(&self) -> Result<Option<AnchoredHead>, Failure> {
        let Some(snapshot) = &self.params.snapshot else { return Ok(None) };
        Ok(AnchoredHead::of(&self.world.backup()?.manifest(snapshot).await?))
    }

    /// The signature that stands beside the head, or will: a restore brings it last, with the head.
    async fn signature(&self, report: &LedgerReport) -> Result<Signature, Failure> {
        let Some(snapshot) = &self.params.snapshot else { return Ok(report.signature) };
        // A head that is kept keeps its own; beside the snapshot's what is lost comes back.
        let kept = matches!(report.standing, Standing::Ahead | Standing::Apart);
        if kept || (report.standing == Standing::Same && report.signature != Signature::Absent) {
            return Ok(report.signature);
        }
        let backup = self.world.backup()?;
        for shard in shards::of(&self.world, snapshot, Zone::Audit, Part::Head).await? {
            if backup.shard(&shard).await?.iter().any(|entry| entry.key == ledger::SIGNATURE) {
                return Ok(Signature::NotChecked);
            }
        }
        Ok(Signature::Absent)
    }

    fn unsigned(&self, signature: Signature) -> Vec<Finding> {
        match self.params.signatures {
            SignaturePolicy::Require => vec![unsigned(signature)],
            SignaturePolicy::Report => Vec::new(),
        }
    }
}

/// A plan that requires a checked signature is not served by this version.
fn unsigned(signature: Signature) -> Finding {
    let (kind, actual) = match signature {
        Signature::Absent => (FindingKind::LedgerSignatureMissing, "no signature"),
        Signature::NotChecked => {
            (FindingKind::LedgerSignatureUnchecked, "a signature that was not checked")
        }
    };
    let hint = "the plan says `signatures: require` and this version of coppice checks none: say \
                `signatures: report` once you have checked the head by hand";
    Finding::blocking(kind, hint)
        .at(ledger::SIGNATURE)
        .differs("a signature that was checked", actual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_that_is_required_and_missing_or_unchecked_blocks() {
        for (signature, kind) in [
            (Signature::Absent, FindingKind::LedgerSignatureMissing),
            (Signature::NotChecked, FindingKind::LedgerSignatureUnchecked),
        ] {
            let finding = unsigned(signature);
            assert_eq!((finding.kind, finding.blocks()), (kind, true));
            assert_eq!(finding.key.as_deref(), Some(ledger::SIGNATURE));
        }
    }
}
