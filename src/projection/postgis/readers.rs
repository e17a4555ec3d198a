//! Who stands in the way of a switch, for the person who has to wait.

use std::fmt;

use sqlx::PgPool;

use super::PostgisError;
use crate::model::Sink;
use crate::postgres::PgError;
use crate::projection::Change;

/// The server's processes that hold live tables: numbers only, for a query may name what is
/// confidential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holders(Vec<i32>);

impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("sessions that have gone meanwhile");
        }
        let pids: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "server processes {}", pids.join(", "))
    }
}

/// Finds who holds the live names of a set, or the record of what is live.
pub(super) async fn of(pool: &PgPool, set: &[Change]) -> Result<Holders, PostgisError> {
    let mut names = vec![("coppice", "live")];
    names.extend(set.iter().filter_map(|change| match &change.sink {
        Sink::Postgis(table) => Some((table.schema.as_str(), table.table.as_str())),
        _ => None,
    }));
    let (schemas, tables): (Vec<&str>, Vec<&str>) = names.into_iter().unzip();
    let pids = sqlx::query_scalar(
        "SELECT DISTINCT l.pid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN unnest($1::text[], $2::text[]) AS wanted (schema, name) \
         ON (n.nspname, c.relname) = (wanted.schema, wanted.name) \
         WHERE l.granted AND l.pid <> pg_backend_pid() ORDER BY 1",
    )
    .bind(schemas)
    .bind(tables)
    .fetch_all(pool)
    .await
    .map_err(PgError::sql("look for who holds what is live"))?;
    Ok(Holders(pids))
}
