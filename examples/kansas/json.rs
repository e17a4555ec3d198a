use serde_json::Value;

use crate::Outcome;
use crate::out::sha256;

/// RFC 8785 canonical JSON.
pub(crate) fn canonical(value: &Value) -> Outcome<Vec<u8>> {
    Ok(serde_json_canonicalizer::to_vec(value)?)
}

/// Members sorted, indented, one newline at the end: for people.
pub(crate) fn pretty(value: &Value) -> Outcome<Vec<u8>> {
    // Through the canonical form, so that the order of members does not depend on the features
    // that serde_json happens to be built with.
    let sorted: Value = serde_json::from_slice(&canonical(value)?)?;
    let mut bytes = serde_json::to_vec_pretty(&sorted)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// `sha256:` over the canonical form.
pub(crate) fn digest(value: &Value) -> Outcome<String> {
    Ok(format!("sha256:{}", sha256(&canonical(value)?)))
}

/// A time on the day that the fixture is of.
pub(crate) fn at(minutes: i64) -> String {
    let start = chrono::DateTime::from_timestamp(1_770_703_200, 0).unwrap_or_default();
    let time = start + chrono::TimeDelta::minutes(minutes);
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// A `UUIDv7` of that time, its random part taken from `name`.
pub(crate) fn uuid(minutes: i64, name: &str) -> String {
    let millis = (1_770_703_200 + minutes * 60) * 1000;
    let rest = sha256(name.as_bytes());
    let time = format!("{millis:012x}");
    format!("{}-{}-7{}-8{}-{}", &time[..8], &time[8..], &rest[..3], &rest[3..6], &rest[6..18])
}
