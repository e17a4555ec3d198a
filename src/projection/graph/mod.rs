//! How is a graph regrown? Distinct, sorted N-Quads in one zstd file, asked through oxigraph.

mod archive;
mod error;
mod query;
mod sort;
mod source;
mod target;
mod terms;
#[cfg(test)]
mod tests;

pub(crate) use error::GraphError;
pub(crate) use query::Counts;
pub(crate) use source::source;
pub(crate) use target::{BUILDER, GraphProjection};
