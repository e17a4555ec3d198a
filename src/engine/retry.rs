use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use crate::model::{Failure, FailureKind};

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_mins(1);
/// No other side is waited for longer than this, whatever it asks.
const LONGEST_ASKED: Duration = Duration::from_mins(15);

/// Says how long to wait before another try, after `tries` of at most `attempts`; `None`: no
/// more. `jitter` from 0 to 1 keeps many shards from coming back at once.
pub(crate) fn wait(failure: &Failure, tries: u32, attempts: u32, jitter: f64) -> Option<Duration> {
    let asked = match failure.kind {
        FailureKind::Transient { retry_after } => retry_after.unwrap_or_default(),
        // Nobody asked the run to stop: the shard stopped for a reason of its own.
        FailureKind::Cancelled => Duration::ZERO,
        FailureKind::Permanent | FailureKind::Fenced => return None,
    };
    if tries >= attempts {
        return None;
    }
    let doubled = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST);
    Some(doubled.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0).max(asked.min(LONGEST_ASKED)))
}

/// A number from 0 to 1 that differs each time.
pub(crate) fn jitter() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Code;

    #[test]
    fn only_what_may_pass_is_tried_again_and_later_each_time() {
        let passing = Failure::transient(Code::StoreUnreachable, "503");
        assert_eq!(wait(&passing, 1, 4, 0.0), Some(Duration::from_millis(250)));
        assert_eq!(wait(&passing, 1, 4, 1.0), Some(Duration::from_millis(500)));
        assert_eq!(wait(&passing, 3, 4, 1.0), Some(Duration::from_secs(2)));
        assert_eq!(wait(&passing, 99, 100, 1.0), Some(LONGEST));
        assert_eq!(wait(&passing, 4, 4, 1.0), None);
        assert_eq!(wait(&Failure::permanent(Code::StepFailed, "no"), 1, 4, 1.0), None);
        assert_eq!(wait(&Failure::fenced(Code::Fenced, "no"), 1, 4, 1.0), None);
    }

    #[test]
    fn the_other_side_is_left_alone_for_as_long_as_it_asks() {
        let asked = |seconds| Failure {
            kind: FailureKind::Transient { retry_after: Some(Duration::from_secs(seconds)) },
            ..Failure::transient(Code::StoreUnreachable, "429")
        };
        assert_eq!(wait(&asked(7), 1, 4, 1.0), Some(Duration::from_secs(7)));
        assert_eq!(wait(&asked(1 << 40), 1, 4, 1.0), Some(LONGEST_ASKED));
    }

    #[test]
    fn jitter_is_a_part_of_one() {
        let all: Vec<f64> = (0..50).map(|_| jitter()).collect();
        assert!(all.iter().all(|j| (0.0..=1.0).contains(j)));
        assert!(all.iter().any(|j| *j < 0.5) && all.iter().any(|j| *j > 0.5));
    }
}
