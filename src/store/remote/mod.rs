//! How does an object store hold objects? Through `object_store`, in memory or over the network.

mod client;
mod walk;
mod write;

#[cfg(test)]
pub(super) mod testing;

pub(super) use client::Remote;
