//! What do the canonical data say? Artifacts as Arrow tables, SQL over them, catalog quads.

mod catalog;
mod check;
mod crs;
mod declared;
mod defect;
mod distinct;
mod error;
mod expect;
#[cfg(test)]
pub(crate) mod fixture;
mod functions;
mod geometry;
mod held;
mod output;
mod pinned;
mod session;
mod settle;
mod source;
#[cfg(test)]
mod tests;

pub(crate) use error::DatasetError;
pub(crate) use expect::Expectation;
pub(crate) use held::Counted;
pub(crate) use output::Output;
pub(crate) use session::Session;
pub(crate) use source::Wanted;
