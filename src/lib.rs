//! Coppice restores the canonical stores of a data platform, proves them intact, regrows every
//! projection from them in dependency order, proves those too, and cuts over by one decision.

mod access;
mod canonical;
pub mod cli;
mod dataset;
pub mod digest;
mod engine;
mod journal;
pub mod model;
mod plan;
mod postgres;
mod process;
mod projection;
mod proof;
mod receipt;
mod recovery;
mod report;
mod store;

#[cfg(test)]
#[path = "../tests/integration/services/client.rs"]
mod services;
