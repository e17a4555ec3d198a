use super::error::LedgerError;
use super::record::{DOCUMENT_LIMIT, HEAD};
use super::report::Standing;
use super::source::sealed;
use super::verify::parse_head;
use crate::canonical::backup::BackupStore;
use crate::canonical::shard::Entry;
use crate::digest::Digest;
use crate::model::RunId;
use crate::store::{OWN, Pin, Store};

/// What a restore does with the head document at the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeadMove {
    /// There is none: it is written.
    Write,
    /// It is in this state, and the snapshot's chain goes on from it: it is replaced.
    Replace(Pin),
    /// It is the snapshot's already.
    Same,
    /// It goes on from the snapshot's: it stays, and its signature with it.
    Keep,
}

/// Decides what becomes of the head, which was proven to stand like this to the snapshot's.
pub(crate) async fn head_move(
    store: &Store,
    snapshot_head: Option<Digest>,
    standing: Standing,
    proven: Option<Digest>,
) -> Result<HeadMove, LedgerError> {
    let Some((bytes, meta)) = store.read(HEAD, DOCUMENT_LIMIT).await? else {
        return match standing {
            Standing::Absent => Ok(HeadMove::Write),
            _ => Err(LedgerError::Moved),
        };
    };
    let now = parse_head(&bytes).map(|head| head.event_hash);
    match (standing, now) {
        (_, Some(now)) if Some(now) == snapshot_head => Ok(HeadMove::Same),
        (Standing::Ahead | Standing::Same, Some(_)) => Ok(HeadMove::Keep),
        (Standing::Behind, Some(now)) if Some(now) == proven => Ok(HeadMove::Replace(meta.pin)),
        (Standing::Damaged, None) => Ok(HeadMove::Replace(meta.pin)),
        _ => Err(LedgerError::Moved),
    }
}

/// Moves the head to the snapshot's, if it is still in the state that was seen; the former one is
/// copied aside first.
pub(crate) async fn move_head(
    store: &Store,
    backup: &BackupStore,
    entry: &Entry,
    pin: &Pin,
    run: RunId,
) -> Result<(), LedgerError> {
    let bytes = sealed(backup, entry).await?.filter(|bytes| Digest::blake3(bytes) == entry.digest);
    let bytes = bytes.ok_or(LedgerError::SnapshotHead)?;
    if let Some((former, _)) = store.read(HEAD, DOCUMENT_LIMIT).await? {
        store.create(&format!("{OWN}displaced/{run}/{HEAD}"), former).await?;
    }
    if store.compare_and_swap(HEAD, bytes, Some(pin)).await? {
        Ok(())
    } else {
        Err(LedgerError::Moved)
    }
}
