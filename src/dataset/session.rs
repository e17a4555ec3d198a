use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::TryStreamExt;

use super::check::{Partitions, check};
use super::crs::Crs;
use super::settle::Read;
use super::source::Wanted;
use super::{DatasetError, functions, source};
use crate::model::{DatasetVersion, Failure};
use crate::store::{Pin, Store};

/// SQL over verified dataset versions, within a memory pool that spills to disk.
pub(crate) struct Session {
    pub(super) context: SessionContext,
    pub(super) tables: BTreeMap<String, Table>,
    pub(super) spill: PathBuf,
}

/// What is known of a registered dataset version.
pub(super) struct Table {
    pub(super) version: DatasetVersion,
    /// The column with the geometry, as WKB.
    pub(super) geometry: Option<String>,
    /// What its coordinates are in.
    pub(super) srid: Crs,
    /// What the coordinates in its artifacts are in.
    pub(super) system: Option<Crs>,
    /// Whether its artifacts give the types of their columns themselves.
    pub(super) typed: bool,
    /// Its columns.
    pub(super) schema: SchemaRef,
    /// What was read of each artifact.
    pub(super) parts: Vec<(String, Read)>,
}

impl Session {
    /// Opens a session of its own: nothing is shared with others.
    pub(crate) fn new(memory_mib: u32, spill: &Path) -> Result<Self, DatasetError> {
        let mut config = SessionConfig::new().with_create_default_catalog_and_schema(true);
        let options = config.options_mut();
        // The reference system of a geometry is in the metadata of its field.
        options.execution.parquet.skip_metadata = false;
        options.execution.time_zone = Some("+00:00".to_owned());
        let pool = FairSpillPool::new(memory_mib as usize * 1024 * 1024);
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![spill.to_owned()]));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(DatasetError::Engine)?;
        let context = SessionContext::new_with_config_rt(config, runtime);
        geodatafusion::register(&context);
        functions::register(&context);
        Ok(Self { context, tables: BTreeMap::new(), spill: spill.to_owned() })
    }

    /// Makes a dataset version a table, in the first of these forms that it comes in: Parquet,
    /// `FlatGeobuf`, GeoJSON, JSON sequence, CSV. Its artifacts are read in the state that `pins`
    /// gives for their keys, or not at all; and once as a whole, so that what is wrong with them
    /// is known before a query.
    pub(crate) async fn register(
        &mut self,
        table: &str,
        version: &DatasetVersion,
        store: &Store,
        pins: &BTreeMap<String, Pin>,
        wanted: &Wanted<'_>,
    ) -> Result<(), DatasetError> {
        let host = format!("t{}", self.tables.len());
        let opened = source::open(&self.context, &host, version, store, pins, wanted).await?;
        let schema = opened.provider.schema();
        self.put(table, opened.provider)?;
        let entry = Table {
            version: version.clone(),
            geometry: opened.geometry,
            srid: wanted.into(),
            system: opened.crs,
            typed: opened.typed,
            schema,
            parts: opened.parts,
        };
        self.tables.insert(table.to_owned(), entry);
        Ok(())
    }

    pub(super) fn put(
        &self,
        table: &str,
        provider: Arc<dyn TableProvider>,
    ) -> Result<(), DatasetError> {
        // The name is taken as it is: only a query folds the case of names without quotes.
        let name = TableReference::bare(table);
        self.context.register_table(name, provider).map_err(DatasetError::Plan)?;
        Ok(())
    }

    /// Runs one SELECT. A failure that comes out of the stream is an external error with a
    /// `Failure` in it; its words may quote values.
    #[cfg(test)]
    pub(crate) async fn query(&self, sql: &str) -> Result<SendableRecordBatchStream, DatasetError> {
        self.run(&self.plan(sql).await?).await
    }

    /// What a query means, before anything is folded away.
    pub(super) async fn plan(&self, sql: &str) -> Result<LogicalPlan, DatasetError> {
        self.context.state().create_logical_plan(sql).await.map_err(DatasetError::Plan)
    }

    pub(super) async fn run(
        &self,
        logical: &LogicalPlan,
    ) -> Result<SendableRecordBatchStream, DatasetError> {
        let mut state = self.context.state();
        if check(logical)? == Partitions::One {
            state.config_mut().options_mut().execution.target_partitions = 1;
        }
        let logical = state.optimize(logical).map_err(DatasetError::Plan)?;
        let physical = state.create_physical_plan(&logical).await.map_err(DatasetError::Run)?;
        let stream = execute_stream(physical, state.task_ctx()).map_err(DatasetError::Run)?;
        let schema = stream.schema();
        let stream = stream.map_err(|error| {
            DataFusionError::External(Box::new(Failure::from(DatasetError::Run(error))))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }
}
