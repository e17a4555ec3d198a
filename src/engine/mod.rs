//! In what order, and what when it fails? Runs a recovery graph; knows no store and no projection.

mod action;

pub(crate) use action::{Action, Bind, Blobs, Output, Preview, StepContext, Unit};
