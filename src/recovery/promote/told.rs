use super::Rehearsed;
use crate::canonical::Choice;
use crate::model::{Failure, moment};
use crate::plan::{RebuildParams, StepKind};
use crate::recovery::request::Prepared;
use crate::recovery::survey::accepts;

/// What a promotion takes over and what not, and whether there is newer data to recover, in lines
/// for people. Nothing where nothing is promoted.
pub(crate) async fn told(prepared: &Prepared) -> Result<Vec<String>, Failure> {
    let world = &prepared.world;
    let (Some(promote), Some(Ok(rehearsed))) = (world.setting.promote, &world.rehearsed) else {
        return Ok(Vec::new());
    };
    let (mut taken, mut lines) = (0_usize, Vec::new());
    let rebuilds = prepared.graph.steps.iter().filter(|spec| spec.kind == StepKind::Rebuild);
    for spec in rebuilds {
        let params: RebuildParams = crate::recovery::params(spec)?;
        match rehearsed.of(&params) {
            Ok(_) => taken += 1,
            Err(why) => {
                let then = if promote.rebuild { "is built again" } else { "fails" };
                lines.push(format!("{} {then}: {why}", params.job));
            }
        }
    }
    lines.insert(0, format!("{taken} projections are taken over from rehearsal {}", promote.run));
    lines.extend(newer(prepared, rehearsed).await?);
    Ok(lines)
}

/// Says that a newer snapshot is there: less would be lost with it.
async fn newer(prepared: &Prepared, rehearsed: &Rehearsed) -> Result<Option<String>, Failure> {
    let setting = &prepared.world.setting;
    let accepts = accepts(&setting.environment, &setting.name);
    let newest = prepared.world.backup()?.choose(&Choice::NewestClean, &accepts).await;
    // The rehearsal's own may be one that has to be named.
    let Ok((digest, manifest)) = newest else { return Ok(None) };
    let (Some(as_of), false) = (rehearsed.as_of, digest == rehearsed.snapshot) else {
        return Ok(None);
    };
    Ok((manifest.as_of > as_of).then(|| {
        let (ours, theirs) = (moment(as_of), moment(manifest.as_of));
        format!(
            "the rehearsal is of {ours}; the snapshot {} is of {theirs}: a restore of it loses less",
            digest.short()
        )
    }))
}
