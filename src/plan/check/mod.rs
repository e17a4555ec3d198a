//! Is a document sound beyond its form? Each check gives all problems that it finds, with places.

mod around;
mod commands;
mod environments;
mod jobs;
mod places;
mod programs;
mod reading;
mod sinks;
mod variables;

pub(super) use environments::plan;
pub(super) use jobs::jobs;
