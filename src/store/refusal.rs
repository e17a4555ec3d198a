//! What does it mean that a service said no? Told by what it answered, as `object_store` hands on
//! the status and the document of an answer as text only.

use std::error::Error;

/// Why a service did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It does not take who asks for who they say they are: none of its objects can be had.
    Credentials(&'static str),
    /// It knows who asks, and they may not.
    Forbidden,
    /// It cannot be used as it is set up; another try brings nothing.
    Setup(&'static str),
    /// It asks to be left alone for a while.
    Throttled,
    /// It takes the request for a bad one; another try brings nothing.
    Request,
}

const EXPIRED: &str = "the credentials have run out: get new ones, then resume; credentials that are \
                       fetched (a role, a web identity) are renewed by themselves";
const UNKNOWN: &str = "the service does not know these credentials: check the key, its secret and the \
                       session token that belongs to them, and that they are of this endpoint";
const CLOCK: &str = "the clock of this machine is wrong, or the request was under way for too long: \
                     set the clock by NTP, then resume";
const NONE: &str = "no credentials are given, and this machine has none of its own: name them as \
                    options of the store, by secret reference, or export them for this process";
const REGION: &str = "the bucket is in another region: set `aws_region` to the one that the causes \
                      name";
const BUCKET: &str = "there is no such bucket or container at this endpoint: correct the URL or the \
                      endpoint, or make it; Coppice makes none";
const CERTIFICATE: &str = "the certificate of the server is not accepted: name the file of its \
                           certificate authority in the store's option `root_certificate`, or check \
                           that the endpoint has the name that the certificate is for";
const MISSING_FEATURE: &str = "the server does not know this kind of request; see docs/stores.md for \
                               what Coppice asks of a store";

/// Codes of S3, of Azure and of the services that give credentials, by what they mean.
const CODES: [(&str, Refusal); 33] = [
    ("ExpiredToken", Refusal::Credentials(EXPIRED)),
    ("ExpiredTokenException", Refusal::Credentials(EXPIRED)),
    ("TokenRefreshRequired", Refusal::Credentials(EXPIRED)),
    ("RequestExpired", Refusal::Credentials(EXPIRED)),
    ("invalid_grant", Refusal::Credentials(EXPIRED)),
    ("InvalidAccessKeyId", Refusal::Credentials(UNKNOWN)),
    ("InvalidClientTokenId", Refusal::Credentials(UNKNOWN)),
    ("InvalidToken", Refusal::Credentials(UNKNOWN)),
    ("InvalidIdentityToken", Refusal::Credentials(UNKNOWN)),
    ("InvalidSecurity", Refusal::Credentials(UNKNOWN)),
    ("SignatureDoesNotMatch", Refusal::Credentials(UNKNOWN)),
    ("MissingSecurityHeader", Refusal::Credentials(UNKNOWN)),
    ("CredentialsNotSupported", Refusal::Credentials(UNKNOWN)),
    ("NotSignedUp", Refusal::Credentials(UNKNOWN)),
    ("AuthenticationFailed", Refusal::Credentials(UNKNOWN)),
    ("InvalidAuthenticationInfo", Refusal::Credentials(UNKNOWN)),
    ("invalid_client", Refusal::Credentials(UNKNOWN)),
    ("unauthorized_client", Refusal::Credentials(UNKNOWN)),
    ("RequestTimeTooSkewed", Refusal::Credentials(CLOCK)),
    ("AccessDenied", Refusal::Forbidden),
    ("AllAccessDisabled", Refusal::Forbidden),
    ("AccountProblem", Refusal::Forbidden),
    ("AuthorizationPermissionMismatch", Refusal::Forbidden),
    ("AuthorizationHeaderMalformed", Refusal::Setup(REGION)),
    ("PermanentRedirect", Refusal::Setup(REGION)),
    ("IllegalLocationConstraintException", Refusal::Setup(REGION)),
    ("NoSuchBucket", Refusal::Setup(BUCKET)),
    ("ContainerNotFound", Refusal::Setup(BUCKET)),
    ("NotImplemented", Refusal::Setup(MISSING_FEATURE)),
    ("SlowDown", Refusal::Throttled),
    ("RequestLimitExceeded", Refusal::Throttled),
    ("ServerBusy", Refusal::Throttled),
    ("Throttling", Refusal::Throttled),
];

/// What a store's client asks when nobody gave it credentials.
const METADATA: [&str; 3] = ["//169.254.169.254", "//169.254.170.2", "//metadata.google.internal"];

/// What an error says of the answer of a service, if it says anything.
pub(super) fn refusal(error: &(dyn Error + 'static)) -> Option<Refusal> {
    let text = chain(error);
    if METADATA.iter().any(|address| text.contains(address)) {
        return Some(Refusal::Credentials(NONE));
    }
    if is_untrusted(&text) {
        return Some(Refusal::Setup(CERTIFICATE));
    }
    let named = CODES.iter().find(|(code, _)| names(&text, code));
    if let Some((_, refusal)) = named {
        return Some(*refusal);
    }
    if text.contains("Received redirect without LOCATION") {
        return Some(Refusal::Setup(REGION));
    }
    by_status(&text)
}

/// Whether a store said that an object is not there because nothing of it is: no bucket.
pub(super) fn is_of_bucket(error: &(dyn Error + 'static)) -> bool {
    let text = chain(error);
    ["NoSuchBucket", "ContainerNotFound"].iter().any(|code| names(&text, code))
        || text.contains("The specified bucket does not exist")
}

/// Whether an answer came without the document that says why.
pub(super) fn says_nothing(error: &(dyn Error + 'static)) -> bool {
    let text = chain(error);
    let asked = status(&text).is_some_and(|code| matches!(code, 400 | 401 | 403));
    asked && !text.contains("<Code>") && !text.contains("\"error\"")
}

/// Whether a certificate was looked at and not accepted.
pub(super) fn is_untrusted(text: &str) -> bool {
    text.contains("invalid peer certificate") || text.contains("certificate verify failed")
}

/// Whether a request goes to where a machine in a cloud asks who it is.
pub(super) fn is_metadata(address: &str) -> bool {
    METADATA.iter().any(|known| address.contains(known))
}

/// The texts of an error and of all behind it.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = error.source();
    }
    text
}

/// Whether a text holds the code as its XML or JSON would.
fn names(text: &str, code: &str) -> bool {
    text.contains(&format!("<Code>{code}</Code>")) || text.contains(&format!("\"{code}\""))
}

fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

fn by_status(text: &str) -> Option<Refusal> {
    Some(match status(text)? {
        401 => Refusal::Credentials(UNKNOWN),
        403 => Refusal::Forbidden,
        429 | 503 => Refusal::Throttled,
        501 => Refusal::Setup(MISSING_FEATURE),
        300..=399 => Refusal::Setup(REGION),
        // What these mean depends on what was asked.
        404 | 408 | 409 | 412 => return None,
        400..=499 => Refusal::Request,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("Generic S3 error")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Inner(String);

    fn answered(text: &str) -> Option<Refusal> {
        refusal(&Outer(Inner(text.to_owned())))
    }

    fn status_line(code: u16, body: &str) -> String {
        format!(
            "Error performing GET http://h/b in 1ms - Server returned non-2xx status code: {code} X: {body}"
        )
    }

    #[test]
    fn codes_are_told_apart_whatever_the_status() {
        let s3 = |code| answered(&status_line(400, &format!("<Error><Code>{code}</Code></Error>")));
        for code in ["ExpiredToken", "InvalidAccessKeyId", "RequestTimeTooSkewed", "InvalidToken"] {
            assert!(matches!(s3(code), Some(Refusal::Credentials(_))), "{code}");
        }
        assert_eq!(s3("AccessDenied"), Some(Refusal::Forbidden));
        assert_eq!(s3("AuthorizationHeaderMalformed"), Some(Refusal::Setup(REGION)));
        assert_eq!(s3("InvalidArgument"), Some(Refusal::Request));
        // A key that is called like a code is none.
        assert_eq!(answered(&status_line(404, "<Key>ExpiredToken</Key>")), None);
        let azure_login = status_line(400, r#"{"error":"invalid_client"}"#);
        assert_eq!(answered(&azure_login), Some(Refusal::Credentials(UNKNOWN)));
    }

    #[test]
    fn what_may_pass_is_no_refusal_and_what_stays_is_one() {
        assert_eq!(answered(&status_line(500, "")), None);
        assert_eq!(answered("connection reset by peer"), None);
        assert_eq!(answered(&status_line(503, "")), Some(Refusal::Throttled));
        assert_eq!(answered(&status_line(429, "")), Some(Refusal::Throttled));
        assert_eq!(answered(&status_line(301, "")), Some(Refusal::Setup(REGION)));
        let tls = "error trying to connect: invalid peer certificate: UnknownIssuer";
        assert_eq!(answered(tls), Some(Refusal::Setup(CERTIFICATE)));
        let nobody = "Error performing PUT http://169.254.169.254/latest/api/token in 1s";
        assert_eq!(answered(nobody), Some(Refusal::Credentials(NONE)));
    }
}
