use chrono::{DateTime, Utc};

use super::Probe;
use super::words::{since, span};
use crate::canonical::Manifest;
use crate::journal::{Journal, RunPhase, load};
use crate::model::{Failure, Outcome, Period, RunMode, size};
use crate::recovery::preview::{Past, is_of};
use crate::recovery::receipts;
use crate::recovery::request::Request;
use crate::recovery::world::World;

/// Bytes a second that each of write, read back and check is reckoned with, before any run told.
const RATE: u64 = 20 << 20;

/// When a rehearsal of the plan's environment was last green.
pub(super) async fn rehearsed(
    world: &World,
    request: &Request,
    journal: &dyn Journal,
) -> Result<Probe, Failure> {
    let green = last_green(world, request, journal).await?;
    let (plan, env) = (world.setting.plan.display(), &world.setting.name);
    let hint = format!("coppice rehearse {plan} --env {env}");
    let every = world.setting.environment.rehearse_every.as_ref();
    Ok(in_turn(green.map(since), every, hint))
}

/// When the last rehearsal of this plan that was green began; its receipt must be here.
async fn last_green(
    world: &World,
    request: &Request,
    journal: &dyn Journal,
) -> Result<Option<DateTime<Utc>>, Failure> {
    for run in journal.runs().await? {
        let is_green = run.mode == RunMode::Rehearse
            && run.environment == request.env
            && run.outcome == Some(Outcome::Recovered)
            && matches!(receipts::stored(&request.state, run.run), Ok(Some(_)));
        if is_green && is_of(journal, &load(journal, run.run).await?, &world.setting).await? {
            return Ok(Some(run.started_at));
        }
    }
    Ok(None)
}

/// Seconds since the last green rehearsal against how often one is promised.
fn in_turn(green: Option<u64>, every: Option<&Period>, hint: String) -> Probe {
    let seen = green.map_or_else(
        || "none was ever green".to_owned(),
        |seconds| format!("last green {} ago", span(seconds)),
    );
    let Some(every) = every else {
        return Probe::good("rehearsal", format!("{seen}; no interval is promised"));
    };
    let seen = format!("{seen}, promised every {every}");
    if green.is_none_or(|seconds| seconds > every.length().as_secs()) {
        Probe::bad("rehearsal", seen, hint)
    } else {
        Probe::good("rehearsal", seen)
    }
}

/// Whether a recovery would keep the recovery time objective: by former recoveries, else reckoned.
pub(super) async fn forecast(
    world: &World,
    journal: &dyn Journal,
    snapshot: Option<&Manifest>,
) -> Result<Option<Probe>, Failure> {
    let Some(rto) = &world.setting.environment.objectives.rto else { return Ok(None) };
    let past = Past::recoveries(journal, &world.setting).await?;
    let recovered = |phase| phase == RunPhase::Finished(Outcome::Recovered);
    let took = past.states().filter(|state| recovered(state.phase)).filter_map(|state| {
        let receipt = receipts::stored(&world.state, state.run).ok()??;
        receipt.predicate.objectives.rto_actual_seconds
    });
    let took: Vec<u64> = took.collect();
    Ok(Some(in_time(reckoned(&took, snapshot.map(Manifest::total_bytes)), rto)))
}

/// How long a recovery would take, and what that is known by, if by anything.
fn reckoned(took: &[u64], bytes: Option<u64>) -> Option<(u64, String)> {
    match (took.iter().max(), bytes) {
        (Some(longest), _) => {
            let runs = if took.len() == 1 { "run" } else { "runs" };
            Some((*longest, format!("the longest of the last {} {runs}", took.len())))
        }
        (None, Some(bytes)) => {
            let seconds = bytes.saturating_mul(3).div_ceil(RATE);
            let rate = size(RATE);
            let basis = format!("reckoned for {} at {rate}/s: no run has shown it", size(bytes));
            Some((seconds, basis))
        }
        (None, None) => None,
    }
}

/// How long a recovery would take against the recovery time objective.
fn in_time(reckoned: Option<(u64, String)>, rto: &Period) -> Probe {
    let Some((seconds, basis)) = reckoned else {
        let seen = "nothing to go by: no former recovery, and no snapshot";
        return Probe::bad("forecast", seen, "rehearse once there is a snapshot");
    };
    let seen = format!("{}, {rto} allowed ({basis})", span(seconds));
    if seconds > rto.length().as_secs() {
        let hint = "look at the slowest steps with `coppice plan`, or promise less";
        Probe::bad("forecast", seen, hint)
    } else {
        Probe::good("forecast", seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::readiness::Level;

    #[test]
    fn a_rehearsal_that_is_late_or_never_was_fails_where_one_is_promised() {
        let every: Period = "90d".parse().unwrap();
        let limit = every.length().as_secs();
        for (green, promised, level, seen) in [
            (Some(7200), true, Level::Ok, "last green 2 hours ago, promised every 90d"),
            (Some(limit), true, Level::Ok, "last green 90 days ago, promised every 90d"),
            (
                Some(limit + 1),
                true,
                Level::Fail,
                "last green 90 days 1 hour ago, promised every 90d",
            ),
            (None, true, Level::Fail, "none was ever green, promised every 90d"),
            (None, false, Level::Ok, "none was ever green; no interval is promised"),
        ] {
            let probe = in_turn(green, promised.then_some(&every), "rehearse".to_owned());
            assert_eq!((probe.level, probe.seen.as_str()), (level, seen));
        }
    }

    #[test]
    fn a_recovery_that_would_take_too_long_fails_and_so_does_one_that_cannot_be_told() {
        let rto: Period = "30m".parse().unwrap();
        let thirty_minutes = 1800 * RATE / 3;
        for (took, bytes, level, seen) in [
            (vec![60, 1800], None, Level::Ok, "30 minutes, 30m allowed (the longest of the last 2"),
            (vec![1801], Some(1), Level::Fail, "30 minutes 1 second, 30m allowed (the longest of"),
            (vec![], Some(thirty_minutes), Level::Ok, "30 minutes, 30m allowed (reckoned for"),
            (vec![], Some(thirty_minutes + 1), Level::Fail, "30 minutes 1 second, 30m allowed"),
            (vec![], None, Level::Fail, "nothing to go by"),
        ] {
            let probe = in_time(reckoned(&took, bytes), &rto);
            assert_eq!(probe.level, level, "{}", probe.seen);
            assert!(probe.seen.starts_with(seen), "{}", probe.seen);
        }
    }
}
