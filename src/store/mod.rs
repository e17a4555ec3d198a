//! How are bytes read and published safely? Stores by URL, verified writes, pinned reads, locks.

mod attributes;
mod backend;
mod error;
mod facade;
mod keys;
mod limits;
mod local;
mod location;
mod lock;
mod marker;
mod meta;
mod publish;
mod refusal;
mod remote;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod crash;

#[cfg(test)]
pub(crate) use contract::nasty_keys;

pub(crate) use attributes::Attributes;
pub(crate) use backend::ByteStream;
pub(crate) use error::StoreError;
pub(crate) use facade::Store;
pub(crate) use keys::OWN;
pub(crate) use limits::Gate;
pub(crate) use location::Location;
pub(crate) use lock::{Holder, TargetLock, held, standing};
pub(crate) use marker::{check_marker, glance_at_marker, read_marker, write_marker};
pub(crate) use meta::{Created, Expected, Meta, OnConflict, Pin, Published, Walked};
