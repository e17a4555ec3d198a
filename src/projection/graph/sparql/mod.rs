//! How is a graph kept on a SPARQL 1.1 server? Generations in graphs of their own, and a registry
//! graph that says which is live.

mod batch;
mod by_value;
mod client;
mod error;
mod lock;
mod marker;
mod names;
#[cfg(test)]
mod proxy;
mod read;
mod registry;
mod samples;
mod scratch;
mod stage;
mod switch;
mod target;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod troubles;

pub(crate) use client::{Auth, Client, Endpoints};
pub(crate) use error::SparqlError;
pub(crate) use lock::{GraphLock, LockRequest, held};
pub(crate) use names::Space;
pub(crate) use target::SparqlProjection;
