//! Builds a generation in one transaction: killed at any instant, it leaves nothing.

use std::time::Duration;

use futures::StreamExt as _;
use sqlx::postgres::PgCopyIn;
use sqlx::{Connection as _, PgConnection, PgPool};

use tokio_util::sync::CancellationToken;

use super::patience::{Hold, bound_silence, patiently};
use super::{PostgisError, around, live, registry, table};
use crate::model::{Meter, TableSink};
use crate::postgres::{Part, PgError, SIGNATURE, Sql, TRAILER, ensure_registry, execute, sql};
use crate::projection::{Generation, Refusal, StageContext};
use crate::proof::EncodedStream;

/// Bytes that are sent at one time.
const SEND: usize = 1 << 20;
/// How long a former generation is tried to be dropped: the next run does it too.
const PATIENCE: Duration = Duration::from_secs(30);

type Result<T> = std::result::Result<T, PostgisError>;

/// Builds a generation; gives the number of rows written.
pub(super) async fn stage(
    pool: &PgPool,
    generation: &Generation,
    rows: EncodedStream,
    cx: &StageContext,
) -> Result<u64> {
    let table = table::table_of(&generation.sink)?;
    let failed = PgError::sql("stage a generation");
    ensure_registry(pool).await?;
    let mut connection = pool.acquire().await.map_err(&failed)?;
    drop_partial(&mut connection, generation, Some(cx)).await?;
    let home = table::generation_schema(&generation.digest);
    // The fencing token keeps the name apart from that of a former holder of the run, whose
    // transaction may still be open.
    let staging = format!("{home}_{}", cx.epoch);
    let mut transaction = connection.begin().await.map_err(&failed)?;
    let timeout = sql("SET LOCAL lock_timeout = '15s'", &[]);
    execute(&mut transaction, "stage a generation", &timeout).await?;
    let create = sql("CREATE SCHEMA {}", &[Part::Ident(&staging)]);
    execute(&mut transaction, "create a staging schema", &create).await?;
    execute(&mut transaction, "create a table", &table::create(&staging, table)?).await?;
    let count = fill(&mut transaction, &table::fill(&staging, table), rows, cx).await?;
    finish(&mut transaction, &staging, table, generation, cx).await?;
    // After the long part: whoever was overtaken meanwhile names nothing. The row that it keeps
    // would keep a later holder out.
    bound_silence(&mut transaction).await?;
    live::fence(&mut transaction, cx).await?;
    let rename = [Part::Ident(&staging), Part::Ident(&home)];
    let rename = sql("ALTER SCHEMA {} RENAME TO {}", &rename);
    execute(&mut transaction, "name the generation", &rename).await?;
    registry::record_staged(&mut transaction, generation, cx).await?;
    transaction.commit().await.map_err(&failed)?;
    Ok(count)
}

/// Drops a generation. Its foreign keys lead to tables that readers may hold: these are waited for.
pub(super) async fn discard(pool: &PgPool, generation: &Generation) -> Result<()> {
    let failed = PgError::sql("drop a generation");
    let tables = [table::table_of(&generation.sink)?.clone()];
    let (never, nobody) = (CancellationToken::new(), Meter::default());
    patiently(pool, &tables, PATIENCE, (&never, &nobody), || async {
        let mut connection = pool.acquire().await.map_err(&failed)?;
        drop_partial(&mut connection, generation, None).await
    })
    .await
}

/// Drops what an earlier attempt left, in a transaction of its own; never what readers get.
pub(super) async fn drop_partial(
    connection: &mut PgConnection,
    generation: &Generation,
    cx: Option<&StageContext>,
) -> Result<()> {
    let failed = PgError::sql("drop a generation");
    let mut transaction = connection.begin().await.map_err(&failed)?;
    let mut hold = Hold::of(&mut transaction).await?;
    if let Some(cx) = cx {
        live::fence(&mut transaction, cx).await?;
    }
    let (job, digest) = (&generation.job, &generation.digest);
    let live = registry::live(&mut transaction, job).await?;
    if live.generation == Some(*digest) {
        return Err(Refusal::in_use(job, digest, "live").into());
    }
    let old = registry::recorded(&mut transaction, job, digest).await?;
    if let (Some(old), Some(cx)) = (old, cx) {
        old.fence(cx)?;
    }
    registry::forget(&mut transaction, job, digest).await?;
    drop_schema(&mut transaction, &table::generation_schema(digest), &mut hold).await?;
    transaction.commit().await.map_err(&failed)?;
    Ok(())
}

/// Drops a schema with its tables, but nothing of anybody else that depends on them.
async fn drop_schema(connection: &mut PgConnection, schema: &str, hold: &mut Hold) -> Result<()> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relkind = 'r'",
    )
    .bind(schema)
    .fetch_all(&mut *connection)
    .await
    .map_err(PgError::sql("list the tables of a generation"))?;
    around::drop_upon(connection, schema, hold).await?;
    let tables = tables.iter().map(|name| sql("DROP TABLE {}", &[Part::Qualified(schema, name)]));
    let schema_too = sql("DROP SCHEMA IF EXISTS {}", &[Part::Ident(schema)]);
    for statement in tables.chain([schema_too]) {
        let dropped = hold.execute(connection, "drop a generation", &statement).await;
        dropped.map_err(|source| match source.sqlstate().as_deref() {
            Some("2BP01") => PostgisError::Depended { what: schema.to_owned(), source },
            _ => source.into(),
        })?;
    }
    Ok(())
}

/// Sends the tuples, a MiB at a time, while the next ones are being encoded.
async fn fill(
    connection: &mut PgConnection,
    statement: &Sql,
    mut rows: EncodedStream,
    cx: &StageContext,
) -> Result<u64> {
    let failed = PgError::sql("copy rows into the table");
    let mut copy = connection.copy_in_raw(statement.as_str()).await.map_err(&failed)?;
    let mut buffer = Vec::with_capacity(2 * SEND);
    buffer.extend_from_slice(SIGNATURE);
    // No flags, no extension.
    buffer.extend_from_slice(&[0; 8]);
    loop {
        let next = tokio::select! {
            () = cx.cancel.cancelled() => return give_up(copy, PostgisError::Cancelled).await,
            next = rows.next() => next,
        };
        match next {
            None => break,
            Some(Err(failure)) => {
                return give_up(copy, PostgisError::Source(Box::new(failure))).await;
            }
            Some(Ok(batch)) => {
                buffer.extend_from_slice(&batch.rows.bytes);
                if buffer.len() >= SEND {
                    for chunk in buffer.chunks(SEND) {
                        copy.send(chunk).await.map_err(&failed)?;
                    }
                    buffer.clear();
                }
                cx.meter.add_bytes(batch.rows.bytes.len() as u64);
                cx.meter.add_rows(batch.rows.len() as u64);
            }
        }
    }
    buffer.extend_from_slice(&TRAILER);
    copy.send(buffer).await.map_err(&failed)?;
    Ok(copy.finish().await.map_err(&failed)?)
}

async fn give_up<T>(copy: PgCopyIn<&mut PgConnection>, why: PostgisError) -> Result<T> {
    // Should the connection be broken too, what came first is still the reason.
    if let Err(error) = copy.abort("the rows ended early").await {
        tracing::debug!(%error, "failed to abort a COPY");
    }
    Err(why)
}

async fn finish(
    connection: &mut PgConnection,
    staging: &str,
    table: &TableSink,
    generation: &Generation,
    cx: &StageContext,
) -> Result<()> {
    let comment = super::show::comment(&generation.job, &generation.digest);
    for statement in table::finish(staging, table, &comment) {
        if cx.cancel.is_cancelled() {
            return Err(PostgisError::Cancelled);
        }
        execute(connection, "finish the table (keys, indexes, comments)", &statement).await?;
    }
    Ok(())
}
