//! Who stands in the way of a switch, for the person who has to wait.

use std::fmt;

use sqlx::PgPool;

use super::PostgisError;
use crate::model::{Holdup, TableSink};
use crate::postgres::PgError;

/// How much of a name that a client gives itself is shown.
const LONGEST: usize = 48;

/// A session that holds what is needed. What it asked is left out: a query may name what is
/// confidential.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
struct Holder {
    pid: i32,
    role: Option<String>,
    application: Option<String>,
    /// When its transaction began; hidden from a role that may not look into others' sessions.
    since: Option<String>,
}

/// The sessions that hold live tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holders(Vec<Holder>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.pid)?;
        if let Some(role) = &self.role {
            write!(f, " of {role}")?;
        }
        if let Some(application) = self.application.as_ref().filter(|name| !name.is_empty()) {
            let shown = application.chars().filter(|c| !c.is_control()).take(LONGEST);
            write!(f, " ({})", shown.collect::<String>())?;
        }
        match &self.since {
            Some(since) => write!(f, " since {since}"),
            None => f.write_str(" (since when, a member of pg_read_all_stats may see)"),
        }
    }
}

impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("sessions that have gone meanwhile");
        }
        let holders: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&holders.join("; "))
    }
}

impl Holders {
    /// Whether it is known of nobody new: one of these is still among the others, or nobody is.
    pub(super) fn are_still(&self, others: &Self) -> bool {
        let stays = |one: &Holder| others.0.iter().any(|other| other.pid == one.pid);
        others.0.is_empty() || self.0.iter().any(stays)
    }

    /// What is told of them who are waited for.
    pub(super) fn holdup(&self) -> Holdup {
        let ends = self.0.iter().map(|one| format!("SELECT pg_terminate_backend({})", one.pid));
        let ends: Vec<_> = ends.collect();
        let unblock = match ends.as_slice() {
            [] => "it goes on by itself".to_owned(),
            _ => format!("they end by themselves, or somebody ends them: {}", ends.join("; ")),
        };
        Holdup { by: self.to_string(), unblock }
    }
}

/// Finds who holds the names that readers use of some tables, or the record of what is live.
pub(super) async fn of(pool: &PgPool, tables: &[TableSink]) -> Result<Holders, PostgisError> {
    let shown = tables.iter().flat_map(super::others::shown);
    let names = std::iter::once(("coppice", "live")).chain(shown);
    let (schemas, tables): (Vec<&str>, Vec<&str>) = names.unzip();
    let holders = sqlx::query_as(
        "SELECT DISTINCT l.pid, a.usename::text AS role, a.application_name AS application, \
         to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS since \
         FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
         WHERE l.granted AND l.pid <> pg_backend_pid() AND l.database = \
         (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND ((n.nspname, c.relname) IN (SELECT * FROM unnest($1::text[], $2::text[])) \
           OR starts_with(n.nspname::text, 'coppice_') AND c.relname = ANY($2)) \
         ORDER BY 1",
    )
    .bind(schemas)
    .bind(tables)
    .fetch_all(pool)
    .await
    .map_err(PgError::sql("look for who holds what is live"))?;
    Ok(Holders(holders))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_told_of_only_when_nobody_of_the_former_is_left() {
        let holder = |pid| Holder { pid, role: None, application: None, since: None };
        let holders = |pids: &[i32]| Holders(pids.iter().copied().map(holder).collect());
        let first = holders(&[7, 8]);
        assert!(first.are_still(&holders(&[8, 9])));
        assert!(first.are_still(&holders(&[])), "who it is now cannot be told");
        assert!(!first.are_still(&holders(&[9])));
        assert!(!holders(&[]).are_still(&first));
        let unblock = first.holdup().unblock;
        assert!(unblock.ends_with("(7); SELECT pg_terminate_backend(8)"), "{unblock}");
    }
}
