//! How is derived data regrown? One trait, and a folder for each kind of target.

pub(crate) mod command;
mod contract;
pub(crate) mod files;
pub(crate) mod graph;
pub(crate) mod postgis;
mod refusal;
pub(crate) mod search;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod tiles;

pub(crate) use contract::{Change, Generation, Held, LastSwitch, Projection, StageContext, Stored};
pub(crate) use refusal::Refusal;
