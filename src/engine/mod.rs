//! In what order, and what when it fails? Runs a recovery graph; knows no store and no projection.

mod action;

pub(crate) use crate::model::Output;
pub(crate) use action::{Action, Bind, Blobs, Preview, StepContext, Unit};
