use super::Probe;
use super::words::{since, span};
use crate::canonical::{BackupStore, Manifest};
use crate::model::{Period, size};
use crate::recovery::places;
use crate::recovery::request::Request;
use crate::recovery::survey::choose;
use crate::recovery::withdrawn;
use crate::recovery::world::World;

/// The newest snapshot that a restore would take, and its age.
pub(super) async fn probe(world: &World, request: &Request) -> (Option<Manifest>, Vec<Probe>) {
    let found = async {
        let place = places::store(&world.places.backup)?;
        let backup = BackupStore::open(place).await?;
        choose(&backup, request, &world.setting.environment).await
    };
    match found.await {
        Err(failure) => (None, vec![Probe::failed("snapshot", failure)]),
        Ok((digest, manifest)) => {
            let at = manifest.as_of.format("%Y-%m-%d %H:%M:%SZ");
            let seen = format!("{} of {at}, {}", digest.short(), size(manifest.total_bytes()));
            let rpo = world.setting.environment.objectives.rpo.as_ref();
            let probes = vec![Probe::good("snapshot", seen), age(since(manifest.as_of), rpo)];
            (Some(manifest), probes)
        }
    }
}

/// The snapshot's age in seconds against the recovery point objective.
fn age(age: u64, rpo: Option<&Period>) -> Probe {
    let seen = format!("{} old", span(age));
    match rpo {
        Some(rpo) if age > rpo.length().as_secs() => Probe::bad(
            "snapshot-age",
            format!("{seen}, {rpo} allowed"),
            "seal a new one with `coppice snapshot`",
        ),
        Some(rpo) => Probe::good("snapshot-age", format!("{seen}, {rpo} allowed")),
        None => Probe::good("snapshot-age", format!("{seen}; nothing is promised")),
    }
}

/// Whether the list of withdrawals, if there is one, can be read.
pub(super) async fn withdrawals(world: &World) -> Option<Probe> {
    world.setting.environment.withdrawals.as_ref()?;
    let read = world.withdrawals().await;
    Some(Probe::of("withdrawals", read.map(|list| withdrawn::entries(list.entries()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::readiness::Level;

    #[test]
    fn a_snapshot_that_is_older_than_promised_fails() {
        let rpo: Period = "24h".parse().unwrap();
        for (seconds, promised, level, seen) in [
            (10_800, true, Level::Ok, "3 hours old, 24h allowed"),
            (86_400, true, Level::Ok, "24 hours old, 24h allowed"),
            (86_401, true, Level::Fail, "24 hours 1 minute old, 24h allowed"),
            (864_000, false, Level::Ok, "10 days old; nothing is promised"),
        ] {
            let probe = age(seconds, promised.then_some(&rpo));
            assert_eq!((probe.level, probe.seen.as_str()), (level, seen));
        }
    }
}
