//! What did the operator ask? One file per command; the only room that touches the terminal.

mod added;
#[allow(clippy::doc_markdown, reason = "help texts are shown as they are written")]
mod args;
mod ask;
#[allow(clippy::doc_markdown, reason = "help texts are shown as they are written")]
mod ask_args;
mod check;
mod confirm;
mod drift;
mod entry;
mod exit;
mod findings;
mod forget;
mod generations;
mod history;
mod holds;
mod init;
mod near;
mod only;
mod output;
mod overlap;
mod plan;
mod plans;
mod preview;
mod progress;
mod prune;
#[allow(clippy::doc_markdown, reason = "help texts are shown as they are written")]
mod report_args;
mod reports;
mod run;
#[allow(clippy::doc_markdown, reason = "help texts are shown as they are written")]
mod run_args;
mod runs;
mod shell;
mod sign_off;
mod signals;
mod since;
mod snapshot;
mod snapshots;
mod standing;
mod state;
mod status;
mod stores;
mod told;
mod upkeep_args;
mod verify;
mod watch;
#[cfg(test)]
mod words_tests;

pub use entry::main;
