//! What do the canonical data say? Artifacts as Arrow tables, SQL over them, catalog quads.

mod catalog;
mod check;
mod error;
mod extent;
#[cfg(test)]
pub(crate) mod fixture;
mod functions;
mod pinned;
mod session;
mod source;
#[cfg(test)]
mod tests;

pub(crate) use error::DatasetError;
pub(crate) use session::Session;
