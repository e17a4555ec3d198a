//! What does a backup store hold? Blobs by content, and snapshots that name them.

mod blobs;
mod choose;
mod error;
mod open;

pub(crate) use blobs::{Blob, PIECE, Piece};
pub(crate) use choose::{Accepts, Choice, Listed, Listing};
pub(crate) use error::BackupError;
pub(crate) use open::BackupStore;
