/// A length of time in two units, as one says it: `24 hours 1 minute`. Rounded up: what is over a
/// limit never reads as if it were the limit.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => counted(seconds, "second"),
        120..7200 => two(seconds, (60, "minute"), (1, "second")),
        7200..172_800 => two(seconds, (3600, "hour"), (60, "minute")),
        _ => two(seconds, (86_400, "day"), (3600, "hour")),
    }
}

fn two(seconds: u64, (long, first): (u64, &str), (short, second): (u64, &str)) -> String {
    let (shorts, in_one) = (seconds.div_ceil(short), long / short);
    let whole = counted(shorts / in_one, first);
    match shorts % in_one {
        0 => whole,
        rest => format!("{whole} {}", counted(rest, second)),
    }
}

fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Seconds that have gone by since a time; none where clocks are apart.
pub(super) fn since(time: chrono::DateTime<chrono::Utc>) -> u64 {
    u64::try_from((chrono::Utc::now() - time).num_seconds()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn a_length_reads_as_one_says_it_and_never_shorter_than_it_is() {
        for (seconds, words) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (121, "2 minutes 1 second"),
            (7199, "119 minutes 59 seconds"),
            (7200, "2 hours"),
            (86_400, "24 hours"),
            (86_401, "24 hours 1 minute"),
            (172_799, "48 hours"),
            (172_800, "2 days"),
            (172_801, "2 days 1 hour"),
            (90 * 86_400, "90 days"),
            (90 * 86_400 + 1, "90 days 1 hour"),
        ] {
            assert_eq!(span(seconds), words, "{seconds}");
        }
    }
}
