//! Shows a generation to readers: the live name is a view over the generation's table.
//!
//! A view, and not the table moved by `ALTER TABLE ... SET SCHEMA`: `CREATE OR REPLACE VIEW` keeps
//! the live name's identity, so the grants of readers, and the views and functions of others that
//! are built upon it, survive every switch and every rollback; the former generation stays
//! untouched under its own name; the switch back is the same statement; and it takes its lock only
//! for the time of a catalog change. Only where the columns themselves change in a way that a view
//! cannot follow (dropped, renamed, of another type) is the view dropped and made again, with its
//! grants and the views that its job declares; what others built upon it then stops the switch.
//! Columns may be added at the end.
//!
//! Whose view it is, and which generation it shows, is told by the table that it reads: comments
//! belong to people.

use std::collections::BTreeMap;

use sqlx::{Connection as _, PgConnection};

use super::around::{self, Roles};
use super::patience::Hold;
use super::{PostgisError, others, registry, table};
use crate::digest::Digest;
use crate::model::{JobId, TableSink};
use crate::postgres::{Part, PgError, Sql, execute, sql};

type Result<T> = std::result::Result<T, PostgisError>;

/// How tables of ours, and live views without a declared comment, say what they are.
pub(super) fn comment(job: &JobId, generation: &Digest) -> String {
    format!("coppice: {job} {generation}")
}

/// What stands under a live name.
struct Standing {
    /// The schema of the table that it reads, where it is a view over one table of that name.
    reads: Option<String>,
    comment: Option<String>,
}

async fn standing(connection: &mut PgConnection, table: &TableSink) -> Result<Option<Standing>> {
    let row: Option<(Option<String>, Option<String>)> = sqlx::query_as(
        "SELECT (SELECT min(tn.nspname::text) FROM pg_rewrite r \
           JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid \
             AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid \
           JOIN pg_class t ON t.oid = d.refobjid AND t.relname = c.relname \
           JOIN pg_namespace tn ON tn.oid = t.relnamespace \
           WHERE c.relkind = 'v' AND r.ev_class = c.oid AND r.rulename = '_RETURN'), \
         obj_description(c.oid, 'pg_class') \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relname = $2",
    )
    .bind(&table.schema)
    .bind(&table.table)
    .fetch_optional(connection)
    .await
    .map_err(PgError::sql("look for the live view"))?;
    Ok(row.map(|(reads, comment)| Standing { reads, comment }))
}

impl Standing {
    /// Whether it shows a generation of the job.
    async fn is_of(&self, connection: &mut PgConnection, job: &JobId) -> Result<bool> {
        let Some(reads) = &self.reads else { return Ok(false) };
        let stored = registry::stored(connection, job).await?;
        Ok(stored.iter().any(|one| table::generation_schema(&one.digest) == *reads))
    }
}

/// The comment of the live table.
pub(super) async fn comment_of(
    connection: &mut PgConnection,
    table: &TableSink,
) -> Result<Option<String>> {
    Ok(standing(connection, table).await?.and_then(|standing| standing.comment))
}

/// Says whether readers of the live name get exactly this generation.
pub(super) async fn is_shown(
    connection: &mut PgConnection,
    generation: &Digest,
    table: &TableSink,
) -> Result<bool> {
    let standing = standing(connection, table).await?;
    let home = table::generation_schema(generation);
    Ok(standing.is_some_and(|standing| standing.reads == Some(home)))
}

/// Makes readers of the live name get a generation, with all that is declared around it; `former`
/// is what was put around the same name before.
pub(super) async fn show(
    connection: &mut PgConnection,
    job: &JobId,
    generation: &Digest,
    table: &TableSink,
    former: Option<&TableSink>,
    (roles, hold): (Roles, &mut Hold),
) -> Result<()> {
    let standing = standing(connection, table).await?;
    match &standing {
        Some(standing) if !standing.is_of(connection, job).await? => {
            let (schema, table) = (table.schema.clone(), table.table.clone());
            return Err(PostgisError::Taken { job: job.clone(), schema, table });
        }
        Some(_) => {}
        None => ensure_schema(connection, &table.schema).await?,
    }
    let home = table::generation_schema(generation);
    let columns = table::columns(table);
    let view = Part::Qualified(&table.schema, &table.table);
    let parts = [view, Part::Sql(&columns), Part::Qualified(&home, &table.table)];
    let create = sql("CREATE OR REPLACE VIEW {} AS SELECT {} FROM {}", &parts);
    let mut granted = BTreeMap::new();
    hold.bound(connection).await?;
    match in_savepoint(connection, &create).await {
        // The columns do not follow.
        Err(error) if error.sqlstate().as_deref() == Some("42P16") => {
            let grants = around::carried(connection, &table.schema, &table.table).await?;
            granted = drop_shown(connection, former.unwrap_or(table), hold).await?;
            execute(connection, "create the live view", &create).await?;
            around::give_back(connection, &table.schema, &table.table, &grants).await?;
        }
        done => done?,
    }
    hold.begin();
    let before = standing.and_then(|standing| standing.comment);
    say(connection, &comment(job, generation), before, table, former).await?;
    around::make_views(connection, job, (table, former), granted, hold).await?;
    around::give(connection, table, former, roles).await
}

/// Writes the declared comments; those by hand stay where none is declared.
async fn say(
    connection: &mut PgConnection,
    ours: &str,
    before: Option<String>,
    table: &TableSink,
    former: Option<&TableSink>,
) -> Result<()> {
    let view = Part::Qualified(&table.schema, &table.table);
    let was_ours = |text: &String| {
        text.starts_with("coppice: ") || former.is_some_and(|it| it.comment.as_ref() == Some(text))
    };
    let text = match &table.comment {
        Some(declared) => Some(declared.as_str()),
        None => before.is_none_or(|text| was_ours(&text)).then_some(ours),
    };
    if let Some(text) = text {
        let said = sql("COMMENT ON VIEW {} IS {}", &[view, Part::Literal(text)]);
        execute(connection, "comment the live view", &said).await?;
    }
    let columns = former.map_or(&[][..], |former| former.columns.as_slice());
    for column in columns.iter().filter(|column| column.comment.is_some()) {
        if table.columns.iter().any(|now| now.name == column.name && now.comment.is_none()) {
            let none = sql("COMMENT ON COLUMN {}.{} IS NULL", &[view, Part::Ident(&column.name)]);
            execute(connection, "comment the live view", &none).await?;
        }
    }
    for comment in table::column_comments(view, table) {
        execute(connection, "comment the live view", &comment).await?;
    }
    Ok(())
}

/// Takes the live name and the views around it away, unless it is not ours.
pub(super) async fn remove(
    connection: &mut PgConnection,
    job: &JobId,
    table: &TableSink,
    hold: &mut Hold,
) -> Result<()> {
    match standing(connection, table).await? {
        Some(standing) if standing.is_of(connection, job).await? => {
            drop_shown(connection, table, hold).await.map(|_| ())
        }
        _ => Ok(()),
    }
}

/// Drops the live view with the declared ones; gives how the declared ones were granted.
async fn drop_shown(
    connection: &mut PgConnection,
    table: &TableSink,
    hold: &mut Hold,
) -> Result<BTreeMap<String, Vec<around::Grant>>> {
    let names = others::shown(table);
    others::refuse(connection, &names, &names).await?;
    let views: Vec<&str> = table.views.keys().map(String::as_str).collect();
    let granted = around::drop_views(connection, &table.schema, &views, hold).await?;
    let drop = sql("DROP VIEW {}", &[Part::Qualified(&table.schema, &table.table)]);
    match hold.execute(connection, "drop the live view", &drop).await {
        Ok(()) => Ok(granted),
        Err(source) if source.sqlstate().as_deref() == Some("2BP01") => {
            let what = format!("{}.{}", table.schema, table.table);
            Err(PostgisError::Depended { what, source })
        }
        Err(source) => Err(source.into()),
    }
}

async fn in_savepoint(
    connection: &mut PgConnection,
    statement: &Sql,
) -> std::result::Result<(), PgError> {
    let failed = PgError::sql("create the live view");
    let mut savepoint = connection.begin().await.map_err(&failed)?;
    match execute(&mut savepoint, "create the live view", statement).await {
        Ok(_) => savepoint.commit().await.map_err(&failed),
        Err(error) => {
            savepoint.rollback().await.map_err(&failed)?;
            Err(error)
        }
    }
}

/// `CREATE SCHEMA IF NOT EXISTS` asks for the privilege even where the schema exists.
async fn ensure_schema(connection: &mut PgConnection, schema: &str) -> Result<()> {
    let there: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
            .bind(schema)
            .fetch_one(&mut *connection)
            .await
            .map_err(PgError::sql("look for the live schema"))?;
    if !there {
        let create = sql("CREATE SCHEMA {}", &[Part::Ident(schema)]);
        execute(connection, "create the live schema", &create).await?;
    }
    Ok(())
}
