//! Which options a store's client takes.

use std::str::FromStr;

use object_store::ClientConfigKey;
use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;

use super::hint::did_you_mean;

/// The option that names the certificate authority of a server: our own, `object_store` has none.
pub(crate) const ROOT_CERTIFICATE: &str = "root_certificate";

/// Those that every store behind a network takes; `docs/stores.md` tells what each does.
const NETWORK: [&str; 10] = [
    ROOT_CERTIFICATE,
    "connect_timeout",
    "timeout",
    "proxy_url",
    "proxy_ca_certificate",
    "proxy_excludes",
    "user_agent",
    "http1_only",
    "pool_idle_timeout",
    "pool_max_idle_per_host",
];

const S3: [&str; 25] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_region",
    "aws_endpoint",
    "aws_allow_http",
    "aws_virtual_hosted_style_request",
    "aws_server_side_encryption",
    "aws_sse_kms_key_id",
    "aws_sse_bucket_key_enabled",
    "aws_sse_customer_key_base64",
    "aws_conditional_put",
    "aws_checksum_algorithm",
    "aws_unsigned_payload",
    "aws_skip_signature",
    "aws_request_payer",
    "aws_s3_express",
    "aws_role_arn",
    "aws_role_session_name",
    "aws_web_identity_token_file",
    "aws_endpoint_url_sts",
    "aws_container_credentials_relative_uri",
    "aws_container_credentials_full_uri",
    "aws_container_authorization_token_file",
    "aws_metadata_endpoint",
];

const GCS: [&str; 6] = [
    "google_service_account",
    "google_service_account_key",
    "google_application_credentials",
    "google_base_url",
    "google_skip_signature",
    "allow_http",
];

const AZURE: [&str; 14] = [
    "azure_storage_account_name",
    "azure_storage_account_key",
    "azure_storage_sas_key",
    "azure_storage_token",
    "azure_client_id",
    "azure_client_secret",
    "azure_tenant_id",
    "azure_authority_host",
    "azure_federated_token_file",
    "azure_msi_endpoint",
    "azure_endpoint",
    "azure_storage_use_emulator",
    "azure_skip_signature",
    "azure_allow_http",
];

/// Why a store does not take an option.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OptionError {
    /// It has none of that name.
    #[error("`{name}` is no option of a {scheme} store")]
    Unknown { name: String, scheme: String, hint: Option<String> },
    /// Whoever answers would be believed.
    #[error("`{name}` would let any server pass for the store")]
    Unverified { name: String },
    /// It would be dropped without a word.
    #[error("`{name}` is what the URL of the store says already")]
    InUrl { name: String },
}

impl OptionError {
    /// What to do instead.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { hint, .. } => hint.clone(),
            Self::Unverified { .. } => Some(format!(
                "name the certificate authority of the server in `{ROOT_CERTIFICATE}` instead"
            )),
            Self::InUrl { .. } => Some("take the option away".to_owned()),
        }
    }
}

/// Says whether a store of this scheme takes an option.
pub(crate) fn check(scheme: &str, name: &str) -> Result<(), OptionError> {
    let lower = name.to_ascii_lowercase();
    let key = Key::find(scheme, &lower);
    match key {
        Some(Key::Fine) => Ok(()),
        Some(Key::Unverified) => Err(OptionError::Unverified { name: name.to_owned() }),
        Some(Key::InUrl) => Err(OptionError::InUrl { name: name.to_owned() }),
        None => {
            let hint = match known(scheme).next() {
                Some(_) => did_you_mean(&lower, known(scheme)),
                None => Some("a store in a folder or in memory takes no options".to_owned()),
            };
            let (name, scheme) = (name.to_owned(), scheme.to_owned());
            Err(OptionError::Unknown { name, scheme, hint })
        }
    }
}

/// The options of a scheme's stores that the docs tell.
pub(crate) fn known(scheme: &str) -> impl Iterator<Item = &'static str> + Clone {
    let own: &'static [&'static str] = match scheme {
        "s3" | "s3a" => &S3,
        "gs" => &GCS,
        scheme if is_azure(scheme) => &AZURE,
        _ => &[],
    };
    let network: &'static [&'static str] = if own.is_empty() { &[] } else { &NETWORK };
    own.iter().chain(network).copied()
}

/// Whether a URL's scheme is one of Azure's.
pub(crate) fn is_azure(scheme: &str) -> bool {
    matches!(scheme, "az" | "adl" | "azure" | "abfs" | "abfss")
}

/// The server that a store is asked at.
pub(crate) const ENDPOINT: &str = "endpoint";
const CREDENTIALS: &str = "credentials";

/// What an option decides, however it is called. All that is secret is one thing: of two places it
/// does not fit together.
pub(crate) fn subject(scheme: &str, name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let known = match scheme {
        "s3" | "s3a" => AmazonS3ConfigKey::from_str(&lower).ok().map(of_s3),
        "gs" => GoogleConfigKey::from_str(&lower).ok().map(of_gcs),
        scheme if is_azure(scheme) => AzureConfigKey::from_str(&lower).ok().map(of_azure),
        _ => None,
    };
    known.unwrap_or(lower)
}

fn of_s3(key: AmazonS3ConfigKey) -> String {
    use AmazonS3ConfigKey as Key;
    match key {
        Key::Endpoint | Key::S3Endpoint => ENDPOINT.to_owned(),
        Key::Region | Key::DefaultRegion => "region".to_owned(),
        Key::SecretAccessKey | Key::Token => CREDENTIALS.to_owned(),
        other => other.as_ref().to_owned(),
    }
}

fn of_gcs(key: GoogleConfigKey) -> String {
    use GoogleConfigKey as Key;
    match key {
        Key::BaseUrl => ENDPOINT.to_owned(),
        Key::ServiceAccount | Key::ServiceAccountKey | Key::ApplicationCredentials => {
            CREDENTIALS.to_owned()
        }
        other => other.as_ref().to_owned(),
    }
}

fn of_azure(key: AzureConfigKey) -> String {
    use AzureConfigKey as Key;
    match key {
        Key::Endpoint => ENDPOINT.to_owned(),
        Key::AccessKey | Key::SasKey | Key::Token | Key::ClientSecret | Key::FederatedTokenFile => {
            CREDENTIALS.to_owned()
        }
        other => other.as_ref().to_owned(),
    }
}

enum Key {
    Fine,
    Unverified,
    InUrl,
}

impl Key {
    fn find(scheme: &str, name: &str) -> Option<Self> {
        let network = known(scheme).next().is_some();
        if network && name == ROOT_CERTIFICATE {
            return Some(Self::Fine);
        }
        Some(match scheme {
            "s3" | "s3a" => match AmazonS3ConfigKey::from_str(name).ok()? {
                AmazonS3ConfigKey::Bucket => Self::InUrl,
                AmazonS3ConfigKey::Client(key) => Self::of_client(key),
                _ => Self::Fine,
            },
            "gs" => match GoogleConfigKey::from_str(name).ok()? {
                GoogleConfigKey::Bucket => Self::InUrl,
                GoogleConfigKey::Client(key) => Self::of_client(key),
                _ => Self::Fine,
            },
            scheme if is_azure(scheme) => match AzureConfigKey::from_str(name).ok()? {
                AzureConfigKey::ContainerName => Self::InUrl,
                AzureConfigKey::Client(key) => Self::of_client(key),
                _ => Self::Fine,
            },
            _ => return None,
        })
    }

    fn of_client(key: ClientConfigKey) -> Self {
        match key {
            ClientConfigKey::AllowInvalidCertificates => Self::Unverified,
            _ => Self::Fine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_that_is_told_is_one_and_the_docs_tell_each() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/stores.md");
        let docs = std::fs::read_to_string(docs).unwrap();
        for scheme in ["s3", "gs", "az"] {
            for name in known(scheme) {
                assert_eq!(check(scheme, name), Ok(()), "{scheme} {name}");
                assert!(docs.contains(&format!("`{name}`")), "docs/stores.md has no {name}");
            }
        }
    }

    #[test]
    fn what_has_two_names_is_one_thing() {
        assert_eq!(subject("s3", "AWS_ENDPOINT_URL"), ENDPOINT);
        assert_eq!(subject("s3", "aws_endpoint_url_s3"), subject("s3", "endpoint"));
        assert_eq!(subject("s3", "aws_default_region"), subject("s3", "region"));
        assert_eq!(subject("s3", "aws_session_token"), subject("s3", "secret_access_key"));
        assert_eq!(subject("gs", "google_base_url"), ENDPOINT);
        assert_eq!(subject("az", "azure_storage_endpoint"), ENDPOINT);
        assert_eq!(subject("az", "azure_storage_sas_key"), subject("az", "account_key"));
        assert_ne!(subject("s3", "aws_endpoint_url_sts"), ENDPOINT);
        assert_ne!(subject("az", "azure_msi_endpoint"), ENDPOINT);
    }

    #[test]
    fn what_is_no_option_says_what_was_meant() {
        let hint = |scheme, name| check(scheme, name).unwrap_err().hint().unwrap();
        assert_eq!(hint("s3", "aws_regoin"), "did you mean `aws_region`?");
        assert_eq!(hint("gs", "root_certficate"), "did you mean `root_certificate`?");
        assert!(hint("file", "aws_region").contains("no options"));
        assert_eq!(check("az", "AZURE_ENDPOINT"), Ok(()), "however it is written");
        assert!(check("gs", "aws_region").is_err());
        assert!(matches!(check("s3", "bucket"), Err(OptionError::InUrl { .. })));
        for scheme in ["s3", "gs", "az"] {
            let refused = check(scheme, "allow_invalid_certificates").unwrap_err();
            assert!(matches!(refused, OptionError::Unverified { .. }), "{scheme}");
            assert!(refused.hint().unwrap().contains(ROOT_CERTIFICATE));
        }
    }
}
