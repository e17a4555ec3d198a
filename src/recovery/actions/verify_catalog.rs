//! Proves the catalogs: documents, links, and checksums against the bytes that were verified.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;

use crate::canonical::catalog::Sources;
use crate::canonical::{Existing, Known, RELEASES, acquisitions, catalog, sealed_digests};
use crate::digest::BothDigests;
use crate::engine::{Action, StepContext};
use crate::model::{
    DatasetVersionId, Failure, Finding, Output, Preview, Previews, Redact, VerifyOutput, Zone,
    accept,
};
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
        let (stores, versions) = (&self.world.canonical, self.whole(cx));
        let sources = |keys| self.raw(cx, keys);
        let mut found = catalog::verify(stores, &versions, lookup, sources).await?;
        found.extend(self.acquisitions(cx).await?);
        // What was withdrawn is not missing: its own finding says what became of it.
        let withdrawals = self.world.withdrawals().await?;
        found.retain(|finding| !withdrawals.explains(finding) && !self.is_replaced(finding));
        let known = self.known().await?;
        let mut findings = known.judge(found);
        findings.extend(known.against(&self.params.versions));
        let redactor = &self.world.redactor;
        accept(&self.params.accept, &mut findings, &|name| redactor.name_of(name));
        let output = VerifiedOutput { read, pins: Vec::new() };
        Ok(Output::of(&output)?.with_findings(findings))
    }

    /// What the snapshot was sealed with would be found again.
    async fn preview(&self, _before: &Previews) -> Result<Preview, Failure> {
        let Some(snapshot) = &self.params.snapshot else { return Ok(Preview::default()) };
        let (backup, redactor) = (self.world.backup()?, &self.world.redactor);
        let manifest = backup.manifest(snapshot).await?;
        let mut found = backup.known_findings(&manifest).await?;
        let withdrawals = self.world.withdrawals().await?;
        let versions = &self.params.versions;
        found.retain(|finding| {
            versions.iter().any(|(_, version)| finding.concerns(version))
                && !withdrawals.explains(finding)
        });
        let known = Known::of(backup, &manifest).await?;
        let mut findings = known.judge(found);
        let against = known.against(versions);
        let new: Vec<_> = against.into_iter().filter(|one| !findings.contains(one)).collect();
        findings.extend(new);
        accept(&self.params.accept, &mut findings, &|name| redactor.name_of(name));
        let Output { findings, .. } = redactor.output(Output::default().with_findings(findings));
        Ok(Preview::found(findings))
    }
}

impl VerifyCatalog {
    /// Releases come back after the gates: where the snapshot's are to replace those that stand
    /// there, nothing is held against what goes. What the snapshot's say was judged at sealing.
    fn is_replaced(&self, finding: &Finding) -> bool {
        self.params.snapshot.is_some()
            && self.world.setting.existing == Some(Existing::Replace)
            && finding.key.as_deref().is_some_and(|key| key.starts_with(RELEASES))
    }

    /// What the snapshot was known for when it was sealed.
    async fn known(&self) -> Result<Known, Failure> {
        let Some(snapshot) = &self.params.snapshot else { return Ok(Known::default()) };
        let backup = self.world.backup()?;
        Ok(Known::of(backup, &backup.manifest(snapshot).await?).await?)
    }

    /// What raw objects hash to, as far as they were restored and nothing is wrong with them.
    async fn raw(&self, cx: &StepContext, mut keys: BTreeSet<String>) -> Result<Sources, Failure> {
        let Some(snapshot) = &self.params.snapshot else { return Ok(Sources::default()) };
        let findings = cx.inputs.values().flat_map(|output| &output.findings);
        let wrong: BTreeSet<&str> = findings.filter_map(|found| found.key.as_deref()).collect();
        let World { redactor, setting, .. } = &*self.world;
        keys.retain(|key| {
            Zone::of_key(key) == Zone::Raw
                && setting.filter.holds(key)
                && !wrong.contains(redactor.name_of(key).as_str())
        });
        let backup = self.world.backup()?;
        let digests =
            sealed_digests(backup, &backup.manifest(snapshot).await?.shards, &keys).await?;
        let lost = keys.into_iter().filter(|key| !digests.contains_key(key)).collect();
        Ok(Sources { digests, lost })
    }

    /// Holds the acquisitions that were restored against their manifests.
    async fn acquisitions(&self, cx: &StepContext) -> Result<Vec<Finding>, Failure> {
        let Some(snapshot) = &self.params.snapshot else { return Ok(Vec::new()) };
        let known: Vec<_> =
            cx.inputs.values().flat_map(|output| output.findings.iter().cloned()).collect();
        let world = &self.world;
        let (backup, filter) = (world.backup()?, &world.setting.filter);
        let manifest = backup.manifest(snapshot).await?;
        acquisitions(&world.canonical, backup, &manifest.shards, filter, &known).await
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

/// What the objects that were verified hash to, by the names of their pins.
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
