use super::Probe;
use super::words::{since, span};
use crate::canonical::{BackupStore, Manifest};
use crate::model::size;
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
            let probes = vec![Probe::good("snapshot", seen), age(world, &manifest)];
            (Some(manifest), probes)
        }
    }
}

/// The snapshot's age against the recovery point objective.
fn age(world: &World, manifest: &Manifest) -> Probe {
    let age = since(manifest.as_of);
    let seen = format!("{} old", span(age));
    match &world.setting.environment.objectives.rpo {
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
