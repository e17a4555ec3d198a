//! What changed since the last check? A small file under the state directory: no target.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Level, Probe};
use crate::digest::Digest;

/// Probes whose words say what is there; the words of others change with the clock.
const TELLING: [&str; 4] = ["plan", "credentials", "snapshot", "postgis"];

/// The result of a check, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Last {
    /// When it was.
    pub(crate) at: DateTime<Utc>,
    probes: BTreeMap<String, (Level, String)>,
}

/// A probe that came out in another way than last time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Changed {
    /// The probe.
    pub(crate) id: String,
    /// How it was: `ok: <what was seen>`; `None`: it was not there.
    pub(crate) before: Option<String>,
    /// How it is; `None`: it is not there any more.
    pub(crate) now: Option<String>,
}

impl Last {
    /// What is kept of a check.
    pub(crate) fn of(probes: &[Probe]) -> Self {
        let kept = |probe: &Probe| (probe.id.clone(), (probe.level, probe.seen.clone()));
        Self { at: Utc::now(), probes: probes.iter().map(kept).collect() }
    }

    /// Reads the last check of an environment; one that cannot be read is none.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Keeps it in place of the one before, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.persist(path).map(drop).map_err(|error| error.error)
    }

    /// What is another now, by the names of the probes.
    pub(crate) fn changes(&self, now: &Self) -> Vec<Changed> {
        let mut ids: Vec<_> = self.probes.keys().chain(now.probes.keys()).collect();
        ids.sort();
        ids.dedup();
        let words = |found: Option<&(Level, String)>| {
            found.map(|(level, seen)| format!("{}: {seen}", level.name()))
        };
        ids.into_iter()
            .filter_map(|id| {
                let (was, is) = (self.probes.get(id), now.probes.get(id));
                let telling = TELLING.contains(&id.as_str()) && was != is;
                let another = was.map(|(level, _)| level) != is.map(|(level, _)| level);
                (telling || another).then(|| Changed {
                    id: id.clone(),
                    before: words(was),
                    now: words(is),
                })
            })
            .collect()
    }
}

/// Where the last check of a plan's environment is kept.
pub(crate) fn last_path(state: &Path, plan: &Path, environment: &str) -> PathBuf {
    let plan = Digest::blake3(plan.display().to_string().as_bytes());
    state.join("checks").join(format!("{environment}-{}.json", &plan.hex()[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_out_in_another_way_is_told_and_the_clock_is_not() {
        let before = Last::of(&[
            Probe::good("snapshot", "one"),
            Probe::good("snapshot-age", "3 hours old"),
            Probe::good("memory", "2 GiB"),
            Probe::good("gone", "x"),
        ]);
        let now = Last::of(&[
            Probe::good("snapshot", "two"),
            Probe::good("snapshot-age", "4 hours old"),
            Probe::bad("memory", "1 GiB", "do"),
        ]);
        let folder = tempfile::tempdir().unwrap();
        let path = last_path(folder.path(), Path::new("/p.yaml"), "dev");
        assert_eq!(Last::read(&path), None);
        before.write(&path).unwrap();
        let found = Last::read(&path).unwrap().changes(&now);
        let lines: Vec<_> = found.iter().map(|one| format!("{one:?}")).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
