//! Proves the catalogs: documents, links, and checksums against the bytes that were verified.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;

use crate::canonical::{Known, catalog};
use crate::digest::BothDigests;
use crate::engine::{Action, StepContext};
use crate::model::{DatasetVersionId, Failure, Output, VerifyOutput};
use crate::plan::{StepSpec, VerifyCatalogParams};
use crate::recovery::{VerifiedOutput, World, params, pins};

struct VerifyCatalog {
    params: VerifyCatalogParams,
    world: Arc<World>,
}

/// Binds a `VerifyCatalog` step.
pub(crate) fn bind(spec: &StepSpec, world: &Arc<World>) -> Result<Arc<dyn Action>, Failure> {
    Ok(Arc::new(VerifyCatalog { params: params(spec)?, world: world.clone() }))
}

#[async_trait]
impl Action for VerifyCatalog {
    async fn run(&self, cx: &StepContext) -> Result<Output, Failure> {
        let known = digests(cx).await?;
        let read = VerifyOutput {
            objects: known.len() as u64,
            bytes: known.values().map(|both| both.size).sum(),
        };
        let redactor = self.world.redactor.clone();
        let lookup = Arc::new(move |key: &str| known.get(&redactor.name_of(key)).copied());
        let mut found = catalog::verify(&self.world.canonical, &self.whole(cx), lookup).await?;
        // What was withdrawn is not missing: its own finding says what became of it.
        let withdrawals = self.world.withdrawals().await?;
        found.retain(|finding| !withdrawals.explains(finding));
        let known = self.known().await?;
        let mut findings = known.judge(found);
        findings.extend(known.against(&self.params.versions));
        let output = VerifiedOutput { read, pins: Vec::new() };
        Ok(Output::of(&output)?.with_findings(findings))
    }
}

impl VerifyCatalog {
    /// What the snapshot was known for when it was sealed.
    async fn known(&self) -> Result<Known, Failure> {
        let Some(snapshot) = &self.params.snapshot else { return Ok(Known::default()) };
        let backup = self.world.backup()?;
        Ok(Known::of(backup, &backup.manifest(snapshot).await?).await?)
    }

    /// The versions that nothing is wrong with so far: the others are shut already, and of
    /// objects that were kept out a catalog could only repeat that they are not there.
    fn whole(&self, cx: &StepContext) -> Vec<(String, DatasetVersionId)> {
        let findings = cx.inputs.values().flat_map(|output| &output.findings);
        let blocked: BTreeSet<_> = findings
            .filter(|finding| finding.blocks())
            .filter_map(|finding| finding.dataset_version_id.as_ref())
            .collect();
        let versions = self.params.versions.iter();
        versions.filter(|(_, version)| !blocked.contains(version)).cloned().collect()
    }
}

/// What the objects that were verified hash to, by the names of their pins. Raw objects too:
/// provenance leads to them.
async fn digests(cx: &StepContext) -> Result<HashMap<String, BothDigests>, Failure> {
    let mut known = HashMap::new();
    for output in cx.inputs.values() {
        let Ok(verified) = output.read::<VerifiedOutput>() else { continue };
        for shard in verified.pins {
            for pinned in pins::load(cx, &shard.blob).await? {
                let both =
                    BothDigests { blake3: pinned.digest, sha256: pinned.sha256, size: pinned.size };
                known.insert(pinned.key, both);
            }
        }
    }
    Ok(known)
}
