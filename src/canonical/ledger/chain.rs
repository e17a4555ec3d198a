use std::collections::{HashMap, HashSet};

use super::branch::Tree;
use super::record::{Link, Name, digest_of};
use crate::model::{Finding, FindingKind};

/// So many branches and tears are followed; past them the ledger is a ruin and one finding says
/// so.
const BOUND: usize = 1024;

struct Waiting {
    link: Link,
    day: u32,
}

/// Where a record stands that was passed lately.
struct Passed {
    day: u32,
    branch: usize,
    position: u64,
}

/// The chain as it is followed day by day. Only links of the last two days are in memory: a record
/// may stand in the folder of the day after the one that follows it, not further away.
pub(super) struct Chain {
    tree: Tree,
    /// Links that nothing leads to yet, by the record before them.
    waiting: HashMap<Name, Vec<Waiting>>,
    /// The records of the last two days.
    passed: HashMap<Name, Passed>,
    day: u32,
    sought: Vec<Name>,
    findings: Vec<Finding>,
    ruined: bool,
}

impl Chain {
    /// Starts before the first record; remembers where the `sought` records stand.
    pub(super) fn new(sought: Vec<Name>) -> Self {
        Self {
            tree: Tree::new(),
            waiting: HashMap::new(),
            passed: HashMap::new(),
            day: 0,
            sought,
            findings: Vec::new(),
            ruined: false,
        }
    }

    /// Takes the links of the next day, in any order.
    pub(super) fn day(&mut self, links: Vec<Link>) {
        self.day += 1;
        for link in links {
            self.take(link);
        }
        self.advance();
        self.mend(self.day - 1);
        let keep = self.day.saturating_sub(1);
        self.passed.retain(|_, passed| passed.day >= keep);
    }

    /// Ends the chain: its branches, and what was found on the way.
    pub(super) fn finish(mut self) -> (Tree, Vec<Finding>) {
        self.mend(self.day);
        (self.tree, self.findings)
    }

    fn take(&mut self, link: Link) {
        let same = |waiting: &Vec<Waiting>| waiting.iter().any(|w| w.link.name == link.name);
        if self.passed.contains_key(&link.name) || self.waiting.get(&link.prev).is_some_and(same) {
            return;
        }
        self.tree.superseded.extend(link.supersedes.iter().copied());
        let is_tip = self.tree.branches.iter().any(|branch| branch.tip == link.prev);
        if let Some(passed) = self.passed.get(&link.prev).filter(|_| !is_tip) {
            let (branch, position) = (passed.branch, passed.position);
            self.fork(branch, position, link.prev);
        }
        self.waiting.entry(link.prev).or_default().push(Waiting { link, day: self.day });
    }

    fn fork(&mut self, parent: usize, position: u64, tip: Name) -> Option<usize> {
        if self.tree.branches.len() >= BOUND {
            self.ruin();
            return None;
        }
        Some(self.tree.fork(parent, position, tip))
    }

    /// Follows every branch as far as the links in memory lead.
    fn advance(&mut self) {
        let mut at = 0;
        while at < self.tree.branches.len() {
            while let Some(mut next) = self.waiting.remove(&self.tree.branches[at].tip) {
                next.sort_by(|a, b| (a.link.at, &a.link.key).cmp(&(b.link.at, &b.link.key)));
                let (tip, position) = (self.tree.branches[at].tip, self.tree.branches[at].end);
                // The later ones first: the branch itself must not have moved yet.
                for other in next.drain(1..) {
                    if let Some(branch) = self.fork(at, position, tip) {
                        self.step(branch, &other.link);
                    }
                }
                if let Some(first) = next.pop() {
                    self.step(at, &first.link);
                }
            }
            at += 1;
        }
    }

    fn step(&mut self, branch: usize, link: &Link) {
        let position = self.tree.step(branch, link, &self.sought);
        self.passed.insert(link.name, Passed { day: self.day, branch, position });
    }

    /// Takes up the chain again behind a record that is gone, for links up to `day`.
    fn mend(&mut self, day: u32) {
        let mut tears = 0;
        while let Some((prev, key)) = self.torn(day) {
            let longest = self.tree.longest();
            let branch = &mut self.tree.branches[longest];
            let finding = if branch.end == 0 {
                let hint = "the ledger's first records are gone: restore them from a snapshot";
                Finding::blocking(FindingKind::LedgerCut, hint)
                    .differs("a first record", digest_of(prev))
            } else {
                let hint = "the record before this one is gone or was replaced: restore it";
                Finding::blocking(FindingKind::LedgerBrokenChain, hint)
                    .differs(digest_of(branch.tip), digest_of(prev))
            };
            branch.gaps += 1;
            branch.tip = prev;
            self.findings.push(finding.at(key));
            self.advance();
            tears += 1;
            if tears == BOUND {
                self.ruin();
                self.waiting.clear();
            }
        }
    }

    /// The earliest waiting link up to `day` that follows no waiting link.
    fn torn(&self, day: u32) -> Option<(Name, Box<str>)> {
        let all = || self.waiting.values().flatten();
        if !all().any(|waiting| waiting.day <= day) {
            return None;
        }
        let names: HashSet<Name> = all().map(|waiting| waiting.link.name).collect();
        all()
            .filter(|waiting| waiting.day <= day && !names.contains(&waiting.link.prev))
            .map(|waiting| &waiting.link)
            .min_by_key(|link| (link.at, link.key.clone()))
            .map(|link| (link.prev, link.key.clone()))
    }

    fn ruin(&mut self) {
        if !self.ruined {
            self.ruined = true;
            let hint = format!("the ledger forks or is torn more than {BOUND} times: restore it");
            self.findings.push(Finding::blocking(FindingKind::LedgerBrokenChain, hint));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::canonical::ledger::record::GENESIS;

    fn name(at: usize) -> Name {
        *blake3::hash(&at.to_le_bytes()).as_bytes()
    }

    fn links(count: usize) -> Vec<Link> {
        let prev = |at: usize| if at == 0 { GENESIS } else { name(at - 1) };
        let link = |at| Link {
            name: name(at),
            prev: prev(at),
            at: at.try_into().unwrap(),
            key: format!("{at:04}").into(),
            supersedes: Vec::new(),
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
        let mut chain = Chain::new(Vec::new());
        for folder in folders {
            chain.day(folder);
        }
        chain.finish()
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
