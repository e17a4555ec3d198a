use std::path::{Path, PathBuf};

use super::Probe;
use crate::canonical::Manifest;
use crate::model::size;
use crate::recovery::world::World;

/// So much of a transfer is in memory at once.
const PIECE: u64 = 16 << 20;

/// Whether the local disks that a run writes to have room. A store holds the snapshot's objects,
/// or what is derived of them, which is reckoned to be as large; the state directory both.
pub(super) fn disk(world: &World, snapshot: Option<&Manifest>) -> Vec<Probe> {
    let Some(snapshot) = snapshot.map(Manifest::total_bytes) else { return Vec::new() };
    let state = (world.state.clone(), snapshot.saturating_mul(2));
    let stores = world.written().into_iter().filter_map(crate::store::Store::local_root);
    let stores = stores.map(|root| (root.to_owned(), snapshot));
    let mut disks: Vec<(u64, PathBuf, u64, u64)> = Vec::new();
    let mut probes = Vec::new();
    for (place, needed) in std::iter::once(state).chain(stores) {
        match room(&place) {
            // What lies on one file system is needed together.
            Ok((device, free)) => match disks.iter_mut().find(|(other, ..)| *other == device) {
                Some((.., known)) => *known = known.saturating_add(needed),
                None => disks.push((device, place, free, needed)),
            },
            Err(error) => probes.push(space(&place, Err(&error), needed)),
        }
    }
    let disks = disks.into_iter();
    probes.extend(disks.map(|(_, place, free, needed)| space(&place, Ok(free), needed)));
    probes
}

/// What is free at a place against what is needed there.
fn space(place: &Path, free: Result<u64, &std::io::Error>, needed: u64) -> Probe {
    let id = format!("disk {}", place.display());
    let free = match free {
        Ok(free) => free,
        Err(error) => return Probe::bad(&id, error.to_string(), "mount it, or name another place"),
    };
    let seen = format!("{} free, {} needed", size(free), size(needed));
    if free < needed {
        Probe::bad(&id, seen, "free some, or give another --state or scratch")
    } else {
        Probe::good(&id, seen)
    }
}

/// The file system of a place, and what is free there for us; asked of the nearest folder that is
/// there.
fn room(place: &Path) -> std::io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let there = place.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let device = std::fs::metadata(there)?.dev();
    let stat = rustix::fs::statvfs(there)?;
    Ok((device, stat.f_bavail.saturating_mul(stat.f_frsize)))
}

/// Whether there is as much memory as the plan's limits let a run take.
pub(super) fn memory(world: &World) -> Probe {
    let limits = &world.setting.limits;
    let queries = u64::from(limits.queries) * u64::from(limits.query_memory_mib) * (1 << 20);
    enough(available(), queries + u64::from(limits.transfers) * PIECE)
}

/// The memory that can be had against what is needed.
fn enough(free: Option<u64>, needed: u64) -> Probe {
    let Some(free) = free else {
        let hint = "look at /proc/meminfo by hand";
        return Probe::bad("memory", "it could not be told how much is free", hint);
    };
    let seen = format!("{} available, {} by the plan's limits", size(free), size(needed));
    if free < needed {
        Probe::bad("memory", seen, "lower `queries` or `query_memory_mib` in the plan's limits")
    } else {
        Probe::good("memory", seen)
    }
}

fn available() -> Option<u64> {
    let known = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = known.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::readiness::Level;

    const GIB: u64 = 1 << 30;

    #[test]
    fn a_disk_without_room_fails_and_so_does_one_that_cannot_be_told() {
        let gone = std::io::Error::other("gone");
        for (free, level, seen) in [
            (Ok(3 * GIB), Level::Ok, "3.0 GiB free, 2.0 GiB needed"),
            (Ok(2 * GIB), Level::Ok, "2.0 GiB free, 2.0 GiB needed"),
            (Ok(GIB), Level::Fail, "1.0 GiB free, 2.0 GiB needed"),
            (Ok(2 * GIB - 1), Level::Fail, "1.9 GiB free, 2.0 GiB needed"),
            (Err(&gone), Level::Fail, "gone"),
        ] {
            let probe = space(Path::new("/srv"), free, 2 * GIB);
            assert_eq!((probe.level, probe.seen.as_str()), (level, seen));
            assert_eq!(probe.id, "disk /srv");
        }
    }

    #[test]
    fn memory_that_is_short_fails_and_so_does_what_cannot_be_told() {
        for (free, level) in [
            (Some(3 * GIB), Level::Ok),
            (Some(2 * GIB), Level::Ok),
            (Some(2 * GIB - 1), Level::Fail),
            (None, Level::Fail),
        ] {
            assert_eq!(enough(free, 2 * GIB).level, level, "{free:?}");
        }
    }
}
