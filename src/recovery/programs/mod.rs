//! How does a job's program make its files? In a private folder with copies of what it declared:
//! inputs that are verified, files that are pinned, and an empty place for its outputs.

mod check;
mod inputs;
mod made;
mod make;
mod ready;
mod room;
mod variables;

pub(super) use check::check;
pub(super) use make::make;
pub(super) use ready::{command_ready, ready};
pub(super) use variables::variables;
