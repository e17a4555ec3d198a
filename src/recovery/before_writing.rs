//! What would stand in the way of a recovery, told before anything is written.

use super::world::World;
use crate::canonical::preflight;
use crate::digest::Digest;
use crate::model::{Code, Failure};

/// Refuses a recovery whose targets cannot hold a key, or hold other content in places that may
/// change while nobody said what is to become of it.
pub(super) async fn check(world: &World, snapshot: Option<&Digest>) -> Result<(), Failure> {
    let (Some(snapshot), Some(backup)) = (snapshot, &world.backup) else { return Ok(()) };
    let manifest = backup.manifest(snapshot).await?;
    let withdrawals = world.withdrawals().await?;
    let found =
        preflight(backup, &manifest, &world.canonical, &world.setting.filter, withdrawals).await?;
    if !found.findings.is_empty() {
        let message = format!(
            "{} keys of the snapshot cannot be restored here; nothing was written",
            found.findings.len()
        );
        return Err(Failure::permanent(Code::StepFailed, message)
            .hint(
                "restore to a store that can hold them, or leave them out with --prefix or --zone",
            )
            .with_findings(found.findings));
    }
    if world.setting.existing.is_none() && !found.conflicts.is_empty() {
        let mut failure = Failure::permanent(
            Code::StepFailed,
            format!(
                "{} objects at the target differ from the snapshot, in places that may change; \
                 nothing was written",
                found.conflicts.len()
            ),
        )
        .hint("say --existing keep, or --existing replace (they are copied aside first)");
        // Work and quarantine are served to nobody, so their keys are counted and not printed.
        failure.causes =
            found.conflicts.iter().filter(|key| key.starts_with("releases/")).cloned().collect();
        return Err(failure);
    }
    Ok(())
}
