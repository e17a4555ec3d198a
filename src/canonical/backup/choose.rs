use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use serde::Serialize;

use super::{BackupError, BackupStore};
use crate::canonical::manifest::{Manifest, Source, State};
use crate::digest::Digest;
use crate::model::{Finding, FindingKind};
use crate::store::Walked;

/// How many manifests are read at once.
const AT_ONCE: usize = 8;

/// A snapshot in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Listed {
    /// Its name.
    pub(crate) snapshot: Digest,
    /// Whether it may be recovered from without being named.
    pub(crate) state: State,
    /// When its walk began.
    pub(crate) as_of: DateTime<Utc>,
    /// How many objects.
    pub(crate) objects: u64,
    /// How many bytes they have together.
    pub(crate) bytes: u64,
    /// Where it came from.
    pub(crate) source: Source,
}

/// The snapshots of a backup store, newest first, and the manifests that are damaged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Listing {
    /// The snapshots.
    pub(crate) snapshots: Vec<Listed>,
    /// What cannot be read as a manifest.
    pub(crate) damaged: Vec<Finding>,
}

/// Which snapshot is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The newest clean one.
    NewestClean,
    /// The newest clean one whose walk began at or before this time.
    AsOf(DateTime<Utc>),
    /// This one, clean or suspect: the digest, or the first of its hex digits.
    Named(String),
}

/// Whose snapshots are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Accepts {
    /// Anybody's.
    Any,
    /// Those of these environments, and those that name none if `unnamed`.
    Only {
        /// The environments.
        environments: Vec<String>,
        /// Whether a snapshot that was sealed without a plan or marker is accepted.
        unnamed: bool,
    },
}

impl Accepts {
    fn holds(&self, source: &Source) -> bool {
        match (self, &source.environment) {
            (Self::Any, _) => true,
            (Self::Only { environments, .. }, Some(name)) => environments.contains(name),
            (Self::Only { unnamed, .. }, None) => *unnamed,
        }
    }
}

impl BackupStore {
    /// Lists the snapshots, newest first.
    pub(crate) async fn list(&self) -> Result<Listing, BackupError> {
        let names: Vec<Walked> = self.store().walk("snapshots").try_collect().await?;
        let read = |found: Walked| async move {
            let key = found.name().to_owned();
            let hex = key.strip_prefix("snapshots/").and_then(|name| name.strip_suffix(".json"));
            let Some(Ok(snapshot)) = hex.map(|hex| format!("blake3:{hex}").parse::<Digest>())
            else {
                let hint = "it is no snapshot; take it out of the folder by hand";
                return Ok(Some(Err(Finding::blocking(FindingKind::Unreadable, hint).at(key))));
            };
            match self.manifest(&snapshot).await {
                Ok(manifest) => Ok(Some(Ok(listed(snapshot, manifest)))),
                // Forgotten since the folder was listed.
                Err(BackupError::NoSnapshot { .. }) => Ok(None),
                Err(error) => match error.finding() {
                    Some(kind) => {
                        let hint = "the manifest is damaged; copy it again from a replica";
                        Ok(Some(Err(Finding::blocking(kind, hint).at(key))))
                    }
                    None if matches!(error, BackupError::Version { .. }) => {
                        let hint = "it was sealed by a later version of coppice";
                        Ok(Some(Err(Finding::warning(FindingKind::Unreadable, hint).at(key))))
                    }
                    None => Err(error),
                },
            }
        };
        let read: Vec<Option<Result<Listed, Finding>>> =
            futures::stream::iter(names).map(read).buffered(AT_ONCE).try_collect().await?;
        let (mut snapshots, mut damaged) = (Vec::new(), Vec::new());
        for found in read.into_iter().flatten() {
            match found {
                Ok(listed) => snapshots.push(listed),
                Err(finding) => damaged.push(Finding { zone: None, ..finding }),
            }
        }
        snapshots.sort_by_key(|listed| std::cmp::Reverse((listed.as_of, listed.snapshot)));
        Ok(Listing { snapshots, damaged })
    }

    /// Finds the snapshot that is meant, and reads its manifest.
    pub(crate) async fn choose(
        &self,
        choice: &Choice,
        accepts: &Accepts,
    ) -> Result<(Digest, Manifest), BackupError> {
        let Listing { snapshots, damaged } = self.list().await?;
        let none = |why: String| BackupError::NoSnapshot {
            url: self.store().url().to_owned(),
            why,
            damaged: damaged.clone(),
        };
        let accepted: Vec<&Listed> =
            snapshots.iter().filter(|listed| accepts.holds(&listed.source)).collect();
        let clean = |listed: &&&Listed| listed.state == State::Clean;
        let found = match choice {
            Choice::NewestClean => accepted.iter().find(clean),
            Choice::AsOf(at) => accepted.iter().filter(clean).find(|listed| listed.as_of <= *at),
            Choice::Named(name) => {
                let hex = name.strip_prefix("blake3:").unwrap_or(name);
                let of_name = |listed: &&Listed| listed.snapshot.hex().starts_with(hex);
                let mut named = snapshots.iter().filter(of_name);
                let found = named.next().filter(|_| !hex.is_empty());
                if named.next().is_some() {
                    return Err(none(format!("more than one begins with `{name}`")));
                }
                match found {
                    Some(listed) if !accepts.holds(&listed.source) => {
                        let from = listed.source.environment.as_deref().unwrap_or("none");
                        return Err(none(format!(
                            "{name} was sealed in the environment `{from}`, which is not accepted"
                        )));
                    }
                    found => accepted.iter().find(|a| found.is_some_and(|f| f == **a)),
                }
            }
        };
        let Some(found) = found else {
            return Err(none(why_none(choice, &snapshots, &accepted)));
        };
        Ok((found.snapshot, self.manifest(&found.snapshot).await?))
    }
}

fn why_none(choice: &Choice, all: &[Listed], accepted: &[&Listed]) -> String {
    let suspect = accepted.iter().filter(|listed| listed.state == State::Suspect).count();
    match choice {
        Choice::Named(name) => format!("none begins with `{name}`"),
        _ if all.is_empty() => "there is none".to_owned(),
        _ if accepted.is_empty() => {
            format!("{} are there, of environments that are not accepted", all.len())
        }
        Choice::AsOf(at) => format!("none is clean and as old as {}", at.to_rfc3339()),
        Choice::NewestClean => format!("none is clean; {suspect} are suspect and must be named"),
    }
}

fn listed(snapshot: Digest, manifest: Manifest) -> Listed {
    Listed {
        snapshot,
        state: manifest.state,
        as_of: manifest.as_of,
        objects: manifest.objects(),
        bytes: manifest.total_bytes(),
        source: manifest.source,
    }
}
