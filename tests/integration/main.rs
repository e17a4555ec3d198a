//! Drives `coppice` as a user would, against real parts. One binary, so that it links once.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::duration_suboptimal_units,
    reason = "tests say what they demand by panicking"
)]

mod accept;
mod answer_key;
mod architecture;
mod bad_rows;
mod bench;
mod by_hand;
mod commands;
mod cutover;
mod damage;
mod deploy;
mod drift;
mod fence;
mod generated;
mod graph_server;
mod image;
mod incident;
mod interrupted;
mod ledger;
mod postgis_server;
mod postgis_tls;
mod postgis_versions;
mod preview;
mod programs;
mod promote;
mod rehearsal;
mod reindex;
mod scheduled;
mod secrecy;
mod server;
mod services;
mod sessions;
mod shared_journal;
mod sibling;
mod snapshots;
mod standing;
mod targets;
mod usage;
mod validators;
mod withdrawals;
