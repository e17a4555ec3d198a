//! How do file-like projections share one store and one live pointer?

mod error;
mod fetch;
mod listing;
mod objects;
mod pointer;
mod projection;
mod staging;
mod stored;
mod take;
mod target;
#[cfg(test)]
mod tests;
mod threads;

pub(crate) use error::FilesError;
pub(crate) use fetch::Copy;
pub(crate) use projection::{FileKind, FileProjection};
pub(crate) use target::Files;
pub(crate) use threads::{Incoming, read_in_thread, write_in_thread};
