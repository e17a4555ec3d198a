use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::digest::Digest;
use crate::engine::samples::graph;
use crate::engine::scheduler::{Decision, decide};
use crate::engine::{seed, settle};
use crate::journal::{
    AskKind, Event, EventKind, NewRequest, Request, RunPhase, ShardPhase, StepPhase,
};
use crate::model::ApprovedBy;
use crate::plan::{RecoveryGraph, When};

/// A small run whose every choice is one of the given numbers. Once they are used up all goes well,
/// else a schedule that tries or resumes again and again would never end.
struct Chance(Vec<u8>, usize);

impl Chance {
    fn is_over(&self) -> bool {
        self.1 >= self.0.len()
    }

    fn pick(&mut self, of: usize) -> usize {
        self.1 += 1;
        self.0.get(self.1 - 1).map_or(of - 1, |number| (usize::from(*number) + self.1) % of)
    }
}

struct Simulation {
    graph: RecoveryGraph,
    state: RunState,
    events: Vec<Event>,
    epoch: u64,
    asks: u32,
}

impl Simulation {
    fn new(graph: RecoveryGraph) -> Self {
        let state = RunState::new(RunId::now());
        let mut simulation = Self { graph, state, events: Vec::new(), epoch: 1, asks: 0 };
        let name = Digest::blake3(b"graph");
        let info = seed::info(&simulation.graph, name, samples::request(), Vec::new());
        simulation.happen(EventKind::RunStarted(Box::new(info)));
        simulation
    }

    fn happen(&mut self, kind: EventKind) {
        let seq = self.state.last_seq + 1;
        let at = samples::time(i64::try_from(seq).unwrap());
        let event = Event { seq, at, epoch: self.epoch, kind };
        self.state.apply(&event).unwrap();
        self.events.push(event);
    }

    /// Lets one legal thing happen, chosen by chance.
    fn step(&mut self, chance: &mut Chance) {
        let now = samples::time(i64::try_from(self.state.last_seq).unwrap());
        let mut kinds: Vec<EventKind> = Vec::new();
        for decision in decide(&self.graph, &self.state, now) {
            kinds.push(self.kind_of(decision, chance));
        }
        for (step, state) in &self.state.steps {
            for (shard, phase) in (0..).zip(&state.shards).map(|(i, shard)| (i, &shard.phase)) {
                if *phase == ShardPhase::Running {
                    kinds.push(end_of_shard(step.clone(), shard, chance));
                }
            }
        }
        if self.asks < 40 && !chance.is_over() && self.state.phase == RunPhase::Running {
            let asked = self.asked(chance);
            // What is asked must be possible, and a paused run must not rest for ever.
            if !asked.is_empty() && (kinds.is_empty() || chance.pick(4) == 0) {
                self.asks += 1;
                for kind in asked {
                    self.happen(kind);
                }
                return;
            }
        } else if self.state.paused.is_some() && self.state.phase == RunPhase::Running {
            self.happen(EventKind::RunContinued { ask: samples::ask("lee") });
            return;
        } else if let Some(step) = self.awaited().filter(|_| kinds.is_empty()) {
            self.happen(EventKind::StepApproved { step, ask: samples::ask("lee") });
            return;
        }
        match (self.state.phase, chance.pick(24)) {
            (RunPhase::Running, 0) => kinds = vec![EventKind::CancelRequested {}],
            (_, 1) => kinds.clear(),
            _ => {}
        }
        if kinds.is_empty() {
            self.epoch += 1;
            self.happen(EventKind::RunResumed { holder: Holder::this_process("kim") });
        } else {
            let chosen = chance.pick(kinds.len());
            self.happen(kinds.swap_remove(chosen));
        }
    }

    fn awaited(&self) -> Option<crate::model::StepId> {
        let runs = self.state.phase == RunPhase::Running;
        let mut waiting = self.state.steps.values().filter(|step| step.awaits_approval());
        waiting.next().filter(|_| runs).map(|step| step.seed.id.clone())
    }

    /// What somebody asks by chance, as events; none when it is refused.
    fn asked(&self, chance: &mut Chance) -> Vec<EventKind> {
        let kinds = [
            AskKind::Pause,
            AskKind::Continue,
            AskKind::Retry,
            AskKind::Skip,
            AskKind::Approve,
            AskKind::Approve,
        ];
        let kind = kinds[chance.pick(kinds.len())];
        let ids: Vec<_> = self.state.steps.keys().cloned().collect();
        let step = Some(ids[chance.pick(ids.len())].clone());
        let actor = samples::ask("lee").actor;
        let asked = NewRequest { kind, step, actor, reason: "by chance".into() };
        let request = Request { seq: 1, at: samples::time(0), asked };
        settle(&self.graph, &self.state, &request).unwrap_or_default()
    }

    fn kind_of(&self, decision: Decision, chance: &mut Chance) -> EventKind {
        let failure = || Failure::permanent(Code::StepFailed, "by chance");
        match decision {
            Decision::Block { step, because } => EventKind::StepBlocked { step, because },
            Decision::Await { step } => EventKind::ApprovalAwaited { step },
            Decision::Start { step } => EventKind::StepStarted { step },
            Decision::StartShard { step, shard } => {
                let attempt = 1 + self.state.steps[&step].shards[shard as usize].attempts;
                EventKind::ShardStarted { step, shard, attempt }
            }
            Decision::Join { step } if chance.pick(8) == 0 => {
                EventKind::StepFailed { step, failure: failure() }
            }
            Decision::Join { step } => EventKind::StepSucceeded { step, output: Output::default() },
            Decision::Fail { step } => EventKind::StepFailed { step, failure: failure() },
            Decision::Finish => EventKind::RunFinished { outcome: self.state.outcome() },
        }
    }
}

fn end_of_shard(step: crate::model::StepId, shard: u32, chance: &mut Chance) -> EventKind {
    let failure = Failure::permanent(Code::StepFailed, "by chance");
    match chance.pick(7) {
        0 => EventKind::ShardFailed { step, shard, failure, retry_in: None },
        1 => {
            let retry_in = Some(Duration::from_secs(1));
            EventKind::ShardFailed { step, shard, failure, retry_in }
        }
        2 => {
            let readers = Holdup { by: "pid 7".into(), unblock: "they end".into() };
            EventKind::ReadersAwaited { step, readers }
        }
        _ => EventKind::ShardSucceeded { step, shard, output: Output::default() },
    }
}

fn random_graph(chance: &mut Chance) -> RecoveryGraph {
    let names: Vec<String> = (0..=chance.pick(7)).map(|i| format!("s{i}")).collect();
    let mut graph = graph(&[]);
    for (i, name) in names.iter().enumerate() {
        let mut one = super::super::samples::graph(&[(name, 1, &[])]).steps.remove(0);
        one.shards = u32::try_from(1 + chance.pick(3)).unwrap();
        for other in &names[..i] {
            match chance.pick(4) {
                0 => one.after.push((other.parse().unwrap(), When::Ended)),
                1 => one.after.push((other.parse().unwrap(), When::Succeeded)),
                _ => {}
            }
        }
        if chance.pick(5) == 0 {
            graph.approvals.insert(one.id.clone(), ApprovedBy::Other);
        }
        graph.steps.push(one);
    }
    graph
}

/// What waits for success started only after success, what waits for the end only after the end.
fn order_was_kept(graph: &RecoveryGraph, events: &[Event]) -> bool {
    let position =
        |wanted: &dyn Fn(&EventKind) -> bool| events.iter().position(|event| wanted(&event.kind));
    graph.steps.iter().all(|spec| {
        let start =
            |kind: &EventKind| matches!(kind, EventKind::StepStarted { step } if *step == spec.id);
        let Some(started) = position(&start) else { return true };
        spec.after.iter().all(|(other, when)| {
            let ended = position(&|kind| match kind {
                EventKind::StepSucceeded { step, .. } => step == other,
                EventKind::StepFailed { step, .. }
                | EventKind::StepSkipped { step, .. }
                | EventKind::StepBlocked { step, .. } => *when == When::Ended && step == other,
                _ => false,
            });
            ended.is_some_and(|ended| ended < started)
        })
    })
}

proptest! {
    #[test]
    fn every_schedule_ends_keeps_the_order_and_replays_to_the_same_state(
        numbers in proptest::collection::vec(any::<u8>(), 8..400),
    ) {
        let mut chance = Chance(numbers, 0);
        let mut simulation = Simulation::new(random_graph(&mut chance));
        for _ in 0..5_000 {
            if matches!(simulation.state.phase, RunPhase::Finished(_)) {
                break;
            }
            let running = simulation.state.steps.values().flat_map(|step| &step.shards);
            let running = running.filter(|shard| shard.phase == ShardPhase::Running).count();
            prop_assert!(running <= 3, "more shards than permits");
            simulation.step(&mut chance);
        }
        prop_assert!(matches!(simulation.state.phase, RunPhase::Finished(_)));
        prop_assert!(simulation.state.steps.values().all(|step| step.phase.is_ended()));
        prop_assert!(order_was_kept(&simulation.graph, &simulation.events));
        let mut replayed = RunState::new(simulation.state.run);
        for event in &simulation.events {
            let (kind, body) = event.kind.to_parts().unwrap();
            let body = serde_json::from_str(&body.to_string()).unwrap();
            let kind = EventKind::of_parts(kind, body).unwrap();
            replayed.apply(&Event { kind, ..event.clone() }).unwrap();
        }
        prop_assert_eq!(replayed, simulation.state);
    }

    #[test]
    fn what_is_asked_never_undoes_what_is_done(
        numbers in proptest::collection::vec(any::<u8>(), 8..400),
    ) {
        let mut chance = Chance(numbers, 0);
        let mut simulation = Simulation::new(random_graph(&mut chance));
        for _ in 0..5_000 {
            if matches!(simulation.state.phase, RunPhase::Finished(_)) {
                break;
            }
            let before = simulation.state.clone();
            simulation.step(&mut chance);
            let after = &simulation.state;
            let new = &simulation.events[usize::try_from(before.last_seq).unwrap()..];
            let starts = |event: &Event| matches!(
                event.kind,
                EventKind::StepStarted { .. } | EventKind::ShardStarted { .. }
            );
            prop_assert!(before.paused.is_none() || !new.iter().any(starts));
            for (id, was) in &before.steps {
                let is = &after.steps[id];
                for done in [StepPhase::Succeeded, StepPhase::Skipped] {
                    prop_assert!(was.phase != done || is.phase == done, "{id} was {done:?}");
                }
                let began = was.phase == StepPhase::Pending && is.phase == StepPhase::Running;
                prop_assert!(!began || is.seed.approve.is_none() || is.approved.is_some());
            }
        }
        let skipped = simulation.state.steps.values().any(|s| s.phase == StepPhase::Skipped);
        let partial = simulation.state.outcome() != crate::model::Outcome::Recovered;
        prop_assert!(!skipped || partial);
    }

    #[test]
    fn an_illegal_event_changes_nothing(
        numbers in proptest::collection::vec(any::<u8>(), 8..100),
        steps in 0usize..60,
        choice in 0usize..10,
    ) {
        let mut chance = Chance(numbers, 0);
        let mut simulation = Simulation::new(random_graph(&mut chance));
        for _ in 0..steps {
            if !matches!(simulation.state.phase, RunPhase::Finished(_)) {
                simulation.step(&mut chance);
            }
        }
        let step: crate::model::StepId = "s0".parse().unwrap();
        let output = Output::default();
        let failure = Failure::permanent(Code::StepFailed, "by chance");
        let kinds = [
            EventKind::StepStarted { step: step.clone() },
            EventKind::ShardStarted { step: step.clone(), shard: 0, attempt: 1 },
            EventKind::ShardSucceeded { step: step.clone(), shard: 0, output: output.clone() },
            EventKind::ShardSucceeded { step: step.clone(), shard: 9, output: output.clone() },
            EventKind::StepSucceeded { step: step.clone(), output },
            EventKind::StepFailed { step: step.clone(), failure },
            EventKind::StepBlocked { step: step.clone(), because: step },
            EventKind::RunFinished { outcome: crate::model::Outcome::Recovered },
            EventKind::CancelRequested {},
            EventKind::RunStarted(simulation.state.info.clone().unwrap()),
        ];
        let before = simulation.state.clone();
        let seq = before.last_seq + 1;
        let event = Event { seq, at: samples::time(0), epoch: before.epoch, kind: kinds[choice].clone() };
        if simulation.state.apply(&event).is_ok() {
            prop_assert_eq!(simulation.state.last_seq, seq);
            let finished = matches!(before.phase, RunPhase::Finished(_));
            prop_assert!(!finished, "something happened after the end");
        } else {
            prop_assert_eq!(&simulation.state, &before);
        }
        let ended = before.steps.values().filter(|step| step.phase.is_ended());
        for step in ended {
            let now: StepPhase = simulation.state.steps[&step.seed.id].phase;
            prop_assert_eq!(now, step.phase, "a step that ended changed");
        }
    }
}
