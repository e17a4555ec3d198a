//! Foreign keys between generations. A live name is a view, which has none: they are on the tables
//! behind, each from one generation to another, and stay until either is dropped, so that a
//! rollback finds its own.

use sqlx::PgConnection;

use super::{PostgisError, Result};
use crate::digest::Digest;
use crate::model::{ForeignKey, JobId, TableSink};
use crate::postgres::{Part, PgError, Sql, execute, sql};
use crate::projection::postgis::live::{LiveTables, live_tables};
use crate::projection::postgis::patience::Hold;
use crate::projection::postgis::table::generation_schema;

/// How the names of our foreign keys begin.
const PREFIX: &str = "refers_";

/// A foreign key that is to be there.
struct Wanted<'a> {
    from: (String, &'a str),
    columns: &'a [String],
    to: (String, &'a str),
    to_columns: &'a [String],
    name: String,
}

/// The part of a key's name that tells what is declared.
fn declared(key: &ForeignKey) -> String {
    let text = format!("{:?} {} {:?}", key.columns, key.references, key.to);
    Digest::blake3(text.as_bytes()).hex()[..8].to_owned()
}

fn wanted<'a>(
    job: &JobId,
    key: &'a ForeignKey,
    from: (&Digest, &'a TableSink),
    live: &'a LiveTables,
) -> Result<Wanted<'a>> {
    let Some((digest, other)) = live.get(&key.references) else {
        let (job, other) = (job.clone(), key.references.clone());
        return Err(PostgisError::RefersToNothing { job, other });
    };
    let name = format!("{PREFIX}{}_{}", declared(key), digest.short());
    Ok(Wanted {
        from: (generation_schema(from.0), &from.1.table),
        columns: &key.columns,
        to: (generation_schema(digest), &other.table),
        to_columns: if key.to.is_empty() { &other.primary_key } else { &key.to },
        name,
    })
}

async fn is_there(connection: &mut PgConnection, key: &Wanted<'_>) -> Result<bool> {
    let found = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_constraint k \
         JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE k.contype = 'f' AND k.convalidated AND n.nspname = $1 AND c.relname = $2 \
         AND k.conname = $3)",
    )
    .bind(&key.from.0)
    .bind(key.from.1)
    .bind(&key.name)
    .fetch_one(connection)
    .await;
    Ok(found.map_err(PgError::sql("look for a foreign key"))?)
}

/// Whether a live generation has its foreign keys to what is live of the others.
pub(super) async fn are_there(
    connection: &mut PgConnection,
    job: &JobId,
    generation: &Digest,
    table: &TableSink,
) -> Result<bool> {
    if table.foreign_keys.is_empty() {
        return Ok(true);
    }
    let live = live_tables(connection).await?;
    for key in &table.foreign_keys {
        if !live.contains_key(&key.references) {
            return Ok(false);
        }
        let wanted = wanted(job, key, (generation, table), &live)?;
        if !is_there(connection, &wanted).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes the foreign keys of what will be live, of those tables that are in the set or refer to one
/// in it. No reader waits for that: the tables are locked against writing only.
pub(in super::super) async fn refer(
    connection: &mut PgConnection,
    live: &LiveTables,
    in_set: impl Fn(&JobId) -> bool,
) -> Result<()> {
    for (job, (digest, table)) in live {
        for key in &table.foreign_keys {
            if !in_set(job) && !in_set(&key.references) {
                continue;
            }
            let wanted = wanted(job, key, (digest, table), live)?;
            if !is_there(connection, &wanted).await? {
                add(connection, &wanted, job, key).await?;
            }
        }
    }
    Ok(())
}

async fn add(
    connection: &mut PgConnection,
    key: &Wanted<'_>,
    job: &JobId,
    declared: &ForeignKey,
) -> Result<()> {
    let idents = |columns: &[String]| Sql::idents(columns.iter().map(String::as_str));
    let (columns, to_columns) = (idents(key.columns), idents(key.to_columns));
    let parts = [
        Part::Qualified(&key.from.0, key.from.1),
        Part::Ident(&key.name),
        Part::Sql(&columns),
        Part::Qualified(&key.to.0, key.to.1),
        Part::Sql(&to_columns),
    ];
    let add = sql("ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({})", &parts);
    let done = execute(connection, "make a foreign key", &add).await;
    done.map(|_| ()).map_err(|source| match source.sqlstate().as_deref() {
        // Its own words quote the row.
        Some("23503") => PostgisError::RefersInVain {
            job: job.clone(),
            columns: declared.columns.join(", "),
            other: declared.references.clone(),
        },
        _ => source.into(),
    })
}

/// Drops the foreign keys that a live table's job declares no more.
pub(in super::super) async fn drop_undeclared(
    connection: &mut PgConnection,
    generation: &Digest,
    table: &TableSink,
    hold: &mut Hold,
) -> Result<()> {
    let schema = generation_schema(generation);
    let keep: Vec<String> =
        table.foreign_keys.iter().map(|key| format!("{PREFIX}{}_", declared(key))).collect();
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT k.conname::text FROM pg_constraint k \
         JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE k.contype = 'f' AND n.nspname = $1 AND c.relname = $2 \
         AND starts_with(k.conname::text, $3)",
    )
    .bind(&schema)
    .bind(&table.table)
    .bind(PREFIX)
    .fetch_all(&mut *connection)
    .await
    .map_err(PgError::sql("list foreign keys"))?;
    let stale = names.iter().filter(|name| !keep.iter().any(|kept| name.starts_with(kept)));
    for name in stale {
        drop_key(connection, (&schema, &table.table, name), hold).await?;
    }
    Ok(())
}

/// Drops the foreign keys of ours that other generations have to the tables of one.
pub(in super::super) async fn drop_upon(
    connection: &mut PgConnection,
    schema: &str,
    hold: &mut Hold,
) -> Result<()> {
    let keys: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT n.nspname::text, c.relname::text, k.conname::text FROM pg_constraint k \
         JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_class r ON r.oid = k.confrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace \
         WHERE k.contype = 'f' AND rn.nspname = $1 AND n.nspname <> $1 \
         AND starts_with(n.nspname::text, 'coppice_') AND starts_with(k.conname::text, $2)",
    )
    .bind(schema)
    .bind(PREFIX)
    .fetch_all(&mut *connection)
    .await
    .map_err(PgError::sql("list foreign keys"))?;
    for (schema, table, name) in keys {
        drop_key(connection, (&schema, &table, &name), hold).await?;
    }
    Ok(())
}

async fn drop_key(
    connection: &mut PgConnection,
    (schema, table, name): (&str, &str, &str),
    hold: &mut Hold,
) -> Result<()> {
    let parts = [Part::Qualified(schema, table), Part::Ident(name)];
    let drop = sql("ALTER TABLE {} DROP CONSTRAINT {}", &parts);
    Ok(hold.execute(connection, "drop a foreign key", &drop).await?)
}
