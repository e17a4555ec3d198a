//! May our role do all that a run does?

use sqlx::PgPool;

use super::connect::PgError;
use super::quote::{Part, Sql, sql};

/// A privilege that our role has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MissingGrant {
    /// What it is, such as `CREATE on database kansas`.
    pub(crate) what: String,
    /// The statement that gives it.
    pub(crate) mend: String,
}

/// What our role lacks: to connect and to make schemas, to use the schemas that are there already
/// and to keep its records in `coppice`; changes nothing.
pub(crate) async fn missing_grants(
    pool: &PgPool,
    schemas: &[String],
) -> Result<Vec<MissingGrant>, PgError> {
    let failed = PgError::sql("ask for the grants of our role");
    let (role, database): (String, String) =
        sqlx::query_as("SELECT current_user::text, current_database()::text")
            .fetch_one(pool)
            .await
            .map_err(&failed)?;
    let mut missing = Vec::new();
    let lacks = |kind: &str, privilege: &str, name: &str, on: &Sql| {
        let to = [Part::Sql(on), Part::Ident(&role)];
        let mend = match privilege {
            "CONNECT" => sql("GRANT CONNECT ON {} TO {}", &to),
            "CREATE" => sql("GRANT CREATE ON {} TO {}", &to),
            "USAGE" => sql("GRANT USAGE ON {} TO {}", &to),
            _ => sql("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN {} TO {}", &to),
        };
        MissingGrant {
            what: format!("{privilege} on {kind} {name}"),
            mend: mend.as_str().to_owned(),
        }
    };
    for privilege in ["CONNECT", "CREATE"] {
        let has: bool = sqlx::query_scalar("SELECT has_database_privilege($1, $2)")
            .bind(&database)
            .bind(privilege)
            .fetch_one(pool)
            .await
            .map_err(&failed)?;
        if !has {
            let on = sql("DATABASE {}", &[Part::Ident(&database)]);
            missing.push(lacks("database", privilege, &database, &on));
        }
    }
    // Of a schema that is not there yet we shall be the owner.
    let wanted = schemas.iter().map(String::as_str).chain(["coppice"]);
    for (schema, privilege) in wanted.flat_map(|name| [(name, "USAGE"), (name, "CREATE")]) {
        let has: Option<bool> = sqlx::query_scalar(
            "SELECT has_schema_privilege(oid, $2) FROM pg_namespace WHERE nspname = $1",
        )
        .bind(schema)
        .bind(privilege)
        .fetch_optional(pool)
        .await
        .map_err(&failed)?;
        if has == Some(false) {
            let on = sql("SCHEMA {}", &[Part::Ident(schema)]);
            missing.push(lacks("schema", privilege, schema, &on));
        }
    }
    let records: bool = sqlx::query_scalar(
        "SELECT coalesce(bool_and(has_table_privilege(c.oid, p)), true) FROM pg_class c \
         CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p \
         WHERE c.relnamespace = to_regnamespace('coppice') AND c.relkind = 'r'",
    )
    .fetch_one(pool)
    .await
    .map_err(&failed)?;
    if !records {
        let on = sql("SCHEMA {}", &[Part::Ident("coppice")]);
        missing.push(lacks("the tables of schema", "writing", "coppice", &on));
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::{ensure_registry, testing};

    #[tokio::test]
    async fn a_grant_that_is_missing_is_named_and_the_statement_mends_it() {
        let owner = testing::database().await;
        ensure_registry(&owner).await.unwrap();
        sqlx::raw_sql("CREATE SCHEMA live").execute(&owner).await.unwrap();
        assert_eq!(missing_grants(&owner, &["live".to_owned()]).await.unwrap(), []);
        let role = format!("narrow_{}", std::process::id());
        let make = format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN");
        sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&owner).await.unwrap();
        let options = owner.connect_options().as_ref().clone().username(&role);
        let pool = crate::postgres::open_pool(options).await.unwrap();
        let schemas = ["live".to_owned(), "not_there".to_owned()];
        let missing = missing_grants(&pool, &schemas).await.unwrap();
        let names: Vec<_> = missing.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(names.len(), 6, "{names:?}");
        assert!(names[0].starts_with("CREATE on database "), "{names:?}");
        assert!(names.contains(&"USAGE on schema live"), "{names:?}");
        for one in &missing {
            let mend = sqlx::AssertSqlSafe(one.mend.clone());
            sqlx::raw_sql(mend).execute(&owner).await.unwrap();
        }
        assert_eq!(missing_grants(&pool, &schemas).await.unwrap(), []);
    }
}
