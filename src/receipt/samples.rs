//! Two rehearsals of Kansas: one that is whole, and one with an altered object.

use serde::Serialize;

use super::{Receipt, fold};
use crate::digest::Digest;
use crate::journal::samples::{events, fold as fold_events, info, time};
use crate::journal::{Event, EventKind, RunInfo, RunState};
use crate::model::{
    Code, Covers, DecideOutput, DecidedChange, Failure, Finding, FindingKind, JobId,
    LiveGeneration, Output, Proof, ReadBackOutput, RebuildOutput, RestoreOutput, RunId,
    SwitchOutput, Verdict,
};

const DIGEST: &str =
    "pgcopy-v1:00000000000000000000000000000000000000000000000000000000000000aa:2119";

pub(crate) fn run_id() -> RunId {
    "01900000-0000-7000-8000-000000000001".parse().unwrap()
}

fn job(name: &str) -> JobId {
    name.parse().unwrap()
}

fn generation(name: &str) -> Digest {
    Digest::blake3(name.as_bytes())
}

pub(crate) fn kansas() -> RunInfo {
    let mut info = info(&[
        ("restore/objects/processed", "restore-objects", 2),
        ("gate/manifest", "gate", 1),
        ("gate/canonical-intact/2026-02.abcd1234", "gate", 1),
        ("rebuild/postgis/places", "rebuild", 1),
        ("prove/postgis/places", "prove", 1),
        ("rebuild/tiles/base", "rebuild", 1),
        ("prove/tiles/base", "prove", 1),
        ("decide", "decide", 1),
        ("switch", "switch", 1),
        ("read-back", "read-back", 1),
        ("receipt", "receipt", 1),
    ]);
    info.steps[1].about.gate = Some("manifest".into());
    info.steps[2].about.gate = Some("canonical-intact/2026-02.abcd1234".into());
    info.steps[2].about.version = Some("2026-02.abcd1234".parse().unwrap());
    for (index, name) in
        [(3, "postgis/places"), (4, "postgis/places"), (5, "tiles/base"), (6, "tiles/base")]
    {
        info.steps[index].about.job = Some(job(name));
        info.steps[index].about.generation = Some(generation(name));
    }
    info
}

struct Story {
    info: RunInfo,
    kinds: Vec<EventKind>,
}

impl Story {
    fn begin() -> Self {
        let info = kansas();
        Self { kinds: vec![EventKind::RunStarted(Box::new(info.clone()))], info }
    }

    fn started(&mut self, index: usize) -> crate::model::StepId {
        let seed = &self.info.steps[index];
        let step = seed.id.clone();
        self.kinds.push(EventKind::StepStarted { step: step.clone() });
        for shard in 0..seed.shards {
            self.kinds.push(EventKind::ShardStarted { step: step.clone(), shard, attempt: 1 });
        }
        step
    }

    fn done(&mut self, index: usize, value: &impl Serialize) {
        let shards = self.info.steps[index].shards;
        let step = self.started(index);
        let output = Output::of(value).unwrap();
        for shard in 0..shards {
            let (step, output) = (step.clone(), output.clone());
            self.kinds.push(EventKind::ShardSucceeded { step, shard, output });
        }
        self.kinds.push(EventKind::StepSucceeded { step, output });
    }

    fn failed(&mut self, index: usize, failure: Failure) {
        let step = self.started(index);
        let (retry_in, shard) = (None, 0);
        let of_shard = failure.clone();
        self.kinds.push(EventKind::ShardFailed {
            step: step.clone(),
            shard,
            failure: of_shard,
            retry_in,
        });
        self.kinds.push(EventKind::StepFailed { step, failure });
    }

    fn blocked(&mut self, index: usize, because: usize) {
        let step = self.info.steps[index].id.clone();
        let because = self.info.steps[because].id.clone();
        self.kinds.push(EventKind::StepBlocked { step, because });
    }

    fn end(self) -> Vec<Event> {
        events(self.kinds)
    }
}

fn verdict(id: &str) -> Verdict {
    let evidence = "1,204 objects are what the manifest says".to_owned();
    Verdict { id: id.to_owned(), open: true, evidence, findings: Vec::new() }
}

fn proof() -> Proof {
    Proof {
        rows: 2119,
        canonical_digest: DIGEST.into(),
        projection_digest: DIGEST.into(),
        proven: true,
        proof_at: time(20),
        covers: Covers::of("every column of every row", ["name"]),
        made_of: None,
    }
}

fn built(name: &str) -> RebuildOutput {
    RebuildOutput {
        job: job(name),
        kind: job(name).kind().to_owned(),
        generation: generation(name),
        rows: 2119,
        canonical_digest: DIGEST.into(),
        read: Vec::new(),
        unchanged: None,
        ran: None,
        promotion: None,
    }
}

fn go_live(story: &mut Story, names: &[&str]) {
    let change =
        |name: &&str| DecidedChange { job: job(name), from: None, to: Some(generation(name)) };
    let live = |name: &&str| LiveGeneration { job: job(name), generation: generation(name) };
    story.done(7, &DecideOutput { set: names.iter().map(change).collect() });
    story.done(8, &SwitchOutput { first_at: time(400), last_at: time(401) });
    story.done(9, &ReadBackOutput { live: names.iter().map(live).collect(), at: time(402) });
    story.started(10);
}

fn restored(story: &mut Story) {
    let restored = RestoreOutput {
        objects: 1204,
        bytes: 1 << 30,
        restored: 1200,
        kept: 4,
        displaced: 0,
        promoted: 0,
    };
    story.done(0, &restored);
    story.done(1, &verdict("manifest"));
}

pub(crate) fn whole() -> Vec<Event> {
    let mut story = Story::begin();
    restored(&mut story);
    story.done(2, &verdict("canonical-intact/2026-02.abcd1234"));
    story.done(3, &built("postgis/places"));
    story.done(4, &proof());
    let unchanged = Some(proof());
    story.done(5, &RebuildOutput { unchanged, ..built("tiles/base") });
    story.done(6, &proof());
    go_live(&mut story, &["postgis/places", "tiles/base"]);
    story.end()
}

pub(crate) fn broken() -> Vec<Event> {
    let mut story = Story::begin();
    story.info.request.rto_target_seconds = Some(60);
    story.kinds = vec![EventKind::RunStarted(Box::new(story.info.clone()))];
    restored(&mut story);
    let version = "2026-02.abcd1234".parse().unwrap();
    let key = "processed/places/2026-02.abcd1234/artifacts/places.parquet";
    let hint = "restore it from an older snapshot: coppice snapshots URL";
    let finding = Finding::blocking(FindingKind::Altered, hint)
        .at(key)
        .of_version(Some(&version))
        .differs(Digest::blake3(b"a"), Digest::blake3(b"b"));
    let failure = Failure::permanent(Code::GateShut, "1 object of 2026-02.abcd1234 is altered")
        .with_findings(vec![finding]);
    story.failed(2, failure);
    // The gate knows what more is held back.
    if let Some(EventKind::StepFailed { failure, .. }) = story.kinds.last_mut() {
        failure.findings[0].blocks.push("postgis/places".into());
    }
    story.blocked(3, 2);
    story.blocked(4, 3);
    story.done(5, &built("tiles/base"));
    story.done(6, &proof());
    go_live(&mut story, &["tiles/base"]);
    story.end()
}

pub(crate) fn state(events: &[Event]) -> RunState {
    fold_events(run_id(), events)
}

pub(crate) fn receipt(events: &[Event]) -> Receipt {
    fold(&state(events), time(410)).unwrap()
}
