use chrono::{DateTime, Utc};
use serde::Serialize;

use super::exclusive::Upkeep;
use super::holds::Holds;
use super::keep::{Keep, protected};
use crate::canonical::backup::{BackupStore, Listed, Listing};
use crate::canonical::manifest::State;
use crate::digest::Digest;
use crate::model::{Code, Failure, Finding};

/// Which snapshots are to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// Those that a rule does not keep.
    Policy(Keep),
    /// These, by the first of their hex digits; a damaged one by all of them.
    Named(Vec<String>),
}

/// What became of one snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Decided {
    /// Its name.
    pub(crate) snapshot: Digest,
    /// Whether it was clean; of one that is damaged nobody knows.
    pub(crate) state: Option<State>,
    /// When its walk began.
    pub(crate) as_of: Option<DateTime<Utc>>,
    /// The environment that it is of.
    pub(crate) environment: Option<String>,
    /// Why it is kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) reasons: Vec<String>,
}

/// What forgetting came to; its JSON is part of the contract.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ForgetOutcome {
    /// Whether nothing was done but to look.
    pub(crate) dry_run: bool,
    /// The snapshots that are gone, newest first. Their blobs stay until they are pruned.
    pub(crate) forgotten: Vec<Decided>,
    /// The snapshots that stay, newest first.
    pub(crate) kept: Vec<Decided>,
    /// The manifests that cannot be read; no rule forgets them.
    pub(crate) findings: Vec<Finding>,
}

/// Forgets snapshots: takes their manifests away, and nothing else.
pub(crate) async fn forget(
    backup: &BackupStore,
    what: &What,
    actor: &str,
    dry_run: bool,
) -> Result<ForgetOutcome, Failure> {
    if dry_run {
        return decide(backup, what, dry_run).await;
    }
    Upkeep::under(backup, actor, async |upkeep| {
        let decided = decide(backup, what, dry_run).await?;
        // The oldest first: a rule that is broken off has forgotten what it would have anyway.
        for gone in decided.forgotten.iter().rev() {
            upkeep.check()?;
            backup.store().delete(&BackupStore::manifest_key(&gone.snapshot)).await?;
            backup.drop_hold(&gone.snapshot).await?;
        }
        Ok(decided)
    })
    .await
}

async fn decide(
    backup: &BackupStore,
    what: &What,
    dry_run: bool,
) -> Result<ForgetOutcome, Failure> {
    let holds = backup.holds().await?;
    let listing = backup.list().await?;
    match what {
        What::Policy(keep) => Ok(by_rule(keep, listing, &holds, dry_run)),
        What::Named(names) => by_name(names, &listing, &holds, dry_run),
    }
}

fn by_rule(keep: &Keep, listing: Listing, holds: &Holds, dry_run: bool) -> ForgetOutcome {
    let mut reasons = keep.reasons(&listing.snapshots, holds, Utc::now());
    let decided = listing.snapshots.iter().map(|listed| Decided {
        reasons: reasons.remove(&listed.snapshot).unwrap_or_default(),
        ..Decided::of(listed)
    });
    let (forgotten, kept) = decided.partition(|decided| decided.reasons.is_empty());
    ForgetOutcome { dry_run, forgotten, kept, findings: listing.damaged }
}

fn by_name(
    names: &[String],
    listing: &Listing,
    holds: &Holds,
    dry_run: bool,
) -> Result<ForgetOutcome, Failure> {
    let mut chosen: Vec<Digest> = Vec::new();
    for name in names {
        let snapshot = find(name, listing)?;
        if holds.get(&snapshot).is_some_and(|hold| hold.binds(Utc::now())) {
            let words = holds.get(&snapshot).map(super::Hold::words).unwrap_or_default();
            return Err(refuse(&snapshot, &words));
        }
        chosen.push(snapshot);
    }
    for (snapshot, why) in protected(&listing.snapshots, holds, Utc::now()) {
        if chosen.contains(&snapshot) {
            return Err(refuse(&snapshot, &why));
        }
    }
    let (mut forgotten, kept): (Vec<_>, Vec<_>) = listing
        .snapshots
        .iter()
        .map(Decided::of)
        .partition(|decided| chosen.contains(&decided.snapshot));
    chosen.retain(|name| forgotten.iter().all(|gone| gone.snapshot != *name));
    forgotten.extend(chosen.into_iter().map(Decided::damaged));
    Ok(ForgetOutcome { dry_run, forgotten, kept, findings: Vec::new() })
}

fn find(name: &str, listing: &Listing) -> Result<Digest, Failure> {
    let hex = name.strip_prefix("blake3:").unwrap_or(name);
    let begins = |listed: &&Listed| !hex.is_empty() && listed.snapshot.hex().starts_with(hex);
    let found: Vec<_> = listing.snapshots.iter().filter(begins).collect();
    let damaged = || {
        let whole = format!("blake3:{hex}").parse::<Digest>().ok()?;
        let key = BackupStore::manifest_key(&whole);
        let known = listing.damaged.iter().any(|finding| {
            // One of a later version is no damage.
            finding.blocks() && finding.key.as_ref() == Some(&key)
        });
        known.then_some(whole)
    };
    match (&found[..], damaged()) {
        ([one], _) => Ok(one.snapshot),
        ([], Some(damaged)) => Ok(damaged),
        ([], None) => Err(missing(format!("failed to forget: no snapshot begins with `{name}`"))),
        (_, _) => Err(missing(format!("failed to forget: several snapshots begin with `{name}`"))),
    }
}

fn missing(message: String) -> Failure {
    Failure::permanent(Code::SnapshotMissing, message)
        .hint("nothing was forgotten; list what there is with `coppice snapshots URL`")
}

fn refuse(snapshot: &Digest, why: &str) -> Failure {
    let message = format!("failed to forget {}: it is {why}", snapshot.short());
    Failure::permanent(Code::SnapshotHeld, message)
        .hint("nothing was forgotten; see `coppice snapshots URL` and `coppice release`")
}

impl Decided {
    fn of(listed: &Listed) -> Self {
        Self {
            snapshot: listed.snapshot,
            state: Some(listed.state),
            as_of: Some(listed.as_of),
            environment: listed.source.environment.clone(),
            reasons: Vec::new(),
        }
    }

    fn damaged(snapshot: Digest) -> Self {
        Self { snapshot, state: None, as_of: None, environment: None, reasons: Vec::new() }
    }
}
