//! Shows a generation to readers: the live name is a view over the generation's table.
//!
//! A view, and not the table moved by `ALTER TABLE ... SET SCHEMA`: `CREATE OR REPLACE VIEW` keeps
//! the live name's identity, so the grants of readers, and the views and functions of others that
//! are built upon it, survive every switch and every rollback; the former generation stays
//! untouched under its own name; the switch back is the same statement; and it takes its lock only
//! for the time of a catalog change. Only where the columns themselves change in a way that a view
//! cannot follow (dropped, renamed, of another type) is the view dropped and made again, with its
//! grants; what others built upon it then stops the switch. Columns may be added at the end.

use sqlx::{Connection as _, PgConnection};

use super::{PostgisError, table};
use crate::digest::Digest;
use crate::model::{JobId, TableSink};
use crate::postgres::{Part, PgError, Sql, execute, sql};

type Result<T> = std::result::Result<T, PostgisError>;

/// How tables and views of ours say what they are.
pub(super) fn comment(job: &JobId, generation: &Digest) -> String {
    format!("coppice: {job} {generation}")
}

/// What stands under a name: the kind of relation, and its comment.
async fn standing(connection: &mut PgConnection, table: &TableSink) -> Result<Option<Standing>> {
    let row: Option<(String, Option<String>)> = sqlx::query_as(
        "SELECT c.relkind::text, obj_description(c.oid, 'pg_class') \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relname = $2",
    )
    .bind(&table.schema)
    .bind(&table.table)
    .fetch_optional(connection)
    .await
    .map_err(PgError::sql("look for the live view"))?;
    Ok(row.map(|(kind, comment)| Standing { kind, comment: comment.unwrap_or_default() }))
}

struct Standing {
    kind: String,
    comment: String,
}

impl Standing {
    fn is_of(&self, job: &JobId) -> bool {
        self.kind == "v" && self.comment.starts_with(&format!("coppice: {job} "))
    }
}

/// Says whether readers of the live name get exactly this generation.
pub(super) async fn is_shown(
    connection: &mut PgConnection,
    job: &JobId,
    generation: &Digest,
    table: &TableSink,
) -> Result<bool> {
    let standing = standing(connection, table).await?;
    let comment = comment(job, generation);
    Ok(standing.is_some_and(|standing| standing.kind == "v" && standing.comment == comment))
}

/// Makes readers of the live name get a generation.
pub(super) async fn show(
    connection: &mut PgConnection,
    job: &JobId,
    generation: &Digest,
    table: &TableSink,
) -> Result<()> {
    let standing = standing(connection, table).await?;
    if standing.as_ref().is_some_and(|standing| !standing.is_of(job)) {
        let (schema, table) = (table.schema.clone(), table.table.clone());
        return Err(PostgisError::Taken { job: job.clone(), schema, table });
    }
    if standing.is_none() {
        ensure_schema(connection, &table.schema).await?;
    }
    let home = table::generation_schema(generation);
    let columns = table::columns(table);
    let view = Part::Qualified(&table.schema, &table.table);
    let parts = [view, Part::Sql(&columns), Part::Qualified(&home, &table.table)];
    let create = sql("CREATE OR REPLACE VIEW {} AS SELECT {} FROM {}", &parts);
    match in_savepoint(connection, &create).await {
        // The columns do not follow.
        Err(error) if error.sqlstate().as_deref() == Some("42P16") => {
            let grants = grants(connection, table).await?;
            remove(connection, job, table).await?;
            execute(connection, "create the live view", &create).await?;
            for grant in &grants {
                execute(connection, "grant the live view", grant).await?;
            }
        }
        done => done?,
    }
    let text = comment(job, generation);
    let said = sql("COMMENT ON VIEW {} IS {}", &[view, Part::Literal(&text)]);
    execute(connection, "comment the live view", &said).await?;
    for comment in table::column_comments(view, table) {
        execute(connection, "comment the live view", &comment).await?;
    }
    Ok(())
}

/// Takes the live name away, unless it is not ours.
pub(super) async fn remove(
    connection: &mut PgConnection,
    job: &JobId,
    table: &TableSink,
) -> Result<()> {
    if !standing(connection, table).await?.is_some_and(|standing| standing.is_of(job)) {
        return Ok(());
    }
    let drop = sql("DROP VIEW {}", &[Part::Qualified(&table.schema, &table.table)]);
    let dropped = execute(connection, "drop the live view", &drop).await;
    dropped.map(|_| ()).map_err(|source| match source.sqlstate().as_deref() {
        Some("2BP01") => {
            let what = format!("{}.{}", table.schema, table.table);
            PostgisError::Depended { what, source }
        }
        _ => source.into(),
    })
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

/// The grants on the live view, as statements that make them again.
async fn grants(connection: &mut PgConnection, table: &TableSink) -> Result<Vec<Sql>> {
    const KNOWN: [&str; 7] =
        ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"];
    let rows: Vec<(String, Option<String>, bool)> = sqlx::query_as(
        "SELECT a.privilege_type, r.rolname::text, a.is_grantable \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         CROSS JOIN LATERAL aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee \
         WHERE n.nspname = $1 AND c.relname = $2 AND a.grantee <> c.relowner",
    )
    .bind(&table.schema)
    .bind(&table.table)
    .fetch_all(connection)
    .await
    .map_err(PgError::sql("read the grants of the live view"))?;
    let known = |name: &str| KNOWN.iter().find(|known| **known == name).map(|name| sql(name, &[]));
    let grants = rows.iter().filter_map(|(privilege, role, grantable)| {
        let privilege = known(privilege)?;
        let role = match role {
            Some(role) => sql("{}", &[Part::Ident(role)]),
            None => sql("PUBLIC", &[]),
        };
        let option = if *grantable { sql(" WITH GRANT OPTION", &[]) } else { Sql::default() };
        let view = Part::Qualified(&table.schema, &table.table);
        let parts = [Part::Sql(&privilege), view, Part::Sql(&role), Part::Sql(&option)];
        Some(sql("GRANT {} ON {} TO {}{}", &parts))
    });
    Ok(grants.collect())
}
