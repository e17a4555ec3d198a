use super::*;
use crate::model::{Code, Failure};
use crate::store::remote::testing::{Answer, Request, Server, on};

/// Writes and reads an object, small and in parts; gives the requests.
async fn requests(options: &[(&str, &str)]) -> Vec<Request> {
    let server = Server::start(|request, _| {
        let xml = |body: &str| Answer::Say(200, Vec::new(), body.as_bytes().to_vec());
        match request.method.as_str() {
            "POST"
                if request.target.ends_with("?uploads") || request.target.contains("?uploads=") =>
            {
                xml(
                    "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
                )
            }
            "POST" => xml(
                "<CompleteMultipartUploadResult><ETag>\"e-2\"</ETag></CompleteMultipartUploadResult>",
            ),
            _ => Answer::object("\"e\"", b"x"),
        }
    });
    let store = Store::open(&on(&server, options)).unwrap();
    store.create("raw/a", "x".into()).await.unwrap();
    publish(&store, "raw/large", &noise(17 << 20)).await.unwrap();
    store.head("raw/a").await.unwrap();
    content(&store, "raw/a").await.unwrap();
    server.seen()
}

/// Creation, parts, completion: whatever brings bytes.
fn writes(seen: &[Request]) -> Vec<&Request> {
    seen.iter().filter(|r| r.method == "PUT" || r.target.contains("uploads")).collect()
}

#[tokio::test]
async fn encryption_by_the_server_is_asked_for_with_every_write() {
    let seen = requests(&[("aws_server_side_encryption", "AES256")]).await;
    let headers = |request: &Request, name: &str| request.headers.get(name).cloned();
    let sse = "x-amz-server-side-encryption";
    let starts = || seen.iter().filter(|r| !r.target.contains("partNumber"));
    assert_eq!(writes(&seen).len(), 4, "one at once, one upload of two parts");
    for request in starts().filter(|r| r.method == "PUT" || r.target.contains("uploads")) {
        assert_eq!(headers(request, sse).unwrap(), "AES256", "{request:?}");
    }
    for request in seen.iter().filter(|r| r.method == "GET" || r.method == "HEAD") {
        assert_eq!(headers(request, sse), None, "reading needs no word");
    }

    let key = "arn:aws:kms:us-east-1:1:key/k";
    let seen = requests(&[
        ("aws_server_side_encryption", "aws:kms"),
        ("aws_sse_kms_key_id", key),
        ("aws_sse_bucket_key_enabled", "true"),
    ])
    .await;
    for request in seen.iter().filter(|r| r.method == "PUT" && !r.target.contains("partNumber")) {
        assert_eq!(headers(request, sse).unwrap(), "aws:kms");
        assert_eq!(headers(request, &format!("{sse}-aws-kms-key-id")).unwrap(), key);
        assert_eq!(headers(request, &format!("{sse}-bucket-key-enabled")).unwrap(), "true");
    }
}

#[tokio::test]
async fn a_key_of_our_own_goes_with_every_write_and_read() {
    // 32 bytes.
    let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let options = [("aws_server_side_encryption", "sse-c"), ("aws_sse_customer_key_base64", key)];
    let seen = requests(&options).await;
    let with = "x-amz-server-side-encryption-customer-";
    let bare: Vec<_> = seen
        .iter()
        .filter(|request| request.headers.get(&format!("{with}key")).is_none_or(|k| k != key))
        .map(|request| format!("{} {}", request.method, request.target))
        .collect();
    // The completion of an upload names its parts and brings no bytes.
    assert!(
        bare.iter().all(|line| line.starts_with("POST") && line.contains("uploadId")),
        "{bare:?}"
    );
    for request in seen.iter().filter(|r| r.method != "POST") {
        assert_eq!(request.headers[&format!("{with}algorithm")], "AES256");
        assert!(request.headers.contains_key(&format!("{with}key-md5")));
    }
}

#[tokio::test]
async fn a_bucket_is_named_in_the_path_or_in_the_host() {
    let seen = requests(&[]).await;
    assert!(seen.iter().all(|r| r.target.starts_with("/bucket/kfm/raw/")), "{seen:?}");

    // By way of a proxy, so that no name need be known here.
    let server = Server::start(|_, _| Answer::object("\"e\"", b"x"));
    let proxy = server.endpoint();
    for endpoint in ["http://s3.example", "http://bucket.s3.example/"] {
        let options = [
            ("aws_virtual_hosted_style_request", "true"),
            ("aws_endpoint", endpoint),
            ("proxy_url", &*proxy),
        ];
        let store = Store::open(&on(&server, &options)).unwrap();
        store.head("raw/a").await.unwrap().unwrap();
        let seen = server.seen();
        assert_eq!(seen.last().unwrap().target, "http://bucket.s3.example/kfm/raw/a");
    }
}

#[tokio::test]
async fn requests_are_signed_for_the_region_that_is_named() {
    let seen = requests(&[("aws_region", "eu-central-1"), ("aws_session_token", "token")]).await;
    for request in seen {
        assert!(request.headers["authorization"].contains("/eu-central-1/s3/"), "{request:?}");
        assert_eq!(request.headers["x-amz-security-token"], "token");
    }
    let seen = requests(&[("aws_skip_signature", "true")]).await;
    assert!(seen.iter().all(|request| !request.headers.contains_key("authorization")));
}

#[test]
fn options_that_are_none_are_refused_with_what_was_meant() {
    let server = Server::start(|_, _| Answer::Reset);
    for (option, hint) in [
        ("aws_server_side_encrytion", "aws_server_side_encryption"),
        ("allow_invalid_certificates", "root_certificate"),
        ("aws_bucket", "take the option away"),
    ] {
        let failure = Failure::from(Store::open(&on(&server, &[(option, "x")])).unwrap_err());
        assert_eq!(failure.code, Code::Usage);
        assert!(failure.message.contains(option), "{failure}");
        assert!(failure.hint.unwrap().contains(hint), "{option}");
    }
    for (option, value) in [
        ("aws_server_side_encryption", "rot13"),
        ("root_certificate", "/no/such/file.pem"),
        ("root_certificate", "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----"),
        ("aws_sse_customer_key_base64", "hush hush"),
    ] {
        let options = [(option, value), ("aws_server_side_encryption", "sse-c")];
        let options = if option == "aws_server_side_encryption" { &options[..1] } else { &options };
        let error = Store::open(&on(&server, options)).unwrap_err();
        assert!(matches!(error, StoreError::Option { .. }), "{option}: {error}");
        assert!(!format!("{:?}", Failure::from(error)).contains("hush"));
    }
}
