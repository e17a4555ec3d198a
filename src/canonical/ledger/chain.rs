use std::collections::{HashMap, HashSet};

use super::branch::Tree;
use super::link::{Filed, Link, Place, misplaced};
use super::pending::Pending;
use super::record::{GENESIS, Name, digest_of};
use super::watch::Watch;
use crate::model::{Finding, FindingKind};

/// So many branches and tears are followed; past them the ledger is a ruin and one finding says
/// so.
const BOUND: usize = 1024;

/// Where a record stands that was passed lately.
struct Passed {
    day: u32,
    branch: usize,
    position: u64,
}

/// A defect of the chain.
#[derive(Debug)]
pub(super) struct Defect {
    pub(super) finding: Finding,
    /// Whether the record that the head names was passed before: what follows it may be growing.
    pub(super) beyond: bool,
}

/// What following the chain came to.
pub(super) struct Followed {
    pub(super) tree: Tree,
    pub(super) defects: Vec<Defect>,
    pub(super) watch: Watch,
    /// The last records that were lost for good, as records of restores say.
    pub(super) acknowledged: HashSet<Name>,
    /// Records that others follow and that were not met, or long before.
    pub(super) torn: HashSet<Name>,
}

/// The chain as it is followed day by day. Only links of the last two days are in memory: a record
/// may stand in the folder of the day after the one that follows it, not further away. One that
/// follows a record of long ago is a fork if that record is sought, and else a tear.
pub(super) struct Chain {
    tree: Tree,
    waiting: Pending,
    /// The records of the last two days.
    passed: HashMap<Name, Passed>,
    day: u32,
    sought: HashSet<Name>,
    head: Option<Name>,
    pub(super) watch: Watch,
    acknowledged: HashSet<Name>,
    torn: HashSet<Name>,
    defects: Vec<Defect>,
    ruined: bool,
}

impl Chain {
    /// Starts before the first record; remembers where the `sought` records and the head stand.
    pub(super) fn new(mut sought: HashSet<Name>, head: Option<Name>) -> Self {
        sought.extend(head);
        Self {
            tree: Tree::new(),
            waiting: Pending::default(),
            passed: HashMap::new(),
            day: 1,
            sought,
            head,
            watch: Watch::default(),
            acknowledged: HashSet::new(),
            torn: HashSet::new(),
            defects: Vec::new(),
            ruined: false,
        }
    }

    /// Takes a link of the day; they come in any order.
    pub(super) fn take(&mut self, mut link: Link) {
        self.watch.met(link.name, link.prev);
        if self.is_second(&link) {
            return;
        }
        if let Some(notes) = &link.notes {
            self.tree.superseded.extend(notes.supersedes.iter().copied());
            self.acknowledged.extend(notes.lost_head);
        }
        let is_tip = self.tree.branches.iter().any(|branch| branch.tip == link.prev);
        if let Some((branch, position)) = self.place_of(&link.prev).filter(|_| !is_tip) {
            self.fork(branch, position, (link.prev, None));
        }
        link.day = self.day;
        self.waiting.add(link);
    }

    /// Follows the chain through the links of the day that is over.
    pub(super) fn end_day(&mut self) {
        self.advance();
        self.mend(self.day - 1);
        let keep = self.day.saturating_sub(1);
        self.passed.retain(|_, passed| passed.day >= keep);
        self.day += 1;
    }

    /// Ends the chain.
    pub(super) fn finish(mut self) -> Followed {
        self.mend(self.day);
        let Self { tree, defects, watch, acknowledged, torn, .. } = self;
        Followed { tree, defects, watch, acknowledged, torn }
    }

    /// The branch and position of a record that was passed: lately, or one that is sought.
    fn place_of(&self, name: &Name) -> Option<(usize, u64)> {
        if *name == GENESIS {
            return Some((0, 0));
        }
        let lately = self.passed.get(name).map(|passed| (passed.branch, passed.position));
        lately.or_else(|| self.tree.place_of(*name).filter(|_| self.sought.contains(name)))
    }

    fn find(&mut self, finding: Finding) {
        let beyond = self.head.is_some_and(|head| self.tree.holder(head).is_some());
        if self.defects.len() <= BOUND {
            self.defects.push(Defect { finding, beyond });
        }
    }

    fn is_second(&mut self, link: &Link) -> bool {
        if !self.passed.contains_key(&link.name) && self.waiting.same(link).is_none() {
            return false;
        }
        let hint = "the record stands under another key too: take the copy away by hand";
        let finding = Finding::warning(FindingKind::LedgerDuplicate, hint)
            .at(link.place.key(link.name))
            .differs(format!("{} once", digest_of(link.name)), "another record of this name");
        self.find(finding);
        true
    }

    fn fork(
        &mut self,
        parent: usize,
        position: u64,
        behind: (Name, Option<Place>),
    ) -> Option<usize> {
        if self.tree.branches.len() >= BOUND {
            self.ruin();
            return None;
        }
        Some(self.tree.fork(parent, position, behind))
    }

    /// Follows every branch as far as the links in memory lead.
    fn advance(&mut self) {
        let mut at = 0;
        while at < self.tree.branches.len() {
            loop {
                let branch = &self.tree.branches[at];
                let (tip, end, place) = (branch.tip, branch.end, branch.place.clone());
                let mut next = self.waiting.take(&tip).into_iter();
                let Some(first) = next.next() else { break };
                // The later ones first: the branch itself must not have moved yet.
                for other in next {
                    if let Some(branch) = self.fork(at, end, (tip, place.clone())) {
                        self.step(branch, &other);
                    }
                }
                self.step(at, &first);
            }
            at += 1;
        }
    }

    fn step(&mut self, at: usize, link: &Link) {
        let before = self.tree.branches[at].place.as_ref();
        let elsewhere = before.is_none_or(|place| place.folder() != link.place.folder());
        if link.filed == Filed::Later && elsewhere {
            self.find(misplaced(&link.place.key(link.name), link.at));
        }
        self.watch.passed(link.name, at);
        let position = self.tree.step(at, link, &self.sought);
        self.passed.insert(link.name, Passed { day: self.day, branch: at, position });
    }

    /// Takes up the chain again behind a record that is gone, for links up to `day`.
    fn mend(&mut self, day: u32) {
        let mut tears = 0;
        while let Some(link) = self.waiting.torn(day).cloned() {
            if link.filed == Filed::Right {
                self.tear(&link);
                tears += 1;
            } else {
                // One that was moved here tears nothing here.
                self.waiting.remove(&link);
                if link.filed == Filed::Later {
                    self.find(misplaced(&link.place.key(link.name), link.at));
                }
            }
            if tears == BOUND {
                self.ruin();
                self.waiting.clear();
            }
        }
    }

    fn tear(&mut self, link: &Link) {
        let longest = self.tree.longest();
        let branch = &mut self.tree.branches[longest];
        let finding = if branch.end == 0 {
            let hint = "the ledger's first records are gone: restore them from a snapshot";
            Finding::blocking(FindingKind::LedgerCut, hint)
                .differs("a first record", digest_of(link.prev))
        } else {
            let hint = "the record before this one is gone or was replaced: restore it";
            Finding::blocking(FindingKind::LedgerBrokenChain, hint)
                .differs(digest_of(branch.tip), digest_of(link.prev))
        };
        branch.gaps += 1;
        branch.tip = link.prev;
        self.torn.insert(link.prev);
        self.find(finding.at(link.place.key(link.name)));
        self.advance();
    }

    fn ruin(&mut self) {
        if !self.ruined {
            self.ruined = true;
            let hint = format!("the ledger forks or is torn more than {BOUND} times: restore it");
            let finding = Finding::blocking(FindingKind::LedgerBrokenChain, hint);
            self.defects.push(Defect { finding, beyond: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(at: usize) -> Name {
        *blake3::hash(&at.to_le_bytes()).as_bytes()
    }

    fn links(count: usize) -> Vec<Link> {
        let prev = |at: usize| if at == 0 { GENESIS } else { name(at - 1) };
        let link = |at| Link {
            name: name(at),
            prev: prev(at),
            at: at.try_into().unwrap(),
            place: Place::Odd(format!("{at:04}").into()),
            filed: Filed::Right,
            day: 0,
            notes: None,
        };
        (0..count).map(link).collect()
    }

    /// Follows links that stand in the days given, each day backwards.
    fn follow(links: Vec<Link>, days: &[usize]) -> (Tree, Vec<Finding>) {
        let last = days.iter().max().copied().unwrap_or(0);
        let mut folders = vec![Vec::new(); last + 1];
        for (link, day) in links.into_iter().zip(days) {
            folders[*day].insert(0, link);
        }
        let mut chain = Chain::new(HashSet::new(), None);
        for folder in folders {
            for link in folder {
                chain.take(link);
            }
            chain.end_day();
        }
        let followed = chain.finish();
        let findings = followed.defects.into_iter().map(|defect| defect.finding);
        (followed.tree, findings.collect())
    }

    proptest! {
        #[test]
        fn order_and_a_day_of_clock_skew_do_not_matter_and_a_gap_shows(
            steps in proptest::collection::vec((0usize..2, 0usize..2), 3..60),
            gap in any::<prop::sample::Index>(),
        ) {
            let mut day = 0;
            let days: Vec<usize> = steps.iter().map(|(step, skew)| { day += step; day + skew }).collect();
            let (tree, findings) = follow(links(steps.len()), &days);
            prop_assert_eq!(findings, vec![]);
            prop_assert_eq!((tree.branches.len(), tree.branches[0].end), (1, steps.len() as u64));

            let gap = gap.index(steps.len() - 1);
            let (mut left, mut at) = (links(steps.len()), days);
            left.remove(gap);
            at.remove(gap);
            let (_, findings) = follow(left, &at);
            let kinds: Vec<_> = findings.iter().map(|finding| finding.kind).collect();
            let kind = if gap == 0 { FindingKind::LedgerCut } else { FindingKind::LedgerBrokenChain };
            prop_assert_eq!(kinds, [kind]);
        }
    }

    #[test]
    fn a_ruin_ends() {
        let mut all = links(4 * BOUND);
        all.retain(|link| link.at % 2 == 0);
        let days = vec![0; all.len()];
        let (_, findings) = follow(all, &days);
        assert_eq!(findings.len(), BOUND + 1);
    }
}
