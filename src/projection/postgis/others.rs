//! What others have built upon live tables: found by PostgreSQL's own record of dependencies.

use sqlx::PgConnection;

use super::{PostgisError, registry, table};
use crate::digest::Digest;
use crate::model::{JobId, TableSink};
use crate::postgres::PgError;

type Result<T> = std::result::Result<T, PostgisError>;

/// A relation by schema and name.
pub(super) type Name<'a> = (&'a str, &'a str);

/// One thing that somebody has built.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Other {
    /// What it is, such as `view public.report`.
    pub(super) what: String,
    /// Whether it reads the relation or refers to it, and is not only fastened to it.
    pub(super) reads: bool,
}

/// What depends on relations, through views too. Nothing is looked for beyond `ours`, nor are they
/// listed. What PostgreSQL keeps for itself (indexes, types, the keys of a table) is left out.
const UPON: &str = "\
WITH RECURSIVE named AS (
  SELECT c.oid, w.listed FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN (SELECT *, true FROM unnest($1::text[], $2::text[])
        UNION ALL SELECT *, false FROM unnest($3::text[], $4::text[])) w (schema, name, listed)
    ON (n.nspname, c.relname) = (w.schema, w.name)
), upon (classid, objid, objsubid, rel) AS (
  SELECT 0::oid, 0::oid, 0, oid FROM named WHERE listed
  UNION
  SELECT CASE WHEN r.oid IS NULL THEN d.classid ELSE 'pg_class'::regclass::oid END,
    coalesce(r.ev_class, d.objid), CASE WHEN r.oid IS NULL THEN d.objsubid ELSE 0 END, r.ev_class
  FROM upon u JOIN pg_class c ON c.oid = u.rel
  JOIN pg_depend d ON d.deptype IN ('n', 'a')
    AND (d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
      OR d.refclassid = 'pg_type'::regclass AND c.reltype <> 0 AND d.refobjid = c.reltype)
  LEFT JOIN pg_rewrite r
    ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.rulename = '_RETURN'
  WHERE r.ev_class IS NULL OR r.ev_class NOT IN (SELECT oid FROM named)
)
SELECT DISTINCT o.type || ' ' || o.identity AS what,
  u.classid NOT IN ('pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_rewrite'::regclass,
    'pg_publication_rel'::regclass) AS reads
FROM upon u
LEFT JOIN pg_class c ON u.classid = 'pg_class'::regclass AND c.oid = u.objid
LEFT JOIN pg_constraint k ON u.classid = 'pg_constraint'::regclass AND k.oid = u.objid
LEFT JOIN pg_class kc ON kc.oid = k.conrelid LEFT JOIN pg_namespace kn ON kn.oid = kc.relnamespace
LEFT JOIN pg_trigger t ON u.classid = 'pg_trigger'::regclass AND t.oid = u.objid
CROSS JOIN LATERAL pg_identify_object(u.classid, u.objid, u.objsubid) o
WHERE u.classid <> 0
  AND u.classid NOT IN ('pg_type'::regclass, 'pg_statistic_ext'::regclass)
  AND (c.oid IS NULL OR c.relkind NOT IN ('i', 'I', 't', 'S') AND c.oid NOT IN (SELECT oid FROM named))
  AND (k.oid IS NULL OR k.contype = 'f' AND NOT starts_with(kn.nspname::text, 'coppice_'))
  AND (t.oid IS NULL OR NOT t.tgisinternal)
ORDER BY 1";

/// Finds what others have built upon relations; views that are `ours` are none of theirs.
pub(super) async fn upon(
    connection: &mut PgConnection,
    relations: &[Name<'_>],
    ours: &[Name<'_>],
) -> Result<Vec<Other>> {
    let (schemas, names): (Vec<&str>, Vec<&str>) = relations.iter().copied().unzip();
    let (our_schemas, our_names): (Vec<&str>, Vec<&str>) = ours.iter().copied().unzip();
    let found = sqlx::query_as(UPON)
        .bind(schemas)
        .bind(names)
        .bind(our_schemas)
        .bind(our_names)
        .fetch_all(connection)
        .await;
    Ok(found.map_err(PgError::sql("look for what others have built upon a live table"))?)
}

/// Refuses to drop relations that others have built upon.
pub(super) async fn refuse(
    connection: &mut PgConnection,
    relations: &[Name<'_>],
    ours: &[Name<'_>],
) -> Result<()> {
    let found = upon(connection, relations, ours).await?;
    if found.is_empty() {
        return Ok(());
    }
    let what = relations.iter().map(|(schema, name)| format!("{schema}.{name}"));
    Err(PostgisError::Dependents {
        what: what.collect::<Vec<_>>().join(", "),
        dependents: words(&found),
    })
}

/// The names that readers of a job's table use.
pub(super) fn shown(table: &TableSink) -> Vec<Name<'_>> {
    let views = table.views.keys().map(|view| (table.schema.as_str(), view.as_str()));
    std::iter::once((table.schema.as_str(), table.table.as_str())).chain(views).collect()
}

/// What others have bound to a generation's own table, where the live name would have served them:
/// it does not go along with a switch. What reads the table, or refers to it, stops the switch; the
/// rest is told.
pub(super) async fn left_behind(
    connection: &mut PgConnection,
    generation: &Digest,
    stored: &TableSink,
) -> Result<Vec<Other>> {
    let home = table::generation_schema(generation);
    upon(connection, &[(&home, &stored.table)], &shown(stored)).await
}

/// Refuses a switch away from a generation that others read or refer to by itself.
pub(super) async fn refuse_to_leave(
    connection: &mut PgConnection,
    generation: &Digest,
    stored: &TableSink,
) -> Result<()> {
    let found = left_behind(connection, generation, stored).await?;
    let (bound, fastened): (Vec<_>, Vec<_>) = found.into_iter().partition(|other| other.reads);
    let what = format!("{}.{}", table::generation_schema(generation), stored.table);
    if !fastened.is_empty() {
        tracing::warn!(table = %what, others = %words(&fastened),
            "stays with the former generation, and does not go along with the switch");
    }
    if bound.is_empty() {
        return Ok(());
    }
    let live = format!("{}.{}", stored.schema, stored.table);
    Err(PostgisError::LeftBehind { what, live, dependents: words(&bound) })
}

/// What others have put on and built upon a job's live table, a sentence each.
pub(super) async fn told(
    connection: &mut PgConnection,
    job: &JobId,
    declared: &TableSink,
) -> Result<Vec<String>> {
    let Some(generation) = registry::live(connection, job).await?.generation else {
        return Ok(Vec::new());
    };
    let Some(recorded) = registry::recorded(connection, job, &generation).await? else {
        return Ok(Vec::new());
    };
    let stored = table::table_of(&recorded.sink)?.clone();
    let live = format!("{}.{}", stored.schema, stored.table);
    let mut told = Vec::new();
    let names = shown(&stored);
    let upon = upon(connection, &names, &names).await?;
    told.extend(upon.iter().map(|other| format!("{} stands on {live}", other.what)));
    let behind = left_behind(connection, &generation, &stored).await?;
    let home = table::generation_schema(&generation);
    told.extend(behind.iter().map(|other| {
        format!("{} is bound to {home}.{} and not to {live}", other.what, stored.table)
    }));
    told.extend(grants_by_hand(connection, &stored, declared).await?);
    told.extend(comment_by_hand(connection, &stored, declared).await?);
    Ok(told)
}

async fn grants_by_hand(
    connection: &mut PgConnection,
    stored: &TableSink,
    declared: &TableSink,
) -> Result<Vec<String>> {
    let mut told = Vec::new();
    for (privilege, role, _) in
        super::around::carried(connection, &stored.schema, &stored.table).await?
    {
        let role = role.unwrap_or_else(|| "public".to_owned());
        let known = [stored, declared].into_iter().filter_map(|table| table.grants.get(&role));
        if !known.flatten().any(|known| known.name() == privilege) {
            let live = format!("{}.{}", stored.schema, stored.table);
            told.push(format!("{privilege} on {live} is granted to {role} by hand, and stays"));
        }
    }
    Ok(told)
}

async fn comment_by_hand(
    connection: &mut PgConnection,
    stored: &TableSink,
    declared: &TableSink,
) -> Result<Option<String>> {
    let comment = super::show::comment_of(connection, stored).await?;
    let by_hand = comment
        .filter(|text| !text.starts_with("coppice: ") && Some(text) != stored.comment.as_ref());
    let stays = if declared.comment.is_some() { "would be replaced" } else { "stays" };
    let live = format!("{}.{}", stored.schema, stored.table);
    Ok(by_hand.map(|_| format!("{live} has a comment by hand, which {stays}")))
}

fn words(others: &[Other]) -> String {
    others.iter().map(|other| other.what.as_str()).collect::<Vec<_>>().join(", ")
}
