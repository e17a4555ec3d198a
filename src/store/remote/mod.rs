//! How does an object store hold objects? Through `object_store`, in memory or over the network.

mod client;
mod open;
mod read;
mod walk;
mod wire;
mod write;

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;

pub(super) use client::Remote;
