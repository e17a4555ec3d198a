//! Small runs for the tests of every room that folds events.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{About, Ask, Event, EventKind, Holder, RunInfo, RunRequest, RunState, StepSeed};
use crate::digest::Digest;
use crate::model::{Actor, RunId, RunMode};

/// The same holder, of an earlier process with the number of this one.
pub(crate) fn gone(holder: &Holder) -> Holder {
    let mut gone = holder.clone();
    gone.process.born = Some(1);
    gone
}

/// Describes a run of steps given as id, kind and number of shards.
pub(crate) fn info(steps: &[(&str, &str, u32)]) -> RunInfo {
    let seed = |(id, kind, shards): &(&str, &str, u32)| StepSeed {
        id: id.parse().unwrap(),
        kind: (*kind).to_owned(),
        shards: *shards,
        estimate_seconds: None,
        approve: None,
        about: About::default(),
    };
    RunInfo {
        request: request(),
        mode: RunMode::Rehearse,
        environment: "dev".into(),
        plan_digest: Digest::blake3(b"plan"),
        graph: Digest::blake3(b"graph"),
        snapshot: Some(Digest::blake3(b"snapshot")),
        targets: vec!["file:///target".into()],
        steps: steps.iter().map(seed).collect(),
    }
}

/// A rehearsal asked for by Kim, with half an hour to recover.
pub(crate) fn request() -> RunRequest {
    RunRequest {
        actor: Actor { principal: "kim".into(), source: "os-user".into() },
        reason: None,
        scope: None,
        as_of: Some(time(-3600)),
        policy_date: Some(time(0)),
        incident_at: None,
        rto_target_seconds: Some(1800),
        rpo_target_seconds: Some(86_400),
        git_commit: None,
        tools: BTreeMap::from([("coppice".into(), "0.1.0".into())]),
        promotes: None,
        not_covered: Vec::new(),
        accept: Vec::new(),
        setting: Digest::blake3(b"setting"),
    }
}

/// Something that `who` asked for.
pub(crate) fn ask(who: &str) -> Ask {
    let actor = Actor { principal: who.into(), source: "given".into() };
    Ask { request: 1, actor, reason: "because".into() }
}

/// The time so many seconds after the sample runs start.
pub(crate) fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap() + TimeDelta::seconds(seconds)
}

/// Numbers kinds of events, one each second, all in epoch 1.
pub(crate) fn events(kinds: impl IntoIterator<Item = EventKind>) -> Vec<Event> {
    let number = |(i, kind)| Event {
        seq: i as u64 + 1,
        at: time(i64::try_from(i).unwrap()),
        epoch: 1,
        kind,
    };
    kinds.into_iter().enumerate().map(number).collect()
}

/// Folds events into the state of `run`.
pub(crate) fn fold(run: RunId, events: &[Event]) -> RunState {
    let mut state = RunState::new(run);
    for event in events {
        state.apply(event).unwrap();
    }
    state
}
