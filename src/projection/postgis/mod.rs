//! How is a table in PostGIS regrown? Staged in a schema of its own, shown to readers by a view.

mod around;
mod encoding;
mod error;
mod live;
mod others;
mod patience;
mod read;
mod readers;
mod registry;
mod show;
mod stage;
mod switch;
mod table;
mod target;
#[cfg(test)]
mod tests;

pub(crate) use around::Roles;
pub(crate) use error::PostgisError;
pub(crate) use table::generation_schema;
pub(crate) use target::PostgisProjection;

/// Raised when the same rows would be stored in another way.
pub(crate) const BUILDER: u32 = 1;
