use chrono::{DateTime, Utc};

use super::Probe;
use super::words::{since, span};
use crate::canonical::Manifest;
use crate::journal::{Journal, RunPhase};
use crate::model::{Failure, Outcome, RunMode, size};
use crate::recovery::preview::Past;
use crate::recovery::receipts;
use crate::recovery::request::Request;
use crate::recovery::world::World;

/// Bytes a second that each of write, read back and check is reckoned with, before any run told.
const RATE: u64 = 20 << 20;

/// When a rehearsal of the environment was last green.
pub(super) async fn rehearsed(
    world: &World,
    request: &Request,
    journal: &dyn Journal,
) -> Result<Probe, Failure> {
    let every = &world.setting.environment.rehearse_every;
    let runs = journal.runs().await?;
    let green = runs.iter().find(|run| {
        run.mode == RunMode::Rehearse
            && run.environment == request.env
            && run.outcome == Some(Outcome::Recovered)
            && matches!(receipts::stored(&request.state, run.run), Ok(Some(_)))
    });
    let seen = green.map_or_else(
        || "none was ever green".to_owned(),
        |run| format!("last green {} ago", span(since(run.started_at))),
    );
    let Some(every) = every else {
        return Ok(Probe::good("rehearsal", format!("{seen}; no interval is promised")));
    };
    let late = |start: DateTime<Utc>| since(start) > every.length().as_secs();
    let seen = format!("{seen}, promised every {every}");
    Ok(if green.is_none_or(|run| late(run.started_at)) {
        let (plan, env) = (world.setting.plan.display(), &world.setting.name);
        Probe::bad("rehearsal", seen, format!("coppice rehearse {plan} --env {env}"))
    } else {
        Probe::good("rehearsal", seen)
    })
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
    let (seconds, basis) = match (took.iter().max(), snapshot.map(Manifest::total_bytes)) {
        (Some(longest), _) => {
            let runs = if took.len() == 1 { "run" } else { "runs" };
            (*longest, format!("the longest of the last {} {runs}", took.len()))
        }
        (None, Some(bytes)) => {
            let reckoned = bytes.saturating_mul(3).div_ceil(RATE);
            let rate = size(RATE);
            (reckoned, format!("reckoned for {} at {rate}/s: no run has shown it", size(bytes)))
        }
        (None, None) => {
            let seen = "nothing to go by: no former recovery, and no snapshot";
            return Ok(Some(Probe::bad("forecast", seen, "rehearse once there is a snapshot")));
        }
    };
    let seen = format!("{}, {rto} allowed ({basis})", span(seconds));
    Ok(Some(if seconds > rto.length().as_secs() {
        let hint = "look at the slowest steps with `coppice plan`, or promise less";
        Probe::bad("forecast", seen, hint)
    } else {
        Probe::good("forecast", seen)
    }))
}
