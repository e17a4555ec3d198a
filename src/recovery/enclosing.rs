//! Refuses a place inside another environment's store: by its own marker it would look like no one's.

use std::collections::BTreeMap;

use super::places::{self, Place};
use super::world::World;
use crate::model::{Code, Failure};
use crate::store::{self, Location, Store};

/// Looks for markers in every folder that the run's stores lie in, up to their buckets' roots. Those
/// of `name` may be there: the zones of an environment lie as they like.
pub(super) async fn refuse(world: &World, name: &str) -> Result<(), Failure> {
    let mut folders = BTreeMap::new();
    for place in [&world.places.canonical, &world.places.projections] {
        for url in place.urls() {
            folders.extend(around(place, &url)?.into_iter().map(|at| (at.url.clone(), at)));
        }
    }
    for folder in folders.into_values() {
        let marker = store::glance_at_marker(&Store::open(&folder)?).await?;
        if let Some(marker) = marker.filter(|marker| marker.environment != name) {
            let message = format!(
                "{} belongs to the environment `{}`, so `{name}` may write nowhere inside it",
                folder.url, marker.environment
            );
            return Err(Failure::fenced(Code::Fenced, message).hint(
                "check the plan's URLs: each environment, and the scratch of rehearsals, has a \
                 place of its own",
            ));
        }
    }
    Ok(())
}

fn around(place: &Place, url: &str) -> Result<Vec<Location>, Failure> {
    let location = places::known(place, url)?;
    let store = Store::open(&location)?;
    Ok(match store.local_root() {
        // Its real path, whatever links lead there.
        Some(_) => Location::new(store.identity()).above(),
        None => location.above(),
    })
}
