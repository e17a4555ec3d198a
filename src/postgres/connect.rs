use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions as _, PgConnection, PgPool};
use url::Url;

use super::quote::Sql;
use crate::model::{Code, Failure};

/// What can go wrong between us and a PostgreSQL server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PgError {
    /// The URL does not say which server.
    #[error("failed to read the PostgreSQL URL: expected postgres://user@host:port/database")]
    Url,
    /// The server said no, or the way to it is broken.
    #[error("failed to {what}")]
    Sql {
        /// What was tried.
        what: &'static str,
        /// What came back.
        #[source]
        source: sqlx::Error,
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
            PgError::NoPostgis => Self::permanent(Code::StepFailed, error.to_string())
                .hint("as a superuser run CREATE EXTENSION postgis in the target database"),
            PgError::Sql { source, .. } => classify(error.to_string(), source),
        }
    }
}

/// Sorts an error by meaning. Only the server's message is kept, never its detail, which quotes
/// values.
fn classify(message: String, source: &sqlx::Error) -> Failure {
    let failure = match source {
        sqlx::Error::Database(_) => {
            let state = sqlstate(source).unwrap_or_default();
            by_state(&state, message).class(format!("postgres {state}"))
        }
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => {
            Failure::transient(Code::StoreUnreachable, message)
                .hint("see that the PostgreSQL server is up and can be reached from here")
        }
        sqlx::Error::Tls(_) => Failure::permanent(Code::Credentials, message).hint(
            "the server's certificate was not accepted; name its root with sslrootcert in the URL",
        ),
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
        "28000" | "28P01" => Failure::permanent(Code::Credentials, message)
            .hint("check user and password in the secret that holds the URL, and pg_hba.conf"),
        "42501" => Failure::permanent(Code::Credentials, message)
            .hint("the role lacks a privilege; it needs CREATE on the database and the schemas"),
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

/// Reads a URL. Without an `sslmode` of its own, a server beyond this machine must prove its name.
pub(crate) fn connect_options(url: &str) -> Result<PgConnectOptions, PgError> {
    // Not the parser's own message, which may quote the password.
    let parsed = Url::parse(url).ok().ok_or(PgError::Url)?;
    if !matches!(parsed.scheme(), "postgres" | "postgresql") {
        return Err(PgError::Url);
    }
    let options: PgConnectOptions = url.parse().ok().ok_or(PgError::Url)?;
    let says = parsed.query_pairs().any(|(key, _)| matches!(&*key, "sslmode" | "ssl-mode"));
    let options =
        if says || is_local(&options) { options } else { options.ssl_mode(PgSslMode::VerifyFull) };
    Ok(tuned(options))
}

/// The settings that every connection of ours has.
pub(super) fn tuned(options: PgConnectOptions) -> PgConnectOptions {
    options
        .application_name("coppice")
        // A fixed session, so that text made by the server (of times in tiles) never differs.
        .options([("TimeZone", "UTC"), ("DateStyle", "ISO"), ("client_min_messages", "warning")])
        .disable_statement_logging()
}

fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host().trim_start_matches('[').trim_end_matches(']');
    let loopback = host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    options.get_socket().is_some() || host.starts_with('/') || host == "localhost" || loopback
}

/// Opens a pool and makes sure that the server answers.
pub(crate) async fn open_pool(options: PgConnectOptions) -> Result<PgPool, PgError> {
    let pool = PgPoolOptions::new()
        .max_connections(8)
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

/// Names the software that builds: `PostgreSQL 15 / PostGIS 3.3`.
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
    let postgis = postgis.ok_or(PgError::NoPostgis)?;
    Ok(identity(&(number / 10_000).to_string(), &postgis))
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
    use crate::model::FailureKind;

    #[test]
    fn a_remote_server_must_prove_its_name_unless_the_url_says_otherwise() {
        let mode = |url: &str| format!("{:?}", connect_options(url).unwrap().get_ssl_mode());
        assert_eq!(mode("postgres://u:p@db.example.org/x"), "VerifyFull");
        assert_eq!(mode("postgres://u:p@db.example.org/x?sslmode=require"), "Require");
        assert_ne!(mode("postgres://u@127.0.0.1/x"), "VerifyFull");
        assert_ne!(mode("postgres://u@[::1]/x"), "VerifyFull");
        assert_ne!(mode("postgres://u@%2Frun%2Fpg/x"), "VerifyFull");
    }

    #[test]
    fn a_bad_url_is_refused_without_being_quoted() {
        for url in ["postgres://u:hunter2@[bad/x", "mysql://u:hunter2@h/x", "hunter2"] {
            let failure = Failure::from(connect_options(url).unwrap_err());
            assert!(!format!("{failure:?}").contains("hunter2"));
        }
    }

    #[tokio::test]
    async fn a_refused_connection_is_transient() {
        let options = connect_options("postgres://u:hunter2@127.0.0.1:1/x").unwrap();
        let failure = Failure::from(open_pool(options).await.unwrap_err());
        assert!(matches!(failure.kind, FailureKind::Transient { .. }), "{failure:?}");
        assert_eq!(failure.code, Code::StoreUnreachable);
    }

    #[test]
    fn states_are_told_apart() {
        let of = |state: &str| by_state(state, String::new());
        assert!(matches!(of("55P03").kind, FailureKind::Transient { .. }));
        assert!(matches!(of("57P01").kind, FailureKind::Transient { .. }));
        assert_eq!(of("28P01").code, Code::Credentials);
        assert_eq!(of("53100").code, Code::NoSpace);
        assert_eq!(of("23505").kind, FailureKind::Permanent);
    }
}
