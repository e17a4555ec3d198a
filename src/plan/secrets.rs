/// Words in a key that make its value a secret.
const SENSITIVE: [&str; 7] =
    ["secret", "password", "passwd", "token", "credential", "account_key", "access_key"];

/// Whether an option of this name holds a secret. An access key's id is a name, not a secret.
pub(super) fn is_sensitive(name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    !name.ends_with("access_key_id") && SENSITIVE.iter().any(|word| name.contains(word))
}

/// Whether a text is a reference to a secret, and no secret.
pub(super) fn is_reference(text: &str) -> bool {
    let named = |prefix| text.strip_prefix(prefix).is_some_and(|rest: &str| !rest.is_empty());
    named("env:") || named("file:")
}

/// The password in `scheme://user:password@host`, as bytes of the text.
pub(super) fn password_of(url: &str) -> Option<std::ops::Range<usize>> {
    let authority = url.find("://")? + 3;
    let rest = &url[authority..];
    let end = rest.find(['/', '?', '#', ' ', '"', '\'', '\n']).unwrap_or(rest.len());
    let at = rest[..end].rfind('@')?;
    let colon = rest[..at].find(':')?;
    (colon + 1 < at).then_some(authority + colon + 1..authority + at)
}

/// The text with every password in it blanked, byte for byte, so that positions stay right.
pub(super) fn blank(text: &str) -> String {
    text.split_inclusive('\n').map(blank_line).collect()
}

fn blank_line(line: &str) -> String {
    let mut line = line.to_owned();
    let mut from = 0;
    while let Some(range) = line.get(from..).and_then(password_of) {
        let range = from + range.start..from + range.end;
        from = range.end;
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
    fn only_a_password_is_one() {
        assert_eq!(password_of("postgres://u:p@h/db").map(|r| r.start), Some(13));
        for none in ["postgres://u@h/db", "s3://bucket/a:b@c", "file:///a:b@c", "x"] {
            assert_eq!(password_of(none), None, "{none}");
        }
    }
}
