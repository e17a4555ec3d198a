//! Snapshots that may not be forgotten: until a time, or until a legal hold is lifted.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::exclusive::Upkeep;
use crate::canonical::backup::{BackupError, BackupStore};
use crate::digest::Digest;
use crate::model::{Code, Failure};
use crate::store::Pin;

const FOLDER: &str = "holds";
const FORMER: &str = "holds/former";
const LIMIT: u64 = 64 * 1024;

/// Why a snapshot may not be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    /// Retained until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<DateTime<Utc>>,
    /// On legal hold, until it is lifted.
    #[serde(rename = "legal_hold")]
    pub(crate) legal: bool,
    /// Why.
    pub(crate) reason: String,
    /// Who said so.
    pub(crate) actor: String,
    /// When.
    pub(crate) at: DateTime<Utc>,
}

impl Hold {
    /// Whether it binds at a time.
    pub(crate) fn binds(&self, now: DateTime<Utc>) -> bool {
        self.legal || self.until.is_some_and(|until| until > now)
    }

    /// What binds, in words.
    pub(crate) fn words(&self) -> String {
        match (self.legal, &self.until) {
            (true, _) => "on legal hold".to_owned(),
            (false, Some(until)) => {
                format!("retained until {}", until.to_rfc3339_opts(SecondsFormat::Secs, true))
            }
            (false, None) => "not held".to_owned(),
        }
    }

    /// Both: a hold never gets weaker by another.
    fn with(self, former: &Self) -> Self {
        let until = self.until.max(former.until);
        Self { until, legal: self.legal || former.legal, ..self }
    }
}

/// The holds of a backup store, by snapshot.
pub(crate) type Holds = BTreeMap<Digest, Hold>;

impl BackupStore {
    fn hold_key(snapshot: &Digest) -> String {
        format!("{FOLDER}/{}.json", snapshot.hex())
    }

    /// Reads all holds. One that cannot be read is an error: it may bind.
    pub(crate) async fn holds(&self) -> Result<Holds, Failure> {
        let mut holds = Holds::new();
        let mut walk = self.store().walk_without(FOLDER, vec![FORMER.to_owned()]);
        while let Some(walked) = walk.try_next().await? {
            let hex = walked.name().strip_prefix("holds/").and_then(|n| n.strip_suffix(".json"));
            let snapshot = hex.and_then(|hex| format!("blake3:{hex}").parse::<Digest>().ok());
            let Some(snapshot) = snapshot else {
                let message = format!("failed to read the hold {}", walked.name());
                return Err(Failure::permanent(Code::SnapshotHeld, message)
                    .hint("it names no snapshot; look at it by hand"));
            };
            if let Some((hold, _)) = self.read_hold(&snapshot).await? {
                holds.insert(snapshot, hold);
            }
        }
        Ok(holds)
    }

    async fn read_hold(&self, snapshot: &Digest) -> Result<Option<(Hold, Pin)>, Failure> {
        let key = Self::hold_key(snapshot);
        let Some((bytes, meta)) = self.store().read(&key, LIMIT).await? else { return Ok(None) };
        let hold = serde_json::from_slice(&bytes).map_err(|error| {
            Failure::permanent(Code::SnapshotHeld, format!("failed to read the hold {key}"))
                .because(&error)
                .hint("it may bind, so it counts as binding; look at it by hand")
        })?;
        Ok(Some((hold, meta.pin)))
    }

    /// Keeps what a hold was, for whoever asks later.
    async fn keep_former(
        &self,
        snapshot: &Digest,
        former: &Hold,
        by: &Hold,
    ) -> Result<(), Failure> {
        let at = by.at.timestamp_micros();
        let key = format!("{FORMER}/{}-{at}.json", snapshot.hex());
        let body = json!({ "hold": former, "replaced_by": by });
        self.store().create(&key, body.to_string().into()).await?;
        Ok(())
    }

    /// Forgets the hold of a snapshot that is no longer there.
    pub(super) async fn drop_hold(&self, snapshot: &Digest) -> Result<(), Failure> {
        self.store().delete(&Self::hold_key(snapshot)).await?;
        Ok(())
    }
}

/// Holds a snapshot. A hold that is there already gets stricter, never weaker.
pub(crate) async fn hold(
    backup: &BackupStore,
    snapshot: &Digest,
    new: Hold,
) -> Result<Hold, Failure> {
    let actor = new.actor.clone();
    Upkeep::under(backup, &actor, async |_| {
        // A snapshot that was forgotten a moment ago cannot be held.
        backup.manifest(snapshot).await?;
        let (hold, pin) = match backup.read_hold(snapshot).await? {
            None => (new, None),
            Some((former, pin)) => {
                backup.keep_former(snapshot, &former, &new).await?;
                (new.with(&former), Some(pin))
            }
        };
        swap(backup, snapshot, &hold, pin.as_ref()).await?;
        Ok(hold)
    })
    .await
}

/// Lifts the legal hold of a snapshot. A retention that is not over stays: that is what it is for.
pub(crate) async fn release(
    backup: &BackupStore,
    snapshot: &Digest,
    by: Hold,
) -> Result<Option<Hold>, Failure> {
    let actor = by.actor.clone();
    Upkeep::under(backup, &actor, async |_| {
        let Some((former, pin)) = backup.read_hold(snapshot).await? else {
            let message = format!("{} is not held", snapshot.short());
            return Err(Failure::permanent(Code::Usage, message));
        };
        let retained = former.until.is_some_and(|until| until > by.at);
        if retained && !former.legal {
            let message = format!("{} is {}", snapshot.short(), former.words());
            return Err(Failure::permanent(Code::SnapshotHeld, message)
                .hint("a retention ends by itself; only a legal hold can be lifted"));
        }
        backup.keep_former(snapshot, &former, &by).await?;
        if !retained {
            backup.drop_hold(snapshot).await?;
            return Ok(None);
        }
        let left = Hold { legal: false, ..former };
        swap(backup, snapshot, &left, Some(&pin)).await?;
        Ok(Some(left))
    })
    .await
}

async fn swap(
    backup: &BackupStore,
    snapshot: &Digest,
    hold: &Hold,
    pin: Option<&Pin>,
) -> Result<(), Failure> {
    let bytes = crate::digest::canonical_json(hold).map_err(BackupError::from)?;
    let key = BackupStore::hold_key(snapshot);
    if backup.store().compare_and_swap(&key, bytes.into(), pin).await? {
        return Ok(());
    }
    let message = format!("failed to write {key}: it changed meanwhile");
    Err(Failure::transient(Code::StepFailed, message).hint("look at it, then try again"))
}
