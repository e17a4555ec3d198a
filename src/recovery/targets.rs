//! The targets of projections: one registry, opened when a step first needs them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::OnceCell;

use super::graph_server::GraphServer;
use super::places::Places;
use crate::access::SecretRef;
use crate::model::{Code, Failure, Sink};
use crate::postgres::{Cluster, Durability, connect_options, open_pool};
use crate::projection::command::CommandProjection;
use crate::projection::files::Files;
use crate::projection::graph::GraphProjection;
use crate::projection::postgis::{PostgisProjection, Roles};
use crate::projection::search::SearchProjection;
use crate::projection::tiles::TilesProjection;
use crate::projection::{Change, Projection};
use crate::store::Store;

/// Where `PostGIS` is. A secret stays a reference until the first connection.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// A private cluster.
    Private {
        /// The folder of its data.
        data: PathBuf,
        /// Whether it outlives the run.
        durability: Durability,
    },
    /// A server that somebody runs.
    Server {
        /// Where its URL is.
        secret: SecretRef,
        /// Where the password is, if not in the URL.
        password: Option<SecretRef>,
        /// The folder that a file reference is relative to.
        base: PathBuf,
    },
}

/// Which target: each has a record of its own of what is live. In the order of a cutover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TargetKind {
    /// Tables in a database.
    Database,
    /// Graphs on a SPARQL server.
    GraphServer,
    /// Files in the store of projections, under one live pointer.
    Files,
}

/// The targets of projections.
pub(crate) struct Targets {
    database: Database,
    graph: Option<GraphServer>,
    files: Files,
    store: Store,
    /// Connections of the pool.
    connections: u32,
    postgis: OnceCell<(PgPool, Option<Cluster>)>,
}

impl Targets {
    /// Names the targets; opens none of them. A pool of the database has `connections`.
    pub(crate) fn new(places: &Places, connections: u32) -> Result<Self, Failure> {
        let (database, graph) = (places.database.clone(), places.graph.clone());
        let store = super::places::store(&places.projections)?;
        let files = Files::new(store.clone(), places.cache.clone());
        Ok(Self { database, graph, files, store, connections, postgis: OnceCell::new() })
    }

    /// The server of graphs; `None`: they are files.
    pub(crate) fn graph(&self) -> Option<&GraphServer> {
        self.graph.as_ref()
    }

    /// The store of file-like projections.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The shared part of file-like projections.
    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// The registry: which projection fills which sink.
    pub(crate) async fn of(&self, sink: &Sink) -> Result<Arc<dyn Projection>, Failure> {
        match (self.kind(sink), sink) {
            (TargetKind::Files, Sink::Search(_)) => {
                Ok(Arc::new(SearchProjection::new(self.files.clone())))
            }
            (TargetKind::Files, Sink::Graph(_)) => {
                Ok(Arc::new(GraphProjection::new(self.files.clone())))
            }
            (TargetKind::Files, Sink::Tiles(_)) => {
                Ok(Arc::new(TilesProjection::new(self.files.clone())))
            }
            (kind, _) => self.of_kind(kind).await,
        }
    }

    /// A target as a whole; for files the kind that cares for no content, as all kinds share what is
    /// asked of the whole.
    async fn of_kind(&self, kind: TargetKind) -> Result<Arc<dyn Projection>, Failure> {
        Ok(match (kind, &self.graph) {
            (TargetKind::Database, _) => {
                Arc::new(PostgisProjection::new(self.pool().await?.clone(), self.roles()))
            }
            (TargetKind::GraphServer, Some(server)) => Arc::new(server.projection().await?),
            (TargetKind::GraphServer | TargetKind::Files, _) => {
                Arc::new(CommandProjection::new(self.files.clone()))
            }
        })
    }

    /// A private cluster knows no role of the platform: the ones that jobs grant to are made there.
    fn roles(&self) -> Roles {
        match &self.database {
            Database::Private { .. } => Roles::Made,
            Database::Server { .. } => Roles::Given,
        }
    }

    /// Whether there is anything to look into: a private cluster that was never made holds nothing,
    /// and is not made for a look.
    pub(crate) fn is_there(&self, sink: &Sink) -> bool {
        !matches!(sink, Sink::Postgis(_)) || self.has_database()
    }

    /// Whether there is a database: a private cluster is made when it is first written to.
    pub(crate) fn has_database(&self) -> bool {
        match &self.database {
            Database::Private { data, .. } => data.exists(),
            Database::Server { .. } => true,
        }
    }

    /// Sorts changes by target: `PostGIS` first, then a server of graphs, then what hangs on the
    /// live pointer, which all file-like projections share and switch at once.
    pub(crate) async fn grouped(
        &self,
        set: &[Change],
    ) -> Result<Vec<(Arc<dyn Projection>, Vec<Change>)>, Failure> {
        let mut by_kind: BTreeMap<TargetKind, Vec<Change>> = BTreeMap::new();
        for change in set {
            by_kind.entry(self.kind(&change.sink)).or_default().push(change.clone());
        }
        let mut groups = Vec::new();
        for (kind, changes) in by_kind {
            groups.push((self.of_kind(kind).await?, changes));
        }
        Ok(groups)
    }

    /// Which target a sink is at.
    pub(crate) fn kind(&self, sink: &Sink) -> TargetKind {
        match sink {
            Sink::Postgis(_) => TargetKind::Database,
            Sink::Graph(_) if self.graph.is_some() => TargetKind::GraphServer,
            _ => TargetKind::Files,
        }
    }

    /// The targets that there are to look into.
    pub(crate) async fn all(&self) -> Result<Vec<(TargetKind, Arc<dyn Projection>)>, Failure> {
        let mut kinds = vec![TargetKind::Files];
        kinds.extend(self.graph.is_some().then_some(TargetKind::GraphServer));
        kinds.extend(self.has_database().then_some(TargetKind::Database));
        let mut all = Vec::new();
        for kind in kinds {
            all.push((kind, self.of_kind(kind).await?));
        }
        Ok(all)
    }

    /// Connections to `PostGIS`; starts the private cluster where it is one.
    pub(crate) async fn pool(&self) -> Result<&PgPool, Failure> {
        Ok(&self.postgis.get_or_try_init(|| self.connect()).await?.0)
    }

    /// The reference under which locks and receipts name the database; holds no secret.
    pub(crate) fn database_name(&self) -> String {
        match &self.database {
            Database::Private { data, .. } => format!("postgres:{}", data.display()),
            Database::Server { secret, .. } => format!("postgres:{secret}"),
        }
    }

    /// Closes connections, and stops the private cluster if this process started or used one.
    pub(crate) async fn close(&self) -> Result<(), Failure> {
        if let Some((pool, cluster)) = self.postgis.get() {
            pool.close().await;
            // A clean-up may have removed the cluster with all its data.
            if let (Some(cluster), Database::Private { data, .. }) = (cluster, &self.database)
                && data.exists()
                && !still_used(cluster).await
            {
                cluster.stop().await?;
            }
        }
        Ok(())
    }

    /// Removes a scratch cluster with all its data, also one that a killed run left.
    pub(crate) async fn remove_scratch_cluster(&self) -> Result<(), Failure> {
        if let Some((pool, _)) = self.postgis.get() {
            pool.close().await;
        }
        match &self.database {
            Database::Private { data, durability: Durability::Scratch } => {
                if let Some(cluster) = Cluster::find(data)? {
                    cluster.remove().await?;
                }
                Ok(())
            }
            _ => Err(Failure::permanent(Code::Internal, "asked to remove what is not scratch")),
        }
    }

    async fn connect(&self) -> Result<(PgPool, Option<Cluster>), Failure> {
        match &self.database {
            Database::Private { data, durability } => {
                let cluster = Cluster::ensure(data, *durability).await?;
                Ok((open_pool(cluster.options(), self.connections).await?, Some(cluster)))
            }
            Database::Server { secret, password, base } => {
                let url = secret.resolve(base)?;
                let mut options = connect_options(url.expose())?;
                if let Some(password) = password {
                    options = options.password(password.resolve(base)?.expose());
                }
                Ok((open_pool(options, self.connections).await?, None))
            }
        }
    }
}

/// Whether another process uses the cluster. Our own connections need a moment to be gone; a
/// server that does not answer is used by nobody.
async fn still_used(cluster: &Cluster) -> bool {
    for _ in 0..10 {
        match cluster.is_used().await {
            Ok(true) => tokio::time::sleep(Duration::from_millis(50)).await,
            Ok(false) | Err(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::access::Redactor;
    use crate::journal::SqliteJournal;
    use crate::model::RunId;
    use crate::postgres::testing;
    use crate::recovery::World;
    use crate::recovery::setting::Setting;

    /// A rebuild on a server whose URL stands in the file `url` beside the plan.
    fn setting(folder: &Path) -> Setting {
        let store = |name: &str| json!({ "url": name });
        let setting = json!({
            "mode": "rebuild",
            "name": "dev",
            "environment": {
                "backup": store("backup"),
                "canonical": store("canonical"),
                "projections": store("projections"),
                "postgis": { "server": { "secret": "file:url" } },
                "objectives": {},
            },
            "plan": folder.join("plan.yaml"),
            "limits": { "queries": 7, "connections": 20 },
            "keep": false,
            "filter": {},
            "versions": [],
            "public_jobs": [],
        });
        serde_json::from_value(setting).unwrap()
    }

    /// The URL of a database of the test's own.
    async fn url() -> String {
        let options = testing::database().await.connect_options();
        let socket = options.get_socket().unwrap().display().to_string().replace('/', "%2F");
        let (user, database) = (options.get_username(), options.get_database().unwrap());
        format!("postgres://{user}@{socket}:{}/{database}?sslmode=disable", options.get_port())
    }

    #[tokio::test]
    async fn the_pool_is_as_large_as_the_plan_says() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("url"), url().await).unwrap();
        let setting = setting(folder.path());
        let size = setting.limits.pool_size();
        assert_eq!(size, 12, "of 20 one holds the lock, and 7 read back");
        let state = folder.path().join("state");
        let journal = Arc::new(SqliteJournal::open(&state).await.unwrap());
        let redactor = Arc::new(Redactor::default());
        let world = World::open(RunId::now(), setting, &state, journal, redactor).await.unwrap();
        let pool = world.targets.pool().await.unwrap();
        assert_eq!(pool.options().get_max_connections(), size);
        world.targets.close().await.unwrap();
    }
}
