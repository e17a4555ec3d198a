use std::collections::HashSet;

use super::link::{Link, Place};
use super::record::{GENESIS, Name};

/// One stretch of the chain. A whole ledger has one; where two records follow the same one, the
/// second starts a branch of its own.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    /// Its last record, and where that stands; a branch that has none yet stands nowhere.
    pub(super) tip: Name,
    pub(super) place: Option<Place>,
    /// The position of its last record in the chain, from 1; records behind a gap are not counted.
    pub(super) end: u64,
    /// The branch that it left, and behind which position.
    parent: Option<(usize, u64)>,
    /// How often it was torn.
    pub(super) gaps: u32,
    /// The sought records that stand on it, each with its position.
    holds: Vec<(Name, u64)>,
}

/// All branches of a ledger, and the records that lost a race and are known to have.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) branches: Vec<Branch>,
    pub(super) superseded: HashSet<Name>,
}

/// The way from the first record to one branch's end: its branches, each with the position up to
/// which it belongs to the way.
pub(super) struct Way(Vec<(usize, u64)>);

/// Records beside the way: what the last of them is called, and how many there are.
pub(super) struct Beside<'a> {
    pub(super) branch: &'a Branch,
    /// A single record that follows the way and that nothing follows.
    pub(super) lone: bool,
    /// Behind which position it left.
    pub(super) from: u64,
}

impl Branch {
    /// The key of its last record.
    pub(super) fn key(&self) -> String {
        self.place.as_ref().map(|place| place.key(self.tip)).unwrap_or_default()
    }
}

impl Tree {
    pub(super) fn new() -> Self {
        let root =
            Branch { tip: GENESIS, place: None, end: 0, parent: None, gaps: 0, holds: Vec::new() };
        Self { branches: vec![root], superseded: HashSet::new() }
    }

    /// Starts a branch behind a record, whose place may not be known any more.
    pub(super) fn fork(
        &mut self,
        parent: usize,
        position: u64,
        (tip, place): (Name, Option<Place>),
    ) -> usize {
        let (parent, holds) = (Some((parent, position)), Vec::new());
        self.branches.push(Branch { tip, place, end: position, parent, gaps: 0, holds });
        self.branches.len() - 1
    }

    /// Goes one record further; gives its position.
    pub(super) fn step(&mut self, at: usize, link: &Link, sought: &HashSet<Name>) -> u64 {
        let branch = &mut self.branches[at];
        branch.tip = link.name;
        branch.place = Some(link.place.clone());
        branch.end += 1;
        if sought.contains(&link.name) {
            branch.holds.push((link.name, branch.end));
        }
        branch.end
    }

    /// The branch that reaches furthest.
    pub(super) fn longest(&self) -> usize {
        let ends = self.branches.iter().map(|branch| branch.end).enumerate();
        ends.max_by_key(|(at, end)| (*end, std::cmp::Reverse(*at))).map_or(0, |(at, _)| at)
    }

    /// The branch on which a sought record stands.
    pub(super) fn holder(&self, name: Name) -> Option<usize> {
        self.place_of(name).map(|(at, _)| at)
    }

    /// The branch and position of a sought record.
    pub(super) fn place_of(&self, name: Name) -> Option<(usize, u64)> {
        self.branches.iter().enumerate().find_map(|(at, branch)| {
            let held = branch.holds.iter().find(|(held, _)| *held == name)?;
            Some((at, held.1))
        })
    }

    pub(super) fn way_to(&self, mut at: usize) -> Way {
        let mut way = vec![(at, self.branches[at].end)];
        while let Some((parent, position)) = self.branches[at].parent {
            way.push((parent, position));
            at = parent;
        }
        Way(way)
    }

    /// Where a sought record stands on the way.
    pub(super) fn position(&self, way: &Way, name: Name) -> Option<u64> {
        way.0.iter().find_map(|&(at, end)| {
            let mut holds = self.branches[at].holds.iter();
            holds.find(|(held, position)| *held == name && *position <= end).map(|(_, at)| *at)
        })
    }

    /// How often the way is torn.
    pub(super) fn gaps(&self, way: &Way) -> u32 {
        way.0.iter().map(|(at, _)| self.branches[*at].gaps).sum()
    }

    /// What stands beside the way, without single records that are known to have lost a race.
    pub(super) fn beside<'a>(&'a self, way: &'a Way) -> impl Iterator<Item = Beside<'a>> {
        let on_way = |at: usize| way.0.iter().find(|(on, _)| *on == at).map(|(_, end)| *end);
        self.branches.iter().enumerate().filter_map(move |(at, branch)| {
            let (from, joined) = match (on_way(at), branch.parent) {
                (Some(end), _) => (end, true),
                (None, Some((parent, position))) => {
                    (position, on_way(parent).is_some_and(|end| position <= end))
                }
                (None, None) => (0, false),
            };
            let lone = joined && branch.end - from == 1 && branch.gaps == 0;
            let known = lone && self.superseded.contains(&branch.tip);
            (branch.end > from && !known).then_some(Beside { branch, lone, from })
        })
    }
}
