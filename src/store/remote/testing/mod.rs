//! Places on the S3 server that the tests share, and servers that misbehave.

mod server;

pub(in crate::store) use server::{Answer, Request, Server};

use crate::services::services;
use crate::store::{Location, Store};

/// A place of the test's own in the bucket of the tests, opened as its administrator.
pub(in crate::store) fn bucket(name: &str) -> Store {
    Store::open(&location(name)).unwrap()
}

/// Where it is.
pub(in crate::store) fn location(name: &str) -> Location {
    let known = services();
    let mut location = Location::new(format!("s3://tests/{name}-{}", uuid::Uuid::now_v7()));
    for (option, variable) in [
        ("aws_endpoint", "AWS_ENDPOINT_URL"),
        ("aws_region", "AWS_REGION"),
        ("aws_allow_http", "AWS_ALLOW_HTTP"),
        ("aws_access_key_id", "COPPICE_S3_KEY_ID"),
        ("aws_secret_access_key", "COPPICE_S3_SECRET"),
    ] {
        location.options.insert(option.to_owned(), known.var(variable).to_owned());
    }
    location
}

/// The same place, asked for by way of a server that stands before it.
pub(in crate::store) fn by_way_of(
    location: &Location,
    decide: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static,
) -> (Location, Server) {
    let behind = location.options["aws_endpoint"].trim_start_matches("http://").to_owned();
    let server = Server::before(Some(behind), None, decide);
    let mut location = location.clone();
    location.options.insert("aws_endpoint".to_owned(), server.endpoint());
    (location, server)
}

/// A place on a server that is none but says what the test wants.
pub(in crate::store) fn on(server: &Server, options: &[(&str, &str)]) -> Location {
    let mut location = Location::new("s3://bucket/kfm");
    let endpoint = server.endpoint();
    let own = [
        ("aws_endpoint", &*endpoint),
        ("aws_allow_http", "true"),
        ("aws_access_key_id", "id"),
        ("aws_secret_access_key", "hush"),
    ];
    for (name, value) in own.iter().chain(options) {
        location.options.insert((*name).to_owned(), (*value).to_owned());
    }
    location
}

/// The key of a service account that gets no token, for servers that ask for none.
pub(in crate::store) fn service_account(url: &str) -> String {
    serde_json::json!({
        "gcs_base_url": url,
        "disable_oauth": true,
        "client_email": "",
        "private_key": "",
        "private_key_id": "",
    })
    .to_string()
}
