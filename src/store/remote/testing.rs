//! Places on the S3 server that the tests share.

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
