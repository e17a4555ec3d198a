//! What Coppice keeps in a target database: the schema `coppice`, and in it the marker that says
//! to which environment the database belongs.

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgPool};

use super::connect::{PgError, execute};
use super::quote::sql;

/// To which environment a database belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker {
    /// The environment's name.
    pub(crate) environment: String,
    /// The database's own identity when it was marked: a copy of the database shows by it.
    pub(crate) identity: String,
    /// When it was marked.
    pub(crate) created_at: DateTime<Utc>,
}

/// Any number: two processes that create the schema at once must not collide.
const REGISTRY_LOCK: i64 = 0x636f_7070_6963_6501;

const REGISTRY: &str = "
CREATE SCHEMA IF NOT EXISTS coppice;
CREATE TABLE IF NOT EXISTS coppice.environment (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    environment text NOT NULL,
    identity text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS coppice.generations (
    job text NOT NULL,
    generation text NOT NULL,
    sink json NOT NULL,
    proof json,
    state text NOT NULL CHECK (state IN ('staged', 'complete')),
    run_id uuid NOT NULL,
    epoch bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job, generation)
);
ALTER TABLE coppice.generations ADD COLUMN IF NOT EXISTS was_live boolean NOT NULL DEFAULT false;
CREATE TABLE IF NOT EXISTS coppice.live (
    job text PRIMARY KEY,
    generation text,
    former text,
    epoch bigint NOT NULL,
    run_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS coppice.holder (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    run_id uuid NOT NULL,
    holder text NOT NULL,
    epoch bigint NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);
COMMENT ON SCHEMA coppice IS 'Kept by coppice: markers, generations with their proofs, what is live';
";

/// Makes the schema `coppice` where it is missing. Twice equals once.
pub(crate) async fn ensure_registry(pool: &PgPool) -> Result<(), PgError> {
    let failed = PgError::sql("create the schema coppice");
    if is_current(pool).await? {
        return Ok(());
    }
    let mut connection = pool.acquire().await.map_err(&failed)?;
    let mut transaction = connection.begin().await.map_err(&failed)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(REGISTRY_LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
    execute(&mut transaction, "create the schema coppice", &sql(REGISTRY, &[])).await?;
    transaction.commit().await.map_err(&failed)
}

/// Whether nothing is to be made or added any more.
async fn is_current(pool: &PgPool) -> Result<bool, PgError> {
    sqlx::query_scalar(
        "SELECT to_regclass('coppice.holder') IS NOT NULL AND EXISTS (SELECT FROM pg_attribute \
         WHERE attrelid = to_regclass('coppice.generations') AND attname = 'was_live')",
    )
    .fetch_one(pool)
    .await
    .map_err(PgError::sql("look for the schema coppice"))
}

/// Says whether the schema `coppice` is there as a whole; its last table is made last.
pub(crate) async fn has_registry(pool: &PgPool) -> Result<bool, PgError> {
    sqlx::query_scalar("SELECT to_regclass('coppice.holder') IS NOT NULL")
        .fetch_one(pool)
        .await
        .map_err(PgError::sql("look for the schema coppice"))
}

/// Reads the marker, if there is one; changes nothing.
pub(crate) async fn read_marker(pool: &PgPool) -> Result<Option<Marker>, PgError> {
    if !has_registry(pool).await? {
        return Ok(None);
    }
    let row: Option<(String, String, i64)> = sqlx::query_as(
        "SELECT environment, identity, (extract(epoch FROM created_at) * 1000000)::bigint \
         FROM coppice.environment",
    )
    .fetch_optional(pool)
    .await
    .map_err(PgError::sql("read the environment marker"))?;
    Ok(row.map(|(environment, identity, micros)| {
        let created_at = DateTime::from_timestamp_micros(micros).unwrap_or_default();
        Marker { environment, identity, created_at }
    }))
}

/// Puts a marker where there is none, and gives the one that stands: the caller sees whether it
/// is its own.
pub(crate) async fn write_marker(
    pool: &PgPool,
    environment: &str,
    identity: &str,
) -> Result<Marker, PgError> {
    let failed = PgError::sql("write the environment marker");
    ensure_registry(pool).await?;
    sqlx::query(
        "INSERT INTO coppice.environment (environment, identity) VALUES ($1, $2) \
         ON CONFLICT (one) DO NOTHING",
    )
    .bind(environment)
    .bind(identity)
    .execute(pool)
    .await
    .map_err(&failed)?;
    read_marker(pool).await?.ok_or_else(|| failed(sqlx::Error::RowNotFound))
}
