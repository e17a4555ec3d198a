use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, PgConnection, PgPool};

use super::quote::Sql;
use super::version::{NEWEST, OLDEST};
use crate::model::{Code, Failure};

/// What can go wrong between us and a PostgreSQL server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PgError {
    /// The URL does not say which server.
    #[error("failed to read the PostgreSQL URL: expected postgres://user@host:port/database")]
    Url,
    /// A file that the URL names cannot be read.
    #[error("failed to read {}, which the PostgreSQL URL names as {parameter}", file.display())]
    File {
        /// The parameter of the URL.
        parameter: &'static str,
        /// The file.
        file: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The server said no, or the way to it is broken.
    #[error("failed to {what}")]
    Sql {
        /// What was tried.
        what: &'static str,
        /// What came back.
        #[source]
        source: sqlx::Error,
    },
    /// The server is of a version that we do not know.
    #[error("the server is PostgreSQL {found}; {} to {} are supported", OLDEST, NEWEST)]
    Version {
        /// Its major version.
        found: i32,
    },
    /// PostGIS is of a version that we do not know.
    #[error("the database has PostGIS {found}; PostGIS 3 is supported")]
    PostgisVersion {
        /// Its version.
        found: String,
    },
    /// PostGIS is not in the database.
    #[error("failed to find the extension postgis in the database")]
    NoPostgis,
}

impl PgError {
    /// Wraps an error of sqlx with what was tried.
    pub(crate) fn sql(what: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self::Sql { what, source }
    }

    /// The five characters by which the server names the error.
    pub(crate) fn sqlstate(&self) -> Option<String> {
        match self {
            Self::Sql { source, .. } => sqlstate(source),
            _ => None,
        }
    }
}

fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}

impl From<PgError> for Failure {
    fn from(error: PgError) -> Self {
        match &error {
            PgError::Url => Self::permanent(Code::PlanInvalid, error.to_string())
                .hint("check the secret that holds the URL"),
            PgError::File { source, .. } => Self::permanent(Code::Credentials, error.to_string())
                .because(source)
                .hint("put the file there, readable by this user, or correct the URL"),
            PgError::Version { found } => Self::permanent(Code::StepFailed, error.to_string())
                .hint(if *found < OLDEST {
                    "upgrade the server; nothing was written"
                } else {
                    "use a newer coppice, or a server of a version that it knows; nothing was written"
                }),
            PgError::PostgisVersion { .. } => Self::permanent(Code::StepFailed, error.to_string())
                .hint("ALTER EXTENSION postgis UPDATE, or a server with PostGIS 3; nothing was written"),
            PgError::NoPostgis => Self::permanent(Code::StepFailed, error.to_string())
                .hint("as a superuser run CREATE EXTENSION postgis in the target database"),
            PgError::Sql { source, .. } => classify(error.to_string(), source),
        }
    }
}

const NOT_BELIEVED: &str = "the server's certificate was not accepted: name the root that signed it \
                            by sslrootcert=FILE in the URL, and the server by a name that is in \
                            the certificate";

/// Sorts an error by meaning. Only the server's message is kept, never its detail, which quotes
/// values.
fn classify(message: String, source: &sqlx::Error) -> Failure {
    let failure = match source {
        sqlx::Error::Database(_) => {
            let state = sqlstate(source).unwrap_or_default();
            by_state(&state, message).class(format!("postgres {state}"))
        }
        // The handshake fails as any reading does; what it says is no secret.
        sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Failure::permanent(Code::Credentials, message).hint(NOT_BELIEVED)
        }
        sqlx::Error::Tls(error) if error.to_string().contains("does not support TLS") => {
            Failure::permanent(Code::Credentials, message).hint(
                "turn TLS on at the server (`ssl = on`); only where nobody else can listen or \
                 answer, say sslmode=disable in the URL",
            )
        }
        sqlx::Error::Tls(_) => Failure::permanent(Code::Credentials, message).hint(NOT_BELIEVED),
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => {
            Failure::transient(Code::StoreUnreachable, message)
                .hint("see that the PostgreSQL server is up and can be reached from here")
        }
        _ => Failure::permanent(Code::StepFailed, message),
    };
    failure.because(source)
}

fn by_state(state: &str, message: String) -> Failure {
    match state {
        // Serialization, deadlock, lock timeout.
        "40001" | "40P01" | "55P03" => Failure::transient(Code::Locked, message)
            .hint("another session holds what is needed; see pg_locks and pg_stat_activity"),
        // Shut down, crashed, starting, too many connections.
        "57P01" | "57P02" | "57P03" | "57P05" | "53300" => {
            Failure::transient(Code::StoreUnreachable, message)
                .hint("the server is going down, coming up or full; look at its log")
        }
        // Idle in a transaction for longer than we let the server bear.
        "25P03" => Failure::transient(Code::StoreUnreachable, message).hint(
            "this machine stood still in the middle of a transaction, which the server then took \
             back",
        ),
        "28000" | "28P01" => Failure::permanent(Code::Credentials, message)
            .hint("check user and password in the secret that holds the URL, and pg_hba.conf"),
        "42501" => Failure::permanent(Code::Credentials, message)
            .hint("the role lacks a privilege: CONNECT, CREATE or TEMPORARY on the database, or USAGE and CREATE on a schema; coppice check names it"),
        "3D000" => Failure::permanent(Code::StoreUnreachable, message)
            .hint("create the database that the URL names, with the extension postgis"),
        "23505" => Failure::permanent(Code::StepFailed, message)
            .hint("two rows have the same key; correct the job's query or the sink's key"),
        "53100" => Failure::permanent(Code::NoSpace, message)
            .hint("free disk space on the database server, then resume"),
        state if state.starts_with("08") => Failure::transient(Code::StoreUnreachable, message),
        _ => Failure::permanent(Code::StepFailed, message),
    }
}

/// Opens a pool of so many connections and makes sure that the server answers.
pub(crate) async fn open_pool(options: PgConnectOptions, size: u32) -> Result<PgPool, PgError> {
    let pool = PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(Duration::from_secs(30))
        .connect_lazy_with(options.clone());
    // Of its own, because a pool tells a refused connection only as a timeout.
    let probe = options.connect().await.map_err(PgError::sql("connect to PostgreSQL"))?;
    drop(probe);
    Ok(pool)
}

/// Runs one statement without parameters.
pub(crate) async fn execute(
    connection: &mut PgConnection,
    what: &'static str,
    statement: &Sql,
) -> Result<u64, PgError> {
    let done = sqlx::raw_sql(statement.safe()).execute(connection).await;
    done.map(|done| done.rows_affected()).map_err(PgError::sql(what))
}

/// Runs text that holds a declared query: by the protocol that refuses a second statement.
pub(crate) async fn execute_one(
    connection: &mut PgConnection,
    what: &'static str,
    statement: &Sql,
) -> Result<(), PgError> {
    let done = sqlx::query(statement.safe()).persistent(false).execute(connection).await;
    done.map(|_| ()).map_err(PgError::sql(what))
}

/// How many more connections the server and our role's limit allow.
pub(crate) async fn free_connections(pool: &PgPool) -> Result<u64, PgError> {
    let free: i64 = sqlx::query_scalar(
        "SELECT least( \
           current_setting('max_connections')::bigint \
             - current_setting('superuser_reserved_connections')::bigint \
             - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), \
           (SELECT CASE WHEN rolconnlimit < 0 THEN NULL ELSE rolconnlimit - \
             (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user) END \
            FROM pg_roles WHERE rolname = current_user))",
    )
    .fetch_one(pool)
    .await
    .map_err(PgError::sql("ask how many connections are free"))?;
    Ok(u64::try_from(free).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FailureKind;
    use crate::postgres::connect_options;

    #[tokio::test]
    async fn a_refused_connection_is_transient() {
        let options = connect_options("postgres://u:hunter2@127.0.0.1:1/x").unwrap();
        let failure = Failure::from(open_pool(options, 4).await.unwrap_err());
        assert!(matches!(failure.kind, FailureKind::Transient { .. }), "{failure:?}");
        assert_eq!(failure.code, Code::StoreUnreachable);
    }

    #[test]
    fn states_are_told_apart() {
        let of = |state: &str| by_state(state, String::new());
        assert!(matches!(of("55P03").kind, FailureKind::Transient { .. }));
        assert!(matches!(of("57P01").kind, FailureKind::Transient { .. }));
        assert!(matches!(of("25P03").kind, FailureKind::Transient { .. }), "a machine that slept");
        assert_eq!(of("28P01").code, Code::Credentials);
        assert_eq!(of("53100").code, Code::NoSpace);
        assert_eq!(of("23505").kind, FailureKind::Permanent);
    }
}
