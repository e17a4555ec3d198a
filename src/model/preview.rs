//! What a step would do, told before anything is written.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Finding, StepId};

/// What would become of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It is not there, and would be.
    Create,
    /// It is there with another content: that would be put aside, and this take its place.
    Replace,
    /// It is there as it should be, or stays as it is because that was asked.
    Keep,
    /// It would not be brought back: it was withdrawn, or is held back.
    Leave,
    /// It differs in a place that may change, and nobody said what is to become of it.
    Conflict,
    /// It would be taken over from a rehearsal, and proven.
    TakeOver,
    /// It would be built and proven.
    Rebuild,
    /// It is what it would be built as, and stays.
    Unchanged,
    /// It would be put live.
    Switch,
    /// It would be taken away.
    Drop,
    /// It cannot be done.
    Blocked,
}

impl Fate {
    /// The name as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Keep => "keep",
            Self::Leave => "leave",
            Self::Conflict => "conflict",
            Self::TakeOver => "take-over",
            Self::Rebuild => "rebuild",
            Self::Unchanged => "unchanged",
            Self::Switch => "switch",
            Self::Drop => "drop",
            Self::Blocked => "blocked",
        }
    }
}

/// Of what a preview speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Thing {
    /// Objects of the canonical stores.
    Object,
    /// Projections: one of each job.
    Projection,
    /// Built versions of projections.
    Generation,
}

/// How many things would meet a fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// How many.
    pub count: u64,
    /// Their bytes, where they have any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Their rows, where a record knows them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

impl Amount {
    fn add(&mut self, other: Self) {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0) + b.unwrap_or(0)),
        };
        self.count += other.count;
        self.bytes = sum(self.bytes, other.bytes);
        self.rows = sum(self.rows, other.rows);
    }
}

/// What a step would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    changes: BTreeMap<(Thing, Fate), Amount>,
    /// Why it cannot be done, if it cannot.
    pub blocked: Option<String>,
    /// What else is to be said.
    pub note: Option<String>,
    /// What it would find, as far as that is known.
    pub findings: Vec<Finding>,
}

impl Preview {
    /// A step that cannot be done.
    pub fn blocked(why: impl Into<String>) -> Self {
        Self { blocked: Some(why.into()), ..Self::default() }
    }

    /// A step of which only something is to be said.
    pub fn noted(note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..Self::default() }
    }

    /// A step that only finds something.
    pub(crate) fn found(findings: Vec<Finding>) -> Self {
        Self { findings, ..Self::default() }
    }

    /// Adds one more thing.
    pub fn add(&mut self, thing: Thing, fate: Fate, bytes: Option<u64>, rows: Option<u64>) {
        self.merge_one(thing, fate, Amount { count: 1, bytes, rows });
    }

    /// Adds what another one says.
    pub fn merge(&mut self, other: &Self) {
        for (&(thing, fate), &amount) in &other.changes {
            self.merge_one(thing, fate, amount);
        }
        if self.note.is_none() {
            self.note.clone_from(&other.note);
        }
        if self.blocked.is_none() {
            self.blocked.clone_from(&other.blocked);
        }
    }

    fn merge_one(&mut self, thing: Thing, fate: Fate, amount: Amount) {
        self.changes.entry((thing, fate)).or_default().add(amount);
    }

    /// All that would change or stay, by thing and fate.
    pub fn changes(&self) -> impl Iterator<Item = (Thing, Fate, Amount)> {
        self.changes.iter().map(|(&(thing, fate), &amount)| (thing, fate, amount))
    }

    /// How many things would meet a fate.
    pub fn count(&self, thing: Thing, fate: Fate) -> u64 {
        self.changes.get(&(thing, fate)).map_or(0, |amount| amount.count)
    }

    /// Whether there is nothing to be told.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.blocked.is_none() && self.note.is_none()
    }
}

/// What the steps of a graph would do; a step finds those before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Previews(BTreeMap<StepId, Preview>);

impl Previews {
    /// Adds what a step would do.
    pub fn insert(&mut self, step: StepId, preview: Preview) {
        self.0.insert(step, preview);
    }

    /// What a step would do.
    pub fn get(&self, step: &StepId) -> Option<&Preview> {
        self.0.get(step)
    }

    /// Why a step cannot be done, if it cannot.
    pub fn why_not(&self, step: &StepId) -> Option<&str> {
        self.0.get(step)?.blocked.as_deref()
    }

    /// All steps together.
    pub fn totals(&self) -> Preview {
        let mut totals = Preview::default();
        self.0.values().for_each(|preview| totals.merge(preview));
        Preview { blocked: None, note: None, ..totals }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steps_would_do_adds_up() {
        let mut one = Preview::default();
        one.add(Thing::Object, Fate::Create, Some(10), None);
        one.add(Thing::Object, Fate::Create, Some(5), None);
        one.add(Thing::Projection, Fate::Rebuild, None, None);
        one.add(Thing::Projection, Fate::Rebuild, None, Some(7));
        let mut all = Previews::default();
        all.insert("a".parse().unwrap(), one.clone());
        all.insert("b".parse().unwrap(), one);
        all.insert("c".parse().unwrap(), Preview::blocked("no"));
        let totals: Vec<_> = all.totals().changes().collect();
        let created = Amount { count: 4, bytes: Some(30), rows: None };
        let rebuilt = Amount { count: 4, bytes: None, rows: Some(14) };
        assert_eq!(
            totals,
            [(Thing::Object, Fate::Create, created), (Thing::Projection, Fate::Rebuild, rebuilt)]
        );
        assert_eq!(all.totals().blocked, None);
        assert_eq!(all.why_not(&"c".parse().unwrap()), Some("no"));
    }
}
