//! The tiles as rows, made by PostGIS as they are asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryBuilder, RecordBatch, UInt8Array, UInt32Array};
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use futures::TryStreamExt as _;
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::sync::mpsc::Sender;

use super::TilesError;
use super::statements::{LayerSource, bounds, zoom};
use super::summary::{Summary, field_type, properties};
use crate::digest::Digest;
use crate::model::{Failure, JobId, TableSink, TilesSink};
use crate::postgres::{PgError, Sql, execute, sql};

/// Of each job that layers are made of, its generation and what that fills.
pub(crate) type Sources = BTreeMap<JobId, (Digest, TableSink)>;

/// Bytes of tiles in one batch.
const BATCH: usize = 1 << 20;

type Result<T> = std::result::Result<T, TilesError>;
type Batches = Sender<std::result::Result<RecordBatch, DataFusionError>>;

/// Finds the table of each layer.
pub(super) fn layers<'a>(
    sink: &'a TilesSink,
    sources: &'a Sources,
) -> Result<Vec<LayerSource<'a>>> {
    if sink.layers.is_empty() || sink.min_zoom > sink.max_zoom || sink.max_zoom > 24 {
        return Err(TilesError::Sink("expected layers, and zooms from 0 to 24".to_owned()));
    }
    let mut names: Vec<&str> = sink.layers.iter().map(|layer| layer.name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(TilesError::Sink("two layers have one name".to_owned()));
    }
    let layers = sink.layers.iter().enumerate().map(|(number, layer)| {
        let found = sources.get(&layer.from).ok_or_else(|| TilesError::Input(layer.from.clone()));
        found.map(|(generation, table)| LayerSource { layer, generation, table, number })
    });
    layers.collect()
}

/// Makes the tiles of a sink out of generations in PostGIS: rows of `z`, `x`, `y` and the tile.
/// Nothing is read before it is asked for, but for the features themselves, which the server
/// brings into Web Mercator first.
pub(crate) async fn tiles_source(
    pool: &PgPool,
    sink: &TilesSink,
    sources: &Sources,
) -> std::result::Result<SendableRecordBatchStream, Failure> {
    let layers = layers(sink, sources)?;
    let failed = PgError::sql("connect to make tiles");
    let options = pool.connect_options();
    let mut connection = PgConnection::connect_with(&options).await.map_err(failed)?;
    let summary = prepare(&mut connection, &layers).await?;
    let statements = (sink.min_zoom..=sink.max_zoom).map(|z| {
        let shown = |l: &&LayerSource<'_>| l.layer.min_zoom.is_none_or(|from| from <= z);
        let shown: Vec<LayerSource<'_>> = layers.iter().filter(shown).copied().collect();
        if shown.is_empty() { Ok(None) } else { Ok(Some((z, zoom(&shown, z)?))) }
    });
    let statements = statements.filter_map(Result::transpose).collect::<Result<Vec<_>>>()?;
    let schema = summary.into_schema()?;
    let mut stream = RecordBatchReceiverStreamBuilder::new(Arc::clone(&schema), 2);
    let sender = stream.tx();
    stream.spawn(async move {
        let made = make(connection, schema, statements, &sender).await;
        made.map_err(|error| DataFusionError::External(Box::new(Failure::from(error))))
    });
    Ok(stream.build())
}

/// One transaction that is never committed holds all that is made beside the tiles.
async fn prepare(connection: &mut PgConnection, layers: &[LayerSource<'_>]) -> Result<Summary> {
    let begin = sql(
        "BEGIN; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; SET LOCAL bytea_output = 'hex'",
        &[],
    );
    execute(connection, "begin to make tiles", &begin).await?;
    let mut summary = Summary::default();
    for layer in layers {
        execute(connection, "bring features into Web Mercator", &layer.prepare()?).await?;
        execute(connection, "define a feature", &layer.row()?).await?;
        let fields = properties(layer.layer, layer.table)?;
        let fields =
            fields.into_iter().map(|(name, t)| (name.to_owned(), field_type(t).to_owned()));
        summary.fields.insert(layer.layer.name.clone(), fields.collect());
    }
    let found: (Option<f64>, Option<f64>, Option<f64>, Option<f64>) =
        sqlx::query_as(bounds(layers).safe())
            .fetch_one(connection)
            .await
            .map_err(PgError::sql("ask for the bounds of the features"))?;
    if let (Some(west), Some(south), Some(east), Some(north)) = found {
        // As exact as an archive's header keeps them.
        summary.bounds = Some([west, south, east, north].map(|v| (v * 1e7).round() / 1e7));
    }
    Ok(summary)
}

async fn make(
    mut connection: PgConnection,
    schema: SchemaRef,
    statements: Vec<(u8, Sql)>,
    sender: &Batches,
) -> Result<()> {
    let failed = PgError::sql("make the tiles of a zoom");
    for (z, statement) in statements {
        let mut batch = Batch::default();
        let mut tiles = sqlx::query_as::<_, (i32, i32, Vec<u8>)>(statement.safe())
            .persistent(false)
            .fetch(&mut connection);
        while let Some((x, y, data)) = tiles.try_next().await.map_err(&failed)? {
            batch.push(z, x, y, &data)?;
            if batch.bytes >= BATCH {
                let full = std::mem::take(&mut batch).finish(&schema)?;
                if sender.send(Ok(full)).await.is_err() {
                    return Ok(());
                }
            }
        }
        if !batch.x.is_empty() && sender.send(Ok(batch.finish(&schema)?)).await.is_err() {
            return Ok(());
        }
    }
    Ok(connection.close().await.map_err(&failed)?)
}

/// The tiles of one batch.
#[derive(Default)]
pub(super) struct Batch {
    z: Vec<u8>,
    x: Vec<u32>,
    y: Vec<u32>,
    data: BinaryBuilder,
    pub(super) bytes: usize,
}

impl Batch {
    pub(super) fn push<T: TryInto<u32>>(&mut self, z: u8, x: T, y: T, data: &[u8]) -> Result<()> {
        let outside = || TilesError::Row("a tile outside the map");
        self.z.push(z);
        self.x.push(x.try_into().ok().ok_or_else(outside)?);
        self.y.push(y.try_into().ok().ok_or_else(outside)?);
        self.data.append_value(data);
        self.bytes += data.len();
        Ok(())
    }

    pub(super) fn finish(mut self, schema: &SchemaRef) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt8Array::from(self.z)),
            Arc::new(UInt32Array::from(self.x)),
            Arc::new(UInt32Array::from(self.y)),
            Arc::new(self.data.finish()),
        ];
        let batch = RecordBatch::try_new(Arc::clone(schema), columns);
        batch.ok().ok_or(TilesError::Row("tiles that make no batch"))
    }
}
