//! The targets of projections: one registry, opened when a step first needs them.

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::PgPool;
use tokio::sync::OnceCell;

use crate::access::Secret;
use crate::model::{Failure, Sink};
use crate::postgres::{Cluster, Durability, PgError, connect_options, open_pool};
use crate::projection::files::FilesTarget;
use crate::projection::graph::GraphProjection;
use crate::projection::postgis::PostgisProjection;
use crate::projection::search::SearchProjection;
use crate::projection::tiles::TilesProjection;
use crate::projection::{Change, Projection};
use crate::store::Store;

/// Where `PostGIS` is. A secret stays a reference until the first connection.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// A private cluster in a folder.
    Private {
        /// The folder of its data.
        data: PathBuf,
        /// Whether it outlives the run.
        durability: Durability,
    },
    /// A server that somebody runs: where its URL is.
    Server {
        /// `env:NAME` or `file:PATH`.
        secret: String,
    },
}

/// A connection to `PostGIS`, and the private cluster behind it, if it is one.
pub(crate) struct Connected {
    pub(crate) pool: PgPool,
    cluster: Option<Cluster>,
}

/// The targets of projections.
pub(crate) struct Targets {
    database: Database,
    files: Arc<FilesTarget>,
    postgis: OnceCell<Connected>,
}
