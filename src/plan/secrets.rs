use std::ops::Range;

/// Words in a key that make its value a secret.
const SENSITIVE: [&str; 10] = [
    "secret",
    "password",
    "passwd",
    "token",
    "credential",
    "account_key",
    "access_key",
    "customer_key",
    "master_key",
    "sas_key",
];

/// Ends of names that hold where a secret is, or who has it.
const NO_SECRET: [&str; 5] =
    ["access_key_id", "_file", "_uri", "application_credentials", "_token_service_url"];

/// What a reference to a secret looks like, for schemas.
pub(super) const REFERENCE: &str = "^(env|file):.+$";

/// What to do where a reference is asked for and something else stands.
pub(super) const WRITE_REFERENCE: &str = "write env:NAME or file:PATH; if a secret stood here, \
                                          change it: it may have been seen";

/// Whether an option of this name holds a secret. An access key's id is a name, and the file of a
/// token is a path.
pub(super) fn is_sensitive(name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    !NO_SECRET.iter().any(|end| name.ends_with(end))
        && SENSITIVE.iter().any(|word| name.contains(word))
}

/// Whether a text is a reference to a secret, and no secret.
pub(super) fn is_reference(text: &str) -> bool {
    let named = |prefix| text.strip_prefix(prefix).is_some_and(|rest: &str| !rest.is_empty());
    named("env:") || named("file:")
}

/// The password in `scheme://user:password@host`, as bytes of the text.
pub(super) fn password_of(url: &str) -> Option<Range<usize>> {
    let authority = url.find("://")? + 3;
    let rest = &url[authority..];
    let end = rest.find(['/', '?', '#', ' ', '"', '\'', '\n']).unwrap_or(rest.len());
    let at = rest[..end].rfind('@')?;
    let colon = rest[..at].find(':')?;
    (colon + 1 < at).then_some(authority + colon + 1..authority + at)
}

/// What in a text is a secret by its form, whatever it stands for.
pub(super) fn literals(text: &str) -> Vec<(Range<usize>, &'static str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(range) = text.get(from..).and_then(password_of) {
        let range = from + range.start..from + range.end;
        from = range.end;
        found.push((range, "a password"));
    }
    found.extend(access_keys(text).map(|range| (range, "an AWS access key id")));
    found.extend(signatures(text).map(|range| (range, "a token in a URL")));
    if let Some(at) = text.find("-----BEGIN ").filter(|_| text.contains("PRIVATE KEY-----")) {
        found.push((at..text.trim_end().len(), "a private key"));
    }
    found
}

/// `AKIA` or `ASIA` and sixteen more.
fn access_keys(text: &str) -> impl Iterator<Item = Range<usize>> {
    const LENGTH: usize = 20;
    let bytes = text.as_bytes();
    let starts = ["AKIA", "ASIA"].into_iter().flat_map(|key| text.match_indices(key));
    starts.filter_map(move |(at, _)| {
        let key = bytes.get(at..at + LENGTH)?;
        let whole = key.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let beside = |at: Option<usize>| {
            at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric)
        };
        let alone = !beside(at.checked_sub(1)) && !beside(Some(at + LENGTH));
        (whole && alone).then_some(at..at + LENGTH)
    })
}

/// The values of a URL's parameters that sign it.
fn signatures(text: &str) -> impl Iterator<Item = Range<usize>> {
    let query = text.find("://").and_then(|at| Some(at + text[at..].find('?')?));
    let from = query.unwrap_or(text.len());
    let starts = text[from..].match_indices(['?', '&']).map(move |(at, _)| from + at + 1);
    starts.filter_map(|start| {
        let rest = &text[start..];
        let end = rest.find(['&', '#', ' ', '"', '\'', '\n']).unwrap_or(rest.len());
        let (name, value) = rest[..end].split_once('=')?;
        let signs = name == "sig" || name.to_lowercase().ends_with("signature");
        let secret = (signs || is_sensitive(name)) && !value.is_empty();
        secret.then_some(start + name.len() + 1..start + end)
    })
}

/// The text with every password in it blanked, byte for byte, so that positions stay right.
pub(super) fn blank(text: &str) -> String {
    text.split_inclusive('\n').map(blank_line).collect()
}

fn blank_line(line: &str) -> String {
    let mut line = line.to_owned();
    for (range, _) in literals(&line) {
        let stars = "*".repeat(range.len());
        line.replace_range(range, &stars);
    }
    if let Some(blanked) = blank_value(&line) {
        return blanked;
    }
    // A flow mapping: one piece per member.
    let pieces = line.split_inclusive(['{', ',', '}']);
    pieces.map(|piece| blank_value(piece).unwrap_or_else(|| piece.to_owned())).collect()
}

/// `key: value` with the value blanked, where the key says that it is a secret.
fn blank_value(text: &str) -> Option<String> {
    let (key, value) = text.split_once(':')?;
    let start = key.len() + 1 + (value.len() - value.trim_start().len());
    let value = value.trim().trim_end_matches(['}', ',']);
    let bare = value.trim_matches(['"', '\'']);
    let bad = is_sensitive(key) && !value.is_empty() && !value.starts_with('{');
    let secret = (bad && !key.contains('{') && !is_reference(bare)).then_some(value)?;
    let mut text = text.to_owned();
    text.replace_range(start..start + secret.len(), &"*".repeat(secret.len()));
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_blanked_in_place_and_a_reference_is_not() {
        let text = "url: s3://me:hunter2@host/x\n  aws_secret_access_key: abc # x\n\
                    options: {a: b, sas_token: abc, region: eu}\n\
                    secret: env:PG_URL\naws_access_key_id: AK\n";
        let shown = blank(text);
        assert_eq!(shown.len(), text.len());
        assert!(!shown.contains("hunter2") && !shown.contains("abc"), "{shown}");
        assert!(shown.contains("env:PG_URL") && shown.contains("AK"), "{shown}");
        assert!(shown.contains("region: eu"), "{shown}");
    }

    #[test]
    fn what_looks_like_a_secret_is_found_wherever_it_stands() {
        let found = |text: &str| {
            literals(text)
                .into_iter()
                .map(|(at, what)| (text[at].to_owned(), what))
                .collect::<Vec<_>>()
        };
        let key = "AKIAIOSFODNN7EXAMPLE";
        assert_eq!(found(&format!("key {key}.")), [(key.to_owned(), "an AWS access key id")]);
        let url = "https://h.example/c?sv=1&sig=abc%3D#x";
        assert_eq!(found(url), [("abc%3D".to_owned(), "a token in a URL")]);
        assert_eq!(found("-----BEGIN EC PRIVATE KEY-----\nx")[0].1, "a private key");
        for none in ["XAKIAIOSFODNN7EXAMPLE", "AKIA2", "s3://b/x?region=eu", "a?sig=b"] {
            assert_eq!(found(none), [], "{none}");
        }
    }

    #[test]
    fn only_a_password_is_one() {
        assert_eq!(password_of("postgres://u:p@h/db").map(|r| r.start), Some(13));
        for none in ["postgres://u@h/db", "s3://bucket/a:b@c", "file:///a:b@c", "x"] {
            assert_eq!(password_of(none), None, "{none}");
        }
    }
}
