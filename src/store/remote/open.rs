//! How is a client set up for a URL and its options?

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::list::PaginatedListStore;
use object_store::path::Path;
use object_store::{BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use super::wire::Connector;
use crate::model::store_option::{ROOT_CERTIFICATE, is_azure};
use crate::store::{Location, StoreError};

/// A client, rooted at the bucket.
pub(super) struct Client {
    pub(super) objects: Arc<dyn ObjectStore>,
    /// Lists by pages, where pages come in an order.
    pub(super) pages: Option<Arc<dyn PaginatedListStore>>,
    /// Where the store lies in the bucket.
    pub(super) prefix: Path,
    /// Whether the server refuses writes whose condition does not hold.
    pub(super) conditional: bool,
}

/// How long is waited before the first try anew; each later one waits up to twice as long.
#[cfg(not(test))]
pub(super) const WAIT: Duration = Duration::from_millis(100);
#[cfg(test)]
pub(super) const WAIT: Duration = Duration::from_millis(2);

/// So often, and no longer, a request is tried again.
fn retry() -> RetryConfig {
    RetryConfig {
        max_retries: 8,
        retry_timeout: Duration::from_mins(5),
        backoff: BackoffConfig { init_backoff: WAIT, max_backoff: WAIT * 150, base: 2.0 },
    }
}

pub(super) fn open(url: &Url, location: &Location) -> Result<Client, StoreError> {
    let bad = |why: String| StoreError::Option { url: url.to_string(), why, hint: None };
    let prefix = percent_encoding::percent_decode_str(url.path()).decode_utf8();
    let prefix = prefix.map_err(|error| bad(error.to_string()))?;
    let prefix = Path::parse(prefix.trim_matches('/')).map_err(|error| bad(error.to_string()))?;
    let client = client_options(location)?;
    let opened = match url.scheme() {
        "s3" | "s3a" => s3(url, location, client),
        "gs" => gcs(url, location, client),
        scheme if is_azure(scheme) => azure(url, location, client),
        other => {
            let why = format!("`{other}` is no kind of store");
            return Err(StoreError::Location { url: url.to_string(), why });
        }
    };
    let mut opened = opened.map_err(|error| bad(error.to_string()))?;
    opened.prefix = prefix;
    Ok(opened)
}

fn s3(url: &Url, location: &Location, client: ClientOptions) -> object_store::Result<Client> {
    let mut builder = AmazonS3Builder::new().with_url(url.as_str()).with_client_options(client);
    for (name, value) in options(location) {
        let key = name.parse()?;
        let value = match key {
            AmazonS3ConfigKey::Endpoint | AmazonS3ConfigKey::S3Endpoint => {
                endpoint(url, location, value)
            }
            _ => value.to_owned(),
        };
        builder = builder.with_config(key, value);
    }
    let store = builder.with_retry(retry()).with_http_connector(connector(location)).build()?;
    let store = Arc::new(store);
    // Buckets of S3 Express list in no order.
    let ordered = !is_true(location, AmazonS3ConfigKey::S3Express);
    let conditional = !named(location, AmazonS3ConfigKey::ConditionalPut)
        .is_some_and(|value| value.eq_ignore_ascii_case("disabled"));
    let client = rooted(store);
    Ok(Client { pages: client.pages.filter(|_| ordered), conditional, ..client })
}

fn gcs(url: &Url, location: &Location, client: ClientOptions) -> object_store::Result<Client> {
    let mut builder =
        GoogleCloudStorageBuilder::new().with_url(url.as_str()).with_client_options(client);
    for (name, value) in options(location) {
        builder = builder.with_config(name.parse()?, value);
    }
    let builder = builder.with_retry(retry()).with_http_connector(connector(location));
    Ok(rooted(Arc::new(builder.build()?)))
}

fn azure(url: &Url, location: &Location, client: ClientOptions) -> object_store::Result<Client> {
    let mut builder =
        MicrosoftAzureBuilder::new().with_url(url.as_str()).with_client_options(client);
    for (name, value) in options(location) {
        builder = builder.with_config(name.parse()?, value);
    }
    let builder = builder.with_retry(retry()).with_http_connector(connector(location));
    Ok(rooted(Arc::new(builder.build()?)))
}

/// Of a server that lists in an order and holds conditions.
fn rooted<S: ObjectStore + PaginatedListStore>(store: Arc<S>) -> Client {
    Client {
        pages: Some(store.clone()),
        objects: store,
        prefix: Path::default(),
        conditional: true,
    }
}

fn connector(location: &Location) -> Connector {
    Connector(location.gate.clone())
}

/// The options that are `object_store`'s own.
fn options(location: &Location) -> impl Iterator<Item = (String, &str)> {
    let all = location.options.iter().map(|(name, value)| (name.to_ascii_lowercase(), &**value));
    all.filter(|(name, _)| name != ROOT_CERTIFICATE)
}

fn named(location: &Location, wanted: AmazonS3ConfigKey) -> Option<&str> {
    options(location)
        .find(|(name, _)| AmazonS3ConfigKey::from_str(name).is_ok_and(|key| key == wanted))
        .map(|(_, value)| value)
}

fn is_true(location: &Location, wanted: AmazonS3ConfigKey) -> bool {
    named(location, wanted).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Where the bucket answers by its own name, `object_store` wants the name in the endpoint already:
/// without it, requests would go to whichever bucket the server takes for meant.
fn endpoint(url: &Url, location: &Location, value: &str) -> String {
    let value = value.trim_end_matches('/');
    let bucket = url.host_str().unwrap_or_default();
    let own_name = is_true(location, AmazonS3ConfigKey::VirtualHostedStyleRequest);
    match value.split_once("://") {
        Some((scheme, host)) if own_name && !host.starts_with(&format!("{bucket}.")) => {
            format!("{scheme}://{bucket}.{host}")
        }
        _ => value.to_owned(),
    }
}

fn client_options(location: &Location) -> Result<ClientOptions, StoreError> {
    // The wire watches over silence; see there.
    let mut client = ClientOptions::new().with_timeout_disabled();
    let named =
        location.options.iter().find(|(name, _)| name.eq_ignore_ascii_case(ROOT_CERTIFICATE));
    if let Some((_, given)) = named {
        for certificate in certificates(location, given)? {
            client = client.with_root_certificate(certificate);
        }
    }
    Ok(client)
}

/// The certificates of a PEM file, or of what a secret reference brought.
fn certificates(location: &Location, given: &str) -> Result<Vec<Certificate>, StoreError> {
    let bad = |why: String| StoreError::Option {
        url: location.url.clone(),
        why,
        hint: Some(format!("`{ROOT_CERTIFICATE}` names a PEM file of one or more certificates")),
    };
    let pem = if given.contains("-----BEGIN ") {
        given.as_bytes().to_vec()
    } else {
        std::fs::read(given).map_err(|error| bad(format!("`{given}` cannot be read: {error}")))?
    };
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| bad(error.to_string()))?;
    if found.is_empty() {
        return Err(bad("it holds no certificate".to_owned()));
    }
    Ok(found)
}
