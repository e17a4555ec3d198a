//! Which keys any store can hold, and what a key says of where it belongs.

use super::StoreError;

/// The folder of Coppice's own files in a store; never part of a snapshot, never extra.
pub(crate) const OWN: &str = ".coppice/";

/// Says why no store can hold `key` without making another name of it.
pub(super) fn check(store: &str, key: &str) -> Result<(), StoreError> {
    let why = if key.is_empty() {
        "it is empty"
    } else if key.split('/').any(str::is_empty) {
        "it has an empty segment, or a slash at an end"
    } else if key.split('/').any(|s| s == "." || s == "..") {
        "it has a segment `.` or `..`"
    } else if key.contains('\0') {
        "it has a NUL"
    } else {
        return Ok(());
    };
    Err(refused(store, key, why))
}

/// The error for a key that a store cannot hold.
pub(super) fn refused(store: &str, key: &str, why: &str) -> StoreError {
    StoreError::CannotHold { store: store.to_owned(), key: key.to_owned(), why: why.to_owned() }
}
