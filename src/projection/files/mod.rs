//! How do file-like projections share one store and one live pointer?

mod error;
mod fetch;
mod listing;
mod objects;
mod pointer;
mod target;
#[cfg(test)]
mod tests;

pub(crate) use error::FilesError;
pub(crate) use fetch::Copy;
pub(crate) use target::Files;
