//! In what order, and what when it fails? Runs a recovery graph; knows no store and no projection.

mod action;
mod asks;
mod blobs;
mod check;
mod dispatcher;
mod drive;
mod executor;
mod keeper;
mod reopen;
mod retry;
mod run;
#[cfg(test)]
pub(crate) mod samples;
mod scheduler;
mod seed;
#[cfg(test)]
mod tests;

pub(crate) use action::{Action, Bind, Blobs, StepContext, Unit};
pub(crate) use asks::settle;
pub(crate) use run::{Engine, abandon, resume, run, stored_graph};
