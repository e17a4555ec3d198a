/// A length of time in one unit, as one says it: `3 hours`.
pub(super) fn span(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// Seconds that have gone by since a time; none where clocks are apart.
pub(super) fn since(time: chrono::DateTime<chrono::Utc>) -> u64 {
    u64::try_from((chrono::Utc::now() - time).num_seconds()).unwrap_or(0)
}
