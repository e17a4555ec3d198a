//! Objects on the S3 server as the administrator sees them, by another client than ours.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use super::services;

/// Sends a signed request as the holder of some keys; gives the status and the body.
pub(super) fn request(keys: &str, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let known = services();
    let user = format!(
        "{}:{}",
        known.var(&format!("{keys}_KEY_ID")),
        known.var(&format!("{keys}_SECRET"))
    );
    let url = format!("{}/{path}", known.var("AWS_ENDPOINT_URL"));
    let mut command = Command::new("curl");
    command.args(["-sS", "-w", "\n%{http_code}", "--aws-sigv4", "aws:amz:us-east-1:s3"]);
    command.args(["--user", &user, "-X", method, &url]);
    if method == "PUT" {
        // Else this curl signs another body than it sends.
        command.args(["--data-binary", "@-", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]);
    }
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("curl is not there");
    child.stdin.take().unwrap().write_all(body).unwrap();
    let mut output = child.wait_with_output().unwrap().stdout;
    let at = output.iter().rposition(|byte| *byte == b'\n').unwrap();
    let status = String::from_utf8(output.split_off(at)).unwrap().trim().parse().unwrap();
    (status, output)
}

pub(super) fn get(path: &str) -> Vec<u8> {
    let (status, body) = request("COPPICE_S3", "GET", path, b"");
    assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
    body
}

pub(super) fn put(path: &str, body: &[u8]) {
    let (status, told) = request("COPPICE_S3", "PUT", path, body);
    assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&told));
}

/// Every key below a prefix of a bucket, with its ETag.
pub(super) fn list(at: &str) -> BTreeMap<String, String> {
    let (bucket, prefix) = at.split_once('/').unwrap();
    let prefix = format!("{prefix}/").replace('/', "%2F");
    let page = get(&format!("{bucket}?list-type=2&max-keys=1000&prefix={prefix}"));
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("<IsTruncated>false"), "more than one page: {page}");
    let between = |text: &str, tag: &str| {
        let rest = text.split_once(&format!("<{tag}>"))?.1;
        Some(rest.split_once(&format!("</{tag}>"))?.0.to_owned())
    };
    let entries = page.split("<Contents>").skip(1);
    entries.map(|entry| (between(entry, "Key").unwrap(), between(entry, "ETag").unwrap())).collect()
}
