//! How do we reach PostgreSQL? Connections, a private cluster, quoting, markers and locks, the COPY codec.

mod binaries;
mod cluster;
mod cluster_error;
mod connect;
mod copy;
mod environment;
mod ewkb;
mod grants;
mod lock;
mod owner;
mod quote;
mod split;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod url;
mod version;

pub(crate) use binaries::installed_identity;
pub(crate) use cluster::{Cluster, Durability};
pub(crate) use connect::{PgError, execute, execute_one, free_connections, open_pool};
pub(crate) use copy::{CopyEncoder, geometry_kind};
pub(crate) use environment::{Marker, ensure_registry, has_registry, read_marker, write_marker};
pub(crate) use grants::{Wanted, missing_grants};
pub(crate) use lock::{LockError, TargetLock, held};
pub(crate) use quote::{Part, Sql, sql};
pub(crate) use split::{SIGNATURE, SplitError, TRAILER, TupleSplitter};
pub(crate) use url::{Trust, connect_options, trust};
pub(crate) use version::{server_identity, system_identity};
