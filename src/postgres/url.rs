//! Reads the URL of a server, and says how far whoever answers there is believed.

use std::fs::File;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use super::connect::PgError;

/// The files that a URL may name.
const FILES: [&str; 3] = ["sslrootcert", "sslcert", "sslkey"];

/// How far a server is believed to be the one that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// It is reached without leaving this machine.
    Local,
    /// Its certificate is verified, and that it is for this name.
    Verified,
    /// Whoever answers is believed, as far as the mode says.
    Weak(&'static str),
}

/// Reads a URL. Without an `sslmode` of its own, a server beyond this machine must prove its name.
pub(crate) fn connect_options(url: &str) -> Result<PgConnectOptions, PgError> {
    // Not the parser's own message, which may quote the password.
    let parsed = Url::parse(url).ok().ok_or(PgError::Url)?;
    if !matches!(parsed.scheme(), "postgres" | "postgresql") {
        return Err(PgError::Url);
    }
    let options: PgConnectOptions = url.parse().ok().ok_or(PgError::Url)?;
    for (key, value) in parsed.query_pairs() {
        let Some(parameter) = FILES.into_iter().find(|name| key.replace('-', "") == *name) else {
            continue;
        };
        // The client would take it for a server that does not answer.
        let file = std::path::PathBuf::from(&*value);
        if let Err(source) = File::open(&file) {
            return Err(PgError::File { parameter, file, source });
        }
    }
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

/// Says how far a server is believed.
pub(crate) fn trust(options: &PgConnectOptions) -> Trust {
    if is_local(options) {
        return Trust::Local;
    }
    match options.get_ssl_mode() {
        PgSslMode::VerifyFull => Trust::Verified,
        PgSslMode::VerifyCa => Trust::Weak("verify-ca"),
        PgSslMode::Require => Trust::Weak("require"),
        PgSslMode::Prefer => Trust::Weak("prefer"),
        PgSslMode::Allow => Trust::Weak("allow"),
        PgSslMode::Disable => Trust::Weak("disable"),
    }
}

fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host().trim_start_matches('[').trim_end_matches(']');
    let loopback = host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    options.get_socket().is_some() || host.starts_with('/') || host == "localhost" || loopback
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Code, Failure};

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

    #[test]
    fn what_is_weaker_than_a_verified_name_is_told() {
        let of = |url: &str| trust(&connect_options(url).unwrap());
        assert_eq!(of("postgres://u@db.example.org/x"), Trust::Verified);
        assert_eq!(of("postgres://u@localhost/x"), Trust::Local);
        assert_eq!(of("postgres://u@%2Frun%2Fpg/x"), Trust::Local);
        for mode in ["verify-ca", "require", "prefer", "allow", "disable"] {
            let url = format!("postgres://u@db.example.org/x?sslmode={mode}");
            assert_eq!(of(&url), Trust::Weak(mode));
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let url = "postgres://u:hunter2@db.example.org/x?sslrootcert=/nowhere/ca.pem";
        let failure = Failure::from(connect_options(url).unwrap_err());
        assert_eq!(failure.code, Code::Credentials);
        assert!(failure.message.contains("/nowhere/ca.pem"), "{failure:?}");
        assert!(failure.message.contains("sslrootcert"), "{failure:?}");
        assert!(!format!("{failure:?}").contains("hunter2"));
    }
}
