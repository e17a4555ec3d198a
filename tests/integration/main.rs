//! Drives `coppice` as a user would, against real parts. One binary, so that it links once.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::duration_suboptimal_units,
    reason = "tests say what they demand by panicking"
)]

mod architecture;
mod bench;
mod damage;
mod fence;
mod generated;
mod interrupted;
mod rehearsal;
mod secrecy;
mod sibling;
mod targets;
mod usage;
mod validators;
mod withdrawals;
