//! How is a search index regrown? One tantivy segment, every field of every record stored.

mod documents;
mod error;
mod find;
mod index;
mod records;
mod target;
#[cfg(test)]
mod tests;
mod tokenizer;

pub(crate) use error::SearchError;
pub(crate) use target::{BUILDER, SearchProjection};
