//! How are the files of another program kept and proven? Each is a row: its name, size and digest.

mod error;
mod rows;
mod target;
#[cfg(test)]
mod tests;

pub(crate) use error::CommandError;
pub(crate) use rows::source;
pub(crate) use target::{BUILDER, CommandProjection};
