//! Who answers for a drill. The receipt is never changed, since the ledger cites its digest: the
//! record stands beside it and cites it too.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::receipts::{receipt_path, stored};
use crate::digest::{Digest, canonical_json};
use crate::model::{Code, Failure, RunId};

/// The record of a drill that somebody answers for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignOff {
    /// The version of this form: 1.
    pub(crate) version: u32,
    /// The drill.
    pub(crate) drill: String,
    /// The rehearsal.
    pub(crate) run_id: RunId,
    /// The digest of its receipt as stored.
    pub(crate) receipt: Digest,
    /// Who answers for it.
    pub(crate) by: String,
    /// Since when.
    pub(crate) at: DateTime<Utc>,
    /// What the receipt says that has to be put right, and what was added.
    pub(crate) corrections: Vec<String>,
}

/// Where it is.
pub(crate) fn sign_off_path(state: &Path, run: RunId) -> PathBuf {
    state.join("receipts").join(format!("{run}.sign-off.json"))
}

/// Reads the record of a run, if somebody answers for it.
pub(crate) fn signed_off(state: &Path, run: RunId) -> Result<Option<SignOff>, Failure> {
    let path = sign_off_path(state, run);
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::permanent(Code::Journal, format!("failed to read {}", path.display()))
            .because(error)
    };
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| failed(&error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(&error)),
    }
}

/// Records that `by` answers for the drill of a rehearsal: once.
pub(crate) fn sign_off(
    state: &Path,
    run: RunId,
    by: &str,
    corrections: &[String],
) -> Result<SignOff, Failure> {
    let refused = |message: String| Failure::permanent(Code::Usage, message);
    if by.trim().is_empty() {
        return Err(refused("nobody is named".to_owned()).hint("--by NAME says who answers for it"));
    }
    let Some(receipt) = stored(state, run)? else {
        return Err(refused(format!("run {run} has no receipt"))
            .hint("only a rehearsal that ended is signed off; see `coppice history`"));
    };
    let Some(drill) = receipt.predicate.drill else {
        return Err(refused(format!("run {run} is a {}, not a rehearsal", receipt.predicate.mode)));
    };
    if let Some(signed) = signed_off(state, run)? {
        let at = crate::model::moment(signed.at);
        return Err(refused(format!("{} signed {} off at {at}", signed.by, signed.drill))
            .hint("a sign-off stands; what changed since is for the next rehearsal"));
    }
    let bytes = std::fs::read(receipt_path(state, run)).map_err(|error| {
        Failure::permanent(Code::Journal, format!("failed to read the receipt of {run}"))
            .because(&error)
    })?;
    let signed = SignOff {
        version: 1,
        drill: drill.id,
        run_id: run,
        receipt: Digest::blake3(&bytes),
        by: by.to_owned(),
        at: Utc::now(),
        corrections: drill.corrections.into_iter().chain(corrections.iter().cloned()).collect(),
    };
    store(&sign_off_path(state, run), &signed)?;
    Ok(signed)
}

/// Written under another name first; a record that came meanwhile stays.
fn store(path: &Path, signed: &SignOff) -> Result<(), Failure> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::permanent(Code::StepFailed, format!("failed to write {}", path.display()))
            .because(error)
    };
    let bytes = canonical_json(signed).map_err(|error| failed(&error))?;
    let work = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut staging = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut staging, &bytes)?;
        staging.as_file().sync_all()?;
        staging.persist_noclobber(path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    work().map_err(|error| failed(&error))
}
