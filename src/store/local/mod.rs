//! How does a directory hold objects? By our own I/O, since names must survive verbatim.

mod dir;
mod read;
mod walk;
mod write;

pub(super) use dir::Local;
