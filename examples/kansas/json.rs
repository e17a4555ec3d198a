use serde_json::Value;

use crate::Outcome;
use crate::out::sha256;

/// The first second of the fixture: 2026-02-10T06:00:00Z.
const START: i64 = 1_770_703_200;

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

/// Members in falling order, on one line.
pub(crate) fn falling(value: &Value) -> Outcome<String> {
    Ok(match value {
        Value::Object(members) => {
            let mut names: Vec<_> = members.keys().collect();
            names.sort_unstable_by(|a, b| b.cmp(a));
            let member = |name: &String| -> Outcome<String> {
                Ok(format!("{}: {}", serde_json::to_string(name)?, falling(&members[name])?))
            };
            let members = names.into_iter().map(member).collect::<Outcome<Vec<_>>>()?;
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(items) => {
            let items = items.iter().map(falling).collect::<Outcome<Vec<_>>>()?;
            format!("[{}]", items.join(", "))
        }
        scalar => serde_json::to_string(scalar)?,
    })
}

/// `sha256:` over the canonical form.
pub(crate) fn digest(value: &Value) -> Outcome<String> {
    Ok(format!("sha256:{}", sha256(&canonical(value)?)))
}

fn time(seconds: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp(START + seconds, 0).unwrap_or_default()
}

/// A time so many seconds after the fixture's first.
pub(crate) fn at(seconds: i64) -> String {
    time(seconds).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// The same as the id of an acquisition, such as `20260210T060000Z`.
pub(crate) fn acquisition(seconds: i64) -> String {
    time(seconds).format("%Y%m%dT%H%M%SZ").to_string()
}

/// A `UUIDv7` of that time, its random part taken from `name`.
pub(crate) fn uuid(seconds: i64, name: &str) -> String {
    let millis = (START + seconds) * 1000;
    let rest = sha256(name.as_bytes());
    let time = format!("{millis:012x}");
    format!("{}-{}-7{}-8{}-{}", &time[..8], &time[8..], &rest[..3], &rest[3..6], &rest[6..18])
}
