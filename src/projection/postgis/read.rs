//! Reads a generation back over a connection of its own.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::sync::mpsc;

use super::{PostgisError, registry, show, table};
use crate::model::{Code, Failure, TableSink};
use crate::postgres::{Part, PgError, Sql, TupleSplitter, sql};
use crate::projection::{Generation, Refusal};
use crate::proof::{Rows, RowsStream};

/// Bytes of rows that are given at one time.
const BATCH: usize = 1 << 20;

type Result<T> = std::result::Result<T, PostgisError>;

/// Reads the rows of a generation: where it is live through the view that readers use, else out
/// of its own schema.
pub(super) async fn read_back(pool: &PgPool, generation: &Generation) -> Result<RowsStream> {
    let (connection, place) = find(pool, generation).await?;
    let columns = table::columns(&place.stored);
    let parts = [Part::Sql(&columns), Part::Qualified(&place.schema, &place.stored.table)];
    let statement = sql("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT BINARY)", &parts);

    let (sender, mut receiver) = mpsc::channel(2);
    let task = tokio::spawn(async move {
        let ended = copy_out(connection, &statement, &sender).await;
        if let Err(error) = ended {
            // A receiver that is gone wants no reason.
            let _ = sender.send(Err(Failure::from(error))).await;
        }
    });
    let mut task = Some(task);
    let ended = stream::once(async move {
        // A task that died has closed the channel early: what came before is not all.
        let task = task.take()?;
        let error = task.await.err()?;
        let text = "failed to read a generation back: the task was lost";
        Some(Err(Failure::permanent(Code::Internal, text).because(&error)))
    });
    let rows = stream::poll_fn(move |cx| receiver.poll_recv(cx));
    Ok(rows.chain(ended.filter_map(|end| async move { end })).boxed())
}

/// Where readers would find a generation.
struct Place {
    schema: String,
    stored: TableSink,
}

async fn find(pool: &PgPool, generation: &Generation) -> Result<(PgConnection, Place)> {
    let failed = PgError::sql("connect to read a generation back");
    let (job, digest) = (&generation.job, &generation.digest);
    let options = pool.connect_options();
    let mut connection = PgConnection::connect_with(&options).await.map_err(failed)?;
    let recorded = registry::recorded(&mut connection, job, digest).await?;
    let recorded = recorded.ok_or_else(|| Refusal::absent(job, digest))?;
    let stored = table::table_of(&recorded.sink)?.clone();
    let live = registry::live(&mut connection, job).await?.generation == Some(*digest)
        && show::is_shown(&mut connection, digest, &stored).await?;
    let schema = if live { stored.schema.clone() } else { table::generation_schema(digest) };
    Ok((connection, Place { schema, stored }))
}

/// Counts the rows of a generation.
pub(super) async fn count(pool: &PgPool, generation: &Generation) -> Result<u64> {
    let failed = PgError::sql("count the rows of a generation");
    let (mut connection, place) = find(pool, generation).await?;
    let name = [Part::Qualified(&place.schema, &place.stored.table)];
    let statement = sql("SELECT count(*) FROM {}", &name);
    let count: i64 =
        sqlx::query_scalar(statement.safe()).fetch_one(&mut connection).await.map_err(&failed)?;
    connection.close().await.map_err(&failed)?;
    Ok(count.try_into().unwrap_or_default())
}

async fn copy_out(
    mut connection: PgConnection,
    statement: &Sql,
    sender: &mpsc::Sender<std::result::Result<Rows, Failure>>,
) -> Result<()> {
    let failed = PgError::sql("read a generation back");
    let mut chunks = connection.copy_out_raw(statement.as_str()).await.map_err(&failed)?;
    let (mut splitter, mut rows) = (TupleSplitter::default(), Rows::default());
    while let Some(chunk) = chunks.try_next().await.map_err(&failed)? {
        splitter.push(&chunk, &mut rows.bytes, &mut rows.ends)?;
        if rows.bytes.len() >= BATCH && sender.send(Ok(std::mem::take(&mut rows))).await.is_err() {
            return Ok(());
        }
    }
    splitter.finish()?;
    drop(chunks);
    let _ = sender.send(Ok(rows)).await;
    Ok(connection.close().await.map_err(&failed)?)
}
