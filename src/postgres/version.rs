//! Which software is on the other side, and which database it is.

use sqlx::PgPool;

use super::connect::PgError;

/// The oldest major version of PostgreSQL that is supported.
pub(super) const OLDEST: i32 = 13;
/// The newest.
pub(super) const NEWEST: i32 = 18;

/// Names the software that builds: `PostgreSQL 15 / PostGIS 3.3`. Refuses what is not supported.
pub(crate) async fn server_identity(pool: &PgPool) -> Result<String, PgError> {
    let failed = PgError::sql("ask the server for its version");
    let number: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int")
        .fetch_one(pool)
        .await
        .map_err(&failed)?;
    let postgis: Option<String> =
        sqlx::query_scalar("SELECT extversion FROM pg_extension WHERE extname = 'postgis'")
            .fetch_optional(pool)
            .await
            .map_err(&failed)?;
    supported(number, postgis.as_deref())
}

/// The identity of a server by its `server_version_num` and the version of its PostGIS, if both are
/// supported.
fn supported(number: i32, postgis: Option<&str>) -> Result<String, PgError> {
    // Before 10, two numbers made a major version; these are too old in any reading.
    let found = number / 10_000;
    if !(OLDEST..=NEWEST).contains(&found) {
        return Err(PgError::Version { found });
    }
    let postgis = postgis.ok_or(PgError::NoPostgis)?;
    if postgis.split('.').next() != Some("3") {
        return Err(PgError::PostgisVersion { found: postgis.to_owned() });
    }
    Ok(identity(&found.to_string(), postgis))
}

/// Whether an installed version could run a private cluster.
pub(super) fn is_supported(major: &str) -> bool {
    major.parse().is_ok_and(|major: i32| (OLDEST..=NEWEST).contains(&major))
}

/// The common form of both ways to learn the identity.
pub(super) fn identity(major: &str, postgis: &str) -> String {
    let minor: Vec<&str> = postgis.split('.').take(2).collect();
    format!("PostgreSQL {major} / PostGIS {}", minor.join("."))
}

/// Names this one database among all there are: `postgres:<system identifier>/<database>`.
pub(crate) async fn system_identity(pool: &PgPool) -> Result<String, PgError> {
    sqlx::query_scalar(
        "SELECT 'postgres:' || system_identifier || '/' || current_database() \
         FROM pg_control_system()",
    )
    .fetch_one(pool)
    .await
    .map_err(PgError::sql("ask the server for its system identifier"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Failure;

    #[test]
    fn thirteen_to_eighteen_with_postgis_3_are_taken_and_no_others() {
        for (number, major) in [(130_000, 13), (130_023, 13), (150_014, 15), (180_001, 18)] {
            let identity = supported(number, Some("3.5.0")).unwrap();
            assert_eq!(identity, format!("PostgreSQL {major} / PostGIS 3.5"));
        }
        for number in [90_624, 100_023, 120_022, 190_000] {
            let failure = Failure::from(supported(number, Some("3.5.0")).unwrap_err());
            assert!(failure.message.contains("13 to 18 are supported"), "{failure:?}");
            assert!(failure.hint.is_some_and(|hint| hint.contains("nothing was written")));
        }
        for postgis in [Some("2.5.9"), Some("4.0.0dev"), Some("30.1"), Some(""), None] {
            let failure = Failure::from(supported(150_000, postgis).unwrap_err());
            assert!(failure.message.to_lowercase().contains("postgis"), "{failure:?}");
        }
        assert!(is_supported("13") && is_supported("18"));
        assert!(!is_supported("12") && !is_supported("19") && !is_supported("x"));
    }
}
