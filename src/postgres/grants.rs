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

/// What a run wants to do in a database.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// The schemas of live tables.
    pub(crate) schemas: Vec<String>,
    /// The roles that are let into a schema, by schema and role.
    pub(crate) readers: Vec<(String, String)>,
}

/// What our role lacks: to connect and to make schemas and temporary tables, to use the schemas
/// that are there already, to keep its records in `coppice`, to own what it made, and to let in
/// those that jobs grant to; changes nothing.
pub(crate) async fn missing_grants(
    pool: &PgPool,
    wanted: &Wanted,
) -> Result<Vec<MissingGrant>, PgError> {
    let (role, database): (String, String) =
        sqlx::query_as("SELECT current_user::text, current_database()::text")
            .fetch_one(pool)
            .await
            .map_err(PgError::sql(ASK))?;
    let mut look = Look { pool, role, missing: Vec::new() };
    look.database(&database).await?;
    look.schemas(&wanted.schemas).await?;
    look.records().await?;
    look.ownership().await?;
    look.postgis(&database).await?;
    look.readers(&wanted.readers).await?;
    Ok(look.missing)
}

const ASK: &str = "ask for the grants of our role";

struct Look<'a> {
    pool: &'a PgPool,
    role: String,
    missing: Vec<MissingGrant>,
}

impl Look<'_> {
    fn say(&mut self, what: String, mend: &Sql) {
        self.missing.push(MissingGrant { what, mend: mend.as_str().to_owned() });
    }

    async fn database(&mut self, database: &str) -> Result<(), PgError> {
        for privilege in ["CONNECT", "CREATE", "TEMPORARY"] {
            let has: bool = sqlx::query_scalar("SELECT has_database_privilege($1, $2)")
                .bind(database)
                .bind(privilege)
                .fetch_one(self.pool)
                .await
                .map_err(PgError::sql(ASK))?;
            if !has {
                let to = [Part::Ident(database), Part::Ident(&self.role)];
                let mend = match privilege {
                    "CONNECT" => sql("GRANT CONNECT ON DATABASE {} TO {}", &to),
                    "CREATE" => sql("GRANT CREATE ON DATABASE {} TO {}", &to),
                    _ => sql("GRANT TEMPORARY ON DATABASE {} TO {}", &to),
                };
                self.say(format!("{privilege} on database {database}"), &mend);
            }
        }
        Ok(())
    }

    /// Of a schema that is not there yet we shall be the owner.
    async fn schemas(&mut self, schemas: &[String]) -> Result<(), PgError> {
        let wanted = schemas.iter().map(String::as_str).chain(["coppice"]);
        for (schema, privilege) in wanted.flat_map(|name| [(name, "USAGE"), (name, "CREATE")]) {
            let has: Option<bool> = sqlx::query_scalar(
                "SELECT has_schema_privilege(oid, $2) FROM pg_namespace WHERE nspname = $1",
            )
            .bind(schema)
            .bind(privilege)
            .fetch_optional(self.pool)
            .await
            .map_err(PgError::sql(ASK))?;
            if has == Some(false) {
                let to = [Part::Ident(schema), Part::Ident(&self.role)];
                let mend = match privilege {
                    "USAGE" => sql("GRANT USAGE ON SCHEMA {} TO {}", &to),
                    _ => sql("GRANT CREATE ON SCHEMA {} TO {}", &to),
                };
                self.say(format!("{privilege} on schema {schema}"), &mend);
            }
        }
        Ok(())
    }

    async fn records(&mut self) -> Result<(), PgError> {
        let records: bool = sqlx::query_scalar(
            "SELECT coalesce(bool_and(has_table_privilege(c.oid, p)), true) FROM pg_class c \
             CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p \
             WHERE c.relnamespace = to_regnamespace('coppice') AND c.relkind = 'r'",
        )
        .fetch_one(self.pool)
        .await
        .map_err(PgError::sql(ASK))?;
        if !records {
            let to = [Part::Ident("coppice"), Part::Ident(&self.role)];
            let mend =
                sql("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {} TO {}", &to);
            self.say("writing on the tables of schema coppice".to_owned(), &mend);
        }
        Ok(())
    }

    /// Only an owner replaces a view, drops a table or makes a foreign key.
    async fn ownership(&mut self) -> Result<(), PgError> {
        let owners: Vec<(String, String)> = sqlx::query_as(
            "SELECT min(what), owner FROM ( \
               SELECT 'schema ' || nspname AS what, pg_get_userbyid(nspowner)::text AS owner, \
                 nspowner AS oid FROM pg_namespace WHERE nspname ~ '^coppice_[0-9a-f]{16}$' \
               UNION ALL SELECT 'table ' || n.nspname || '.' || c.relname, \
                 pg_get_userbyid(c.relowner)::text, c.relowner \
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.relkind = 'r' AND n.nspname ~ '^coppice_[0-9a-f]{16}$' \
               UNION ALL SELECT DISTINCT 'view ' || n.nspname || '.' || v.relname, \
                 pg_get_userbyid(v.relowner)::text, v.relowner \
               FROM pg_depend d JOIN pg_class t ON t.oid = d.refobjid AND t.relkind = 'r' \
               JOIN pg_namespace tn ON tn.oid = t.relnamespace \
                 AND tn.nspname ~ '^coppice_[0-9a-f]{16}$' \
               JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid \
               JOIN pg_class v ON v.oid = r.ev_class AND v.relname = t.relname \
               JOIN pg_namespace n ON n.oid = v.relnamespace) ours \
             WHERE NOT pg_has_role(oid, 'USAGE') GROUP BY owner ORDER BY owner",
        )
        .fetch_all(self.pool)
        .await
        .map_err(PgError::sql(ASK))?;
        for (what, owner) in owners {
            let mend = sql("GRANT {} TO {}", &[Part::Ident(&owner), Part::Ident(&self.role)]);
            self.say(format!("ownership of {what} (it is {owner}'s)"), &mend);
        }
        Ok(())
    }

    /// The types and functions are named without their schema.
    async fn postgis(&mut self, database: &str) -> Result<(), PgError> {
        let hidden: Option<(String, bool)> = sqlx::query_as(
            "SELECT n.nspname::text, has_schema_privilege(n.oid, 'USAGE') FROM pg_extension e \
             JOIN pg_namespace n ON n.oid = e.extnamespace \
             WHERE e.extname = 'postgis' AND to_regtype('geometry') IS NULL",
        )
        .fetch_optional(self.pool)
        .await
        .map_err(PgError::sql(ASK))?;
        let Some((schema, may_use)) = hidden else { return Ok(()) };
        if !may_use {
            let to = [Part::Ident(&schema), Part::Ident(&self.role)];
            let mend = sql("GRANT USAGE ON SCHEMA {} TO {}", &to);
            self.say(format!("USAGE on schema {schema}, where PostGIS is"), &mend);
        }
        let parts = [Part::Ident(&self.role), Part::Ident(database), Part::Ident(&schema)];
        let mend =
            sql("ALTER ROLE {} IN DATABASE {} SET search_path = \"$user\", public, {}", &parts);
        let found: bool = sqlx::query_scalar("SELECT $1 = ANY (current_schemas(false)::text[])")
            .bind(&schema)
            .fetch_one(self.pool)
            .await
            .map_err(PgError::sql(ASK))?;
        if !found && (may_use || schema != "public") {
            self.say(format!("the schema {schema} of PostGIS in its search_path"), &mend);
        }
        Ok(())
    }

    async fn readers(&mut self, readers: &[(String, String)]) -> Result<(), PgError> {
        for (schema, reader) in readers.iter().filter(|(_, reader)| reader != "public") {
            let names = [Part::Ident(schema), Part::Ident(reader)];
            let there: bool =
                sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
                    .bind(reader)
                    .fetch_one(self.pool)
                    .await
                    .map_err(PgError::sql(ASK))?;
            if !there {
                let mend = sql("CREATE ROLE {} NOLOGIN", &names[1..]);
                self.missing.retain(|one| one.mend != mend.as_str());
                self.say(format!("the role {reader}, which a job grants to"), &mend);
                continue;
            }
            let let_in: Option<bool> = sqlx::query_scalar(
                "SELECT has_schema_privilege($2, oid, 'USAGE') \
                 OR has_schema_privilege(oid, 'USAGE WITH GRANT OPTION') \
                 FROM pg_namespace WHERE nspname = $1",
            )
            .bind(schema)
            .bind(reader)
            .fetch_optional(self.pool)
            .await
            .map_err(PgError::sql(ASK))?;
            if let_in == Some(false) {
                let mend = sql("GRANT USAGE ON SCHEMA {} TO {}", &names);
                self.say(format!("letting {reader} into schema {schema}"), &mend);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::{ensure_registry, testing};

    fn wanted(schemas: &[&str], readers: &[(&str, &str)]) -> Wanted {
        Wanted {
            schemas: schemas.iter().map(|&name| name.to_owned()).collect(),
            readers: readers.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        }
    }

    async fn run(pool: &PgPool, statement: String) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(pool).await.unwrap();
    }

    #[tokio::test]
    async fn a_grant_that_is_missing_is_named_and_the_statement_mends_it() {
        let owner = testing::database().await;
        ensure_registry(&owner).await.unwrap();
        let wanted = wanted(
            &["live", "not_there"],
            &[("live", "reader"), ("live", "nobody"), ("live", "public")],
        );
        let role = format!("narrow_{}", std::process::id());
        let database: String =
            sqlx::query_scalar("SELECT current_database()::text").fetch_one(&owner).await.unwrap();
        run(
            &owner,
            format!(
                "CREATE SCHEMA live; CREATE SCHEMA coppice_0123456789abcdef; \
                 CREATE TABLE coppice_0123456789abcdef.t (id int); \
                 CREATE VIEW live.t AS SELECT * FROM coppice_0123456789abcdef.t; \
                 REVOKE TEMPORARY ON DATABASE {database} FROM public; \
                 DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN; \
                 DROP ROLE IF EXISTS reader; CREATE ROLE reader; \
                 CREATE SCHEMA gis; DROP EXTENSION postgis; CREATE EXTENSION postgis SCHEMA gis"
            ),
        )
        .await;
        let options = owner.connect_options().as_ref().clone().username(&role);
        let connect = || crate::postgres::open_pool(options.clone(), 4);
        let pool = connect().await.unwrap();
        let missing = missing_grants(&pool, &wanted).await.unwrap();
        let names: Vec<_> = missing.iter().map(|one| one.what.as_str()).collect();
        let expected = [
            &format!("CREATE on database {database}"),
            &format!("TEMPORARY on database {database}"),
            "USAGE on schema live",
            "CREATE on schema live",
            "USAGE on schema coppice",
            "CREATE on schema coppice",
            "writing on the tables of schema coppice",
            "ownership of schema coppice_0123456789abcdef (it is coppice's)",
            "USAGE on schema gis, where PostGIS is",
            "the schema gis of PostGIS in its search_path",
            "letting reader into schema live",
            "the role nobody, which a job grants to",
        ];
        assert_eq!(names, expected);
        for one in &missing {
            run(&owner, one.mend.clone()).await;
        }
        // The search path is one of a new session.
        pool.close().await;
        let pool = connect().await.unwrap();
        let missing = missing_grants(&pool, &wanted).await.unwrap();
        assert_eq!(missing, [], "of schemas that are ours we may let others in");
    }
}
