use std::time::Duration;

use crate::model::Reading;

/// How fast a step goes on: bytes and rows per second over the last seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Pace {
    last: Option<(Duration, u64, u64)>,
    /// Bytes per second.
    pub(super) bytes: f64,
    /// Rows per second.
    pub(super) rows: f64,
}

/// The time after which an old sample counts for about a third.
const MEMORY: f64 = 3.0;

impl Pace {
    /// Takes a sample at `now`, a time on any steady clock.
    pub(super) fn sample(&mut self, now: Duration, reading: &Reading) {
        let Some((then, bytes, rows)) = self.last.replace((now, reading.bytes, reading.rows))
        else {
            return;
        };
        let passed = now.saturating_sub(then).as_secs_f64();
        if passed <= 0.0 {
            self.last = Some((then, bytes, rows));
            return;
        }
        let new = 1.0 - (-passed / MEMORY).exp();
        // A new try counts anew: its first sample is no step back.
        let rate = |now: u64, then: u64| approximate(now.saturating_sub(then)) / passed;
        self.bytes += new * (rate(reading.bytes, bytes) - self.bytes);
        self.rows += new * (rate(reading.rows, rows) - self.rows);
    }
}

/// A number near enough to show.
#[expect(clippy::cast_precision_loss, reason = "a rate is shown with three digits")]
pub(super) fn approximate(number: u64) -> f64 {
    number as f64
}

/// A rate as a whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are not negative, and too large ones saturate"
)]
pub(super) fn whole(rate: f64) -> u64 {
    rate.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(bytes: u64) -> Reading {
        Reading { bytes, rows: bytes / 100, bytes_total: None, rows_total: None }
    }

    #[test]
    fn a_steady_pace_is_found_and_a_new_try_does_not_make_it_negative() {
        let mut pace = Pace::default();
        for tick in 0..100_u64 {
            pace.sample(Duration::from_millis(tick * 200), &reading(tick * 2_000));
        }
        assert!((pace.bytes - 10_000.0).abs() < 100.0, "{pace:?}");
        assert!((pace.rows - 100.0).abs() < 2.0, "{pace:?}");
        pace.sample(Duration::from_secs(20), &reading(0));
        assert!(pace.bytes > 0.0 && pace.bytes < 10_000.0);
    }
}
