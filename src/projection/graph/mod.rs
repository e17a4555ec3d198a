//! How is a graph regrown? Distinct, sorted N-Quads, in one zstd file that is asked through
//! oxigraph, or on a SPARQL server.

mod archive;
mod error;
mod query;
mod sort;
mod source;
pub(crate) mod sparql;
mod target;
mod terms;
#[cfg(test)]
mod tests;

pub(crate) use error::GraphError;
pub(crate) use query::Counts;
pub(crate) use source::source;
pub(crate) use target::{BUILDER, GraphProjection};
