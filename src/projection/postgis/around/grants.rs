use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::{PostgisError, Result, Roles};
use crate::model::{Privilege, TableSink};
use crate::postgres::{Part, PgError, Sql, execute, sql};

/// One privilege that a role has on a relation, as PostgreSQL lists it.
pub(in super::super) type Grant = (String, Option<String>, bool);

/// A role in SQL.
fn role_name(role: &str) -> Sql {
    if role == "public" { sql("PUBLIC", &[]) } else { sql("{}", &[Part::Ident(role)]) }
}

fn privilege_name(privilege: Privilege) -> Sql {
    match privilege {
        Privilege::Select => sql("SELECT", &[]),
        Privilege::Insert => sql("INSERT", &[]),
        Privilege::Update => sql("UPDATE", &[]),
        Privilege::Delete => sql("DELETE", &[]),
        Privilege::Trigger => sql("TRIGGER", &[]),
    }
}

/// The relations that a job's grants are for: the live table, and its views.
fn relations(table: &TableSink) -> impl Iterator<Item = &str> {
    std::iter::once(table.table.as_str()).chain(table.views.keys().map(String::as_str))
}

/// Gives what is declared, and takes away what was declared before and is no more.
pub(in super::super) async fn give(
    connection: &mut PgConnection,
    table: &TableSink,
    former: Option<&TableSink>,
    roles: Roles,
) -> Result<()> {
    for role in table.grants.keys().filter(|role| *role != "public") {
        ensure_role(connection, role, roles).await?;
        ensure_usage(connection, &table.schema, role).await?;
    }
    for relation in relations(table) {
        let name = Part::Qualified(&table.schema, relation);
        for (role, privileges) in former.iter().flat_map(|former| &former.grants) {
            let kept = table.grants.get(role).map_or(&[][..], Vec::as_slice);
            for privilege in privileges.iter().filter(|one| !kept.contains(one)) {
                revoke(connection, name, *privilege, role).await?;
            }
        }
        for (role, privileges) in &table.grants {
            let list = Sql::join(privileges.iter().copied().map(privilege_name), ", ");
            let role = role_name(role);
            let parts = [Part::Sql(&list), name, Part::Sql(&role)];
            let grant = sql("GRANT {} ON {} TO {}", &parts);
            execute(connection, "grant the live table", &grant).await?;
        }
    }
    Ok(())
}

async fn revoke(
    connection: &mut PgConnection,
    name: Part<'_>,
    privilege: Privilege,
    role: &str,
) -> Result<()> {
    if role != "public" && !is_role(connection, role).await? {
        return Ok(());
    }
    let (privilege, role) = (privilege_name(privilege), role_name(role));
    let parts = [Part::Sql(&privilege), name, Part::Sql(&role)];
    let revoke = sql("REVOKE {} ON {} FROM {}", &parts);
    execute(connection, "take a grant of the live table back", &revoke).await?;
    Ok(())
}

async fn is_role(connection: &mut PgConnection, role: &str) -> Result<bool> {
    let found = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
        .bind(role)
        .fetch_one(connection)
        .await;
    Ok(found.map_err(PgError::sql("look for a role"))?)
}

async fn ensure_role(connection: &mut PgConnection, role: &str, roles: Roles) -> Result<()> {
    if is_role(connection, role).await? {
        return Ok(());
    }
    if roles == Roles::Given {
        return Err(PostgisError::NoRole { role: role.to_owned() });
    }
    let create = sql("CREATE ROLE {} NOLOGIN", &[Part::Ident(role)]);
    execute(connection, "make a role", &create).await?;
    Ok(())
}

/// Who may read a table in a schema must be let into the schema.
async fn ensure_usage(connection: &mut PgConnection, schema: &str, role: &str) -> Result<()> {
    for last in [false, true] {
        let may: bool = sqlx::query_scalar("SELECT has_schema_privilege($1, $2, 'USAGE')")
            .bind(role)
            .bind(schema)
            .fetch_one(&mut *connection)
            .await
            .map_err(PgError::sql("ask for the grants of a role"))?;
        if may {
            return Ok(());
        }
        let grant =
            sql("GRANT USAGE ON SCHEMA {} TO {}", &[Part::Ident(schema), Part::Ident(role)]);
        if last {
            break;
        }
        match execute(connection, "let a role into the live schema", &grant).await {
            Err(error) if error.sqlstate().as_deref() == Some("42501") => {
                return Err(PostgisError::NoUsage { grant: grant.as_str().to_owned() });
            }
            // Without the right to grant, PostgreSQL warns and does nothing.
            done => done?,
        };
    }
    let grant = sql("GRANT USAGE ON SCHEMA {} TO {}", &[Part::Ident(schema), Part::Ident(role)]);
    Err(PostgisError::NoUsage { grant: grant.as_str().to_owned() })
}

/// Whether every role has what is declared for it.
pub(super) async fn are_given(connection: &mut PgConnection, table: &TableSink) -> Result<bool> {
    let mut wanted: Vec<(&str, &str, &str)> = Vec::new();
    for relation in relations(table) {
        for (role, privileges) in &table.grants {
            wanted.extend(privileges.iter().map(|one| (relation, role.as_str(), one.name())));
        }
    }
    let distinct: BTreeSet<_> = wanted.iter().copied().collect();
    let given: i64 = sqlx::query_scalar(
        "SELECT count(DISTINCT (w.name, w.role, w.privilege)) FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $1 \
         JOIN unnest($2::text[], $3::text[], $4::text[]) AS w (name, role, privilege) \
         ON w.name = c.relname \
         CROSS JOIN LATERAL aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee \
         WHERE a.privilege_type = w.privilege AND coalesce(r.rolname::text, 'public') = w.role",
    )
    .bind(&table.schema)
    .bind(wanted.iter().map(|one| one.0).collect::<Vec<_>>())
    .bind(wanted.iter().map(|one| one.1).collect::<Vec<_>>())
    .bind(wanted.iter().map(|one| one.2).collect::<Vec<_>>())
    .fetch_one(connection)
    .await
    .map_err(PgError::sql("read the grants of the live table"))?;
    Ok(usize::try_from(given).unwrap_or_default() == distinct.len())
}

/// What others than the owner may do with a relation.
pub(in super::super) async fn carried(
    connection: &mut PgConnection,
    schema: &str,
    relation: &str,
) -> Result<Vec<Grant>> {
    let rows = sqlx::query_as(
        "SELECT a.privilege_type, r.rolname::text, a.is_grantable \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         CROSS JOIN LATERAL aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee \
         WHERE n.nspname = $1 AND c.relname = $2 AND a.grantee <> c.relowner",
    )
    .bind(schema)
    .bind(relation)
    .fetch_all(connection)
    .await;
    Ok(rows.map_err(PgError::sql("read the grants of a live name"))?)
}

/// Grants a relation that was made again as it was granted before.
pub(in super::super) async fn give_back(
    connection: &mut PgConnection,
    schema: &str,
    relation: &str,
    grants: &[Grant],
) -> Result<()> {
    // MAINTAIN is of PostgreSQL 17 and later, and is read from no other.
    const KNOWN: [&str; 8] =
        ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"];
    for (privilege, role, grantable) in grants {
        let Some(privilege) = KNOWN.iter().find(|known| *known == privilege) else { continue };
        let privilege = sql(privilege, &[]);
        let role = role_name(role.as_deref().unwrap_or("public"));
        let option = if *grantable { sql(" WITH GRANT OPTION", &[]) } else { Sql::default() };
        let name = Part::Qualified(schema, relation);
        let parts = [Part::Sql(&privilege), name, Part::Sql(&role), Part::Sql(&option)];
        let grant = sql("GRANT {} ON {} TO {}{}", &parts);
        execute(connection, "grant a live name", &grant).await?;
    }
    Ok(())
}
