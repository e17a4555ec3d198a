use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lets amounts through at a rate. What is let through is paid for by whoever comes next, so that
/// an amount of any size passes, and the rate holds over time.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: f64,
    paid_off: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn new(per_second: f64) -> Self {
        Self { per_second, paid_off: Mutex::new(None) }
    }

    /// Charges an amount; says when all that was charged before it is paid off.
    pub(super) fn charge(&self, now: Instant, amount: u64) -> Instant {
        let mut paid_off = self.paid_off.lock().unwrap_or_else(PoisonError::into_inner);
        let from = paid_off.map_or(now, |then| then.max(now));
        #[expect(clippy::cast_precision_loss, reason = "a part in 2^52 of a wait is none")]
        let costs = Duration::from_secs_f64(amount as f64 / self.per_second);
        *paid_off = Some(from + costs);
        from
    }
}
