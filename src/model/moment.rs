use std::fmt::Display;

use chrono::{DateTime, Local, TimeZone, Utc};

/// A time in UTC, with the time on the clock of who reads it beside it:
/// `2026-11-24 02:10:07Z (03:10 +01:00)`. Where both are the same, once.
pub(crate) fn moment(at: DateTime<Utc>) -> String {
    in_zone(at, &Local)
}

/// What a table of times says of the clock of who reads it; nothing where that shows UTC.
pub(crate) fn clock() -> Option<String> {
    let now = Local::now();
    let here = now.format("%:z").to_string();
    (now.offset().local_minus_utc() != 0)
        .then(|| format!("times are UTC; the clock here is {here}"))
}

fn in_zone<Tz: TimeZone>(at: DateTime<Utc>, zone: &Tz) -> String
where
    Tz::Offset: Display,
{
    let utc = at.format("%Y-%m-%d %H:%M:%SZ");
    let local = at.with_timezone(zone);
    if local.naive_local() == at.naive_utc() {
        return utc.to_string();
    }
    format!("{utc} ({})", local.format("%H:%M %:z"))
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;

    use super::*;

    #[test]
    fn local_time_stands_beside_utc_where_it_differs() {
        let at = Utc.with_ymd_and_hms(2026, 11, 24, 2, 10, 7).unwrap();
        assert_eq!(in_zone(at, &Utc), "2026-11-24 02:10:07Z");
        let west = FixedOffset::west_opt(6 * 3600).unwrap();
        assert_eq!(in_zone(at, &west), "2026-11-24 02:10:07Z (20:10 -06:00)");
    }
}
