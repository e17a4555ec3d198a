//! How are bytes read and published safely? Stores by URL, verified writes, pinned reads, locks.

mod backend;
mod error;
mod facade;
mod keys;
mod local;
mod location;
mod meta;
mod publish;
mod remote;

#[cfg(test)]
mod contract;

pub(crate) use backend::ByteStream;
pub(crate) use error::StoreError;
pub(crate) use facade::Store;
pub(crate) use location::Location;
pub(crate) use meta::{Created, Expected, Meta, OnConflict, Pin, Published, Walked};
