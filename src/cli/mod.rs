//! What did the operator ask? One file per command; the only room that touches the terminal.

#[allow(clippy::doc_markdown, reason = "help texts are shown as they are written")]
mod args;
mod check;
mod entry;
mod exit;
mod findings;
mod forget;
mod holds;
mod init;
mod output;
mod plan;
mod plans;
mod preview;
mod progress;
mod prune;
mod reports;
mod run;
mod runs;
mod shell;
mod snapshot;
mod snapshots;
mod state;
mod status;
mod stores;
mod upkeep_args;
mod verify;

pub use entry::main;
