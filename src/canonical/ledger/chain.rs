use std::collections::{HashMap, HashSet};

use super::branch::Branch;
use super::record::{GENESIS, Link, Name, digest_of};
use crate::model::{Finding, FindingKind};

/// So many branches and tears are followed; past them the ledger is a ruin and one finding says
/// so.
const BOUND: usize = 64;

struct Waiting {
    link: Link,
    day: u32,
}

/// The chain as it is followed day by day. Only links of the last two days are in memory: a record
/// may stand in the folder of the day after the one that follows it, not further away.
pub(super) struct Chain {
    branches: Vec<Branch>,
    /// Links that nothing leads to yet, by the record before them.
    waiting: HashMap<Name, Vec<Waiting>>,
    /// Records of the last two days that were passed: day and position.
    passed: HashMap<Name, (u32, u64)>,
    day: u32,
    sought: Vec<Name>,
    superseded: HashSet<Name>,
    findings: Vec<Finding>,
    ruined: bool,
}

impl Chain {
    /// Starts before the first record; remembers where the `sought` records stand.
    pub(super) fn new(sought: Vec<Name>) -> Self {
        Self {
            branches: vec![Branch::start(GENESIS)],
            waiting: HashMap::new(),
            passed: HashMap::new(),
            day: 0,
            sought,
            superseded: HashSet::new(),
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
        self.passed.retain(|_, (day, _)| *day >= keep);
    }

    /// Ends the chain: its branches, the longest first, and what was found on the way. A branch of
    /// one record that lost the race for the head, and that a record in the chain says so of, is
    /// left out.
    pub(super) fn finish(mut self) -> (Vec<Branch>, Vec<Finding>) {
        self.mend(self.day);
        let lost = |branch: &Branch| {
            branch.own == 1 && branch.left_at.is_some() && self.superseded.contains(&branch.tip)
        };
        self.branches.retain(|branch| !lost(branch));
        self.branches.sort_by_key(|branch| std::cmp::Reverse(branch.records));
        (self.branches, self.findings)
    }

    fn take(&mut self, link: Link) {
        let same = |waiting: &Vec<Waiting>| waiting.iter().any(|w| w.link.name == link.name);
        if self.passed.contains_key(&link.name) || self.waiting.get(&link.prev).is_some_and(same) {
            return;
        }
        self.superseded.extend(link.supersedes.iter().copied());
        if let Some(&(_, position)) = self.passed.get(&link.prev)
            && !self.branches.iter().any(|branch| branch.tip == link.prev)
        {
            self.fork(link.prev, position, &link.key);
        }
        self.waiting.entry(link.prev).or_default().push(Waiting { link, day: self.day });
    }

    fn fork(&mut self, tip: Name, position: u64, key: &str) {
        if self.branches.len() >= BOUND {
            self.ruin();
            return;
        }
        // The longest branch passed here, whichever others did.
        if let Some(branch) = self.branches.iter().max_by_key(|branch| branch.records) {
            let branch = branch.fork(tip, position, key);
            self.branches.push(branch);
        }
    }

    /// Follows every branch as far as the links in memory lead.
    fn advance(&mut self) {
        let mut at = 0;
        while at < self.branches.len() {
            while let Some(mut next) = self.waiting.remove(&self.branches[at].tip) {
                next.sort_by(|a, b| (a.link.at, &a.link.key).cmp(&(b.link.at, &b.link.key)));
                let mut next = next.into_iter();
                let Some(first) = next.next() else { break };
                let (tip, position) = (self.branches[at].tip, self.branches[at].records);
                for other in next {
                    if self.branches.len() >= BOUND {
                        self.ruin();
                        break;
                    }
                    let mut branch = self.branches[at].fork(tip, position, &other.link.key);
                    branch.step(other.link.name, &self.sought);
                    self.passed.insert(other.link.name, (self.day, branch.records));
                    self.branches.push(branch);
                }
                let branch = &mut self.branches[at];
                branch.step(first.link.name, &self.sought);
                self.passed.insert(first.link.name, (self.day, branch.records));
            }
            at += 1;
        }
    }

    /// Takes up the chain again behind a record that is gone, for links up to `day`.
    fn mend(&mut self, day: u32) {
        let mut tears = 0;
        while let Some((prev, key)) = self.torn(day) {
            let Some(branch) = self.branches.iter_mut().max_by_key(|branch| branch.records) else {
                return;
            };
            let finding = if branch.records == 0 {
                let hint = "the ledger's first records are gone: restore them from a snapshot";
                Finding::blocking(FindingKind::LedgerCut, hint)
                    .differs("a first record", digest_of(prev))
            } else {
                let hint = "the record before this one is gone or was replaced: restore it";
                Finding::blocking(FindingKind::LedgerBrokenChain, hint)
                    .differs(digest_of(branch.tip), digest_of(prev))
            };
            self.findings.push(finding.at(key));
            branch.gaps += 1;
            branch.tip = prev;
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
