//! What should happen? The YAML documents, their validation, and the recovery graph made of them.

mod beside;
mod check;
mod command;
#[cfg(test)]
mod command_tests;
mod compile;
mod diff;
mod document;
mod facts;
mod graph;
mod graph_spec;
mod job;
mod load;
#[cfg(test)]
mod load_tests;
mod params;
mod paths;
mod problem;
pub(crate) mod render;
#[cfg(test)]
mod samples;
mod schema;
mod secrets;
mod shape;
mod source;
#[cfg(test)]
mod table_tests;

pub(crate) use command::CommandSpec;
pub(crate) use compile::compile;
pub(crate) use diff::{Difference, Differs, diff};
pub(crate) use document::*;
pub(crate) use facts::*;
pub(crate) use graph::*;
use graph_spec::names_endpoint;
pub(crate) use graph_spec::{GraphSpec, SparqlAuth, SparqlSpec, endpoint};
pub(crate) use job::*;
pub(crate) use load::{LoadedJob, LoadedPlan, load};
pub(crate) use params::*;
pub(crate) use problem::Problem;
pub(crate) use schema::{rebuild_job_schema, recovery_plan_schema};

use crate::model::hint;
pub(crate) use crate::model::{OptionValue, Period};
