//! What should happen? The YAML documents, their validation, and the recovery graph made of them.

mod document;
mod facts;
mod graph;
mod job;
mod params;

pub(crate) use document::*;
pub(crate) use facts::*;
pub(crate) use graph::*;
pub(crate) use job::*;
pub(crate) use params::*;
