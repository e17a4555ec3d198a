use std::collections::BTreeMap;

use sqlx::PgConnection;

use super::{Grant, PostgisError, Result, carried, give_back};
use crate::model::{JobId, TableSink};
use crate::postgres::{Part, PgError, Sql, execute, execute_one, sql};
use crate::projection::postgis::others;
use crate::projection::postgis::patience::Hold;

/// Whether all declared views are there.
pub(super) async fn are_there(connection: &mut PgConnection, table: &TableSink) -> Result<bool> {
    let names: Vec<&str> = table.views.keys().map(String::as_str).collect();
    Ok(standing(connection, &table.schema, &names).await?.len() == names.len())
}

/// Those of some names that stand for something.
async fn standing(
    connection: &mut PgConnection,
    schema: &str,
    names: &[&str],
) -> Result<Vec<String>> {
    let found = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relname = ANY($2)",
    )
    .bind(schema)
    .bind(names)
    .fetch_all(connection)
    .await;
    Ok(found.map_err(PgError::sql("look for declared views"))?)
}

/// Drops views that were declared; gives how they were granted. What others built upon them stops
/// it.
pub(in super::super) async fn drop_views(
    connection: &mut PgConnection,
    schema: &str,
    names: &[&str],
    hold: &mut Hold,
) -> Result<BTreeMap<String, Vec<Grant>>> {
    let mut granted = BTreeMap::new();
    let there = standing(connection, schema, names).await?;
    let ours: Vec<_> = there.iter().map(|name| (schema, name.as_str())).collect();
    others::refuse(connection, &ours, &ours).await?;
    for name in &there {
        let grants = carried(connection, schema, name).await?;
        granted.insert(name.clone(), grants);
    }
    if !ours.is_empty() {
        // In one statement: one may be made of another.
        let list = ours.iter().map(|(schema, name)| sql("{}", &[Part::Qualified(schema, name)]));
        let list = Sql::join(list, ", ");
        let drop = sql("DROP VIEW {}", &[Part::Sql(&list)]);
        hold.execute(connection, "drop a declared view", &drop).await?;
    }
    Ok(granted)
}

/// Makes the declared views that are not there as declared. `former` is what was declared before,
/// where it is around the same name; `granted` tells how the ones that were dropped were granted.
pub(in super::super) async fn make_views(
    connection: &mut PgConnection,
    job: &JobId,
    (table, former): (&TableSink, Option<&TableSink>),
    mut granted: BTreeMap<String, Vec<Grant>>,
    hold: &mut Hold,
) -> Result<()> {
    let nothing = BTreeMap::new();
    let before = former.map_or(&nothing, |former| &former.views);
    let stale: Vec<_> = before
        .iter()
        .filter(|(name, query)| table.views.get(*name) != Some(query))
        .map(|(name, _)| name.as_str())
        .collect();
    granted.extend(drop_views(connection, &table.schema, &stale, hold).await?);
    let names: Vec<&str> = table.views.keys().map(String::as_str).collect();
    let there = standing(connection, &table.schema, &names).await?;
    for (name, query) in &table.views {
        if there.contains(name) {
            if before.contains_key(name) {
                continue;
            }
            let (job, schema) = (job.clone(), table.schema.clone());
            return Err(PostgisError::Taken { job, schema, table: name.clone() });
        }
        let view = Part::Qualified(&table.schema, name);
        let create = sql("CREATE VIEW {} AS {}", &[view, Part::Query(query)]);
        execute_one(connection, "make a declared view", &create).await.map_err(|source| {
            let view = format!("{}.{name}", table.schema);
            PostgisError::View { job: job.clone(), view, source }
        })?;
        let text = format!("coppice: {job}");
        let said = sql("COMMENT ON VIEW {} IS {}", &[view, Part::Literal(&text)]);
        execute(connection, "comment a declared view", &said).await?;
        if let Some(grants) = granted.get(name) {
            give_back(connection, &table.schema, name, grants).await?;
        }
    }
    Ok(())
}
