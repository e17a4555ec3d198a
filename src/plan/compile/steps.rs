use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::digest::Digest;
use crate::model::{DatasetVersionId, StepId};
use crate::plan::{Pool, StepKind, StepSpec, When};

/// Steps as they are made. A step waits only for steps that were made before it, so that the
/// graph has no cycle and stands in an order in which it could run.
#[derive(Default)]
pub(super) struct Steps {
    made: Vec<StepSpec>,
    ids: BTreeSet<StepId>,
    /// What could not be made: bugs, not faults of a plan.
    pub(super) broken: Vec<String>,
}

/// What `after` edges are made of.
pub(super) type After = Vec<(StepId, When)>;

impl Steps {
    /// Whether there is such a step.
    pub(super) fn has(&self, id: &StepId) -> bool {
        self.ids.contains(id)
    }

    /// The ids of all steps so far that `wanted` holds for, each to be waited for as `when`.
    pub(super) fn each(&self, when: When, wanted: impl Fn(&StepSpec) -> bool) -> After {
        self.made.iter().filter(|s| wanted(s)).map(|s| (s.id.clone(), when)).collect()
    }

    /// Adds a step. Edges to steps that were left out are left out.
    pub(super) fn add(&mut self, id: StepId, kind: StepKind, after: After) -> Entry<'_> {
        let mut edges = After::new();
        for (before, when) in after {
            match edges.iter_mut().find(|(id, _)| *id == before) {
                Some(edge) if when == When::Succeeded => edge.1 = when,
                None if self.has(&before) => edges.push((before, when)),
                _ => {}
            }
        }
        // It is read back out of the journal by a resume.
        if id.as_str().parse::<StepId>().is_err() {
            self.broken.push(format!("`{id}` is no step id"));
        }
        if !self.ids.insert(id.clone()) {
            self.broken.push(format!("two steps are named {id}"));
        }
        let pool = match kind {
            StepKind::RestoreObjects
            | StepKind::RestoreLedger
            | StepKind::VerifyObjects
            | StepKind::VerifyVersion
            | StepKind::VerifyCatalog
            | StepKind::VerifyLedger => Pool::Transfer,
            StepKind::Rebuild | StepKind::Prove => Pool::Query,
            _ => Pool::Control,
        };
        let at = self.made.len();
        self.made.push(StepSpec {
            id,
            kind,
            params: Value::Null,
            shards: 1,
            pool,
            after: edges,
            action: String::new(),
            estimate_seconds: (pool == Pool::Control).then_some(1),
        });
        Entry { steps: self, at }
    }

    /// Has all steps of some kinds wait for another one too, which was made before them.
    pub(super) fn wait(&mut self, before: &(StepId, When), kinds: impl Fn(StepKind) -> bool) {
        for step in self.made.iter_mut().filter(|step| kinds(step.kind)) {
            step.after.push(before.clone());
        }
    }

    /// All of them.
    pub(super) fn finish(self) -> Vec<StepSpec> {
        self.made
    }
}

/// A step that was just added.
pub(super) struct Entry<'a> {
    steps: &'a mut Steps,
    at: usize,
}

impl Entry<'_> {
    fn set(self, change: impl FnOnce(&mut StepSpec)) -> Self {
        if let Some(step) = self.steps.made.get_mut(self.at) {
            change(step);
        }
        self
    }

    /// What the action needs to know.
    pub(super) fn params(self, params: &impl Serialize) -> Self {
        match serde_json::to_value(params) {
            Ok(params) => self.set(|step| step.params = params),
            Err(error) => {
                self.steps.broken.push(format!("failed to write a step's parameters: {error}"));
                self
            }
        }
    }

    /// What it would do, in a few words.
    pub(super) fn action(self, words: impl Into<String>) -> Self {
        self.set(|step| step.action = words.into())
    }

    /// Into how many pieces it is cut.
    pub(super) fn shards(self, shards: u32) -> Self {
        self.set(|step| step.shards = shards.max(1))
    }

    /// How long it may take.
    pub(super) fn estimate(self, seconds: Option<u64>) {
        self.set(|step| step.estimate_seconds = seconds);
    }
}

/// A step id of segments.
pub(super) fn id(segments: &[&str]) -> StepId {
    StepId::of(segments)
}

/// A dataset version as a segment of a step id. What a step id cannot hold is replaced, and a
/// piece of the digest keeps two such versions apart.
pub(super) fn segment(version: &DatasetVersionId) -> String {
    let text = version.as_str();
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.chars().all(good) && !text.starts_with('.') {
        return text.to_owned();
    }
    let clean: String = text.chars().map(|c| if good(c) { c } else { '_' }).collect();
    format!("{}-{}", clean.trim_start_matches('.'), &Digest::blake3(text.as_bytes()).hex()[..8])
        .trim_start_matches('-')
        .to_owned()
}

/// An edge to a step that has to succeed.
pub(super) fn succeeded(segments: &[&str]) -> (StepId, When) {
    (id(segments), When::Succeeded)
}

/// An edge to a step that has to end.
pub(super) fn ended(segments: &[&str]) -> (StepId, When) {
    (id(segments), When::Ended)
}
