use std::collections::{HashMap, VecDeque};

use super::checkpoint::Checkpoint;
use super::record::{Name, digest_of};
use crate::model::{Finding, FindingKind};

/// Records that a checkpoint knows and that are not where they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loss {
    /// The checkpoint's key.
    pub(super) key: String,
    /// How many, of how many.
    pub(super) gone: u64,
    pub(super) known: u64,
    /// The first and the last of them.
    pub(super) first: Name,
    pub(super) last: Name,
    /// The record before the first of them, where the checkpoint tells.
    pub(super) before: Option<Name>,
    /// Whether all are gone from one record on.
    pub(super) is_tail: bool,
}

/// The checkpoints of the days in memory, held against the records that the chain passes.
#[derive(Debug, Default)]
pub(super) struct Watch {
    open: VecDeque<Watched>,
    pub(super) losses: Vec<Loss>,
    pub(super) findings: Vec<Finding>,
    /// How many checkpoints agree with the records.
    pub(super) agreeing: u64,
    /// The newest record that a checkpoint knows.
    pub(super) newest: Option<Name>,
}

#[derive(Debug)]
struct Watched {
    checkpoint: Checkpoint,
    seen: Vec<bool>,
    /// The last line that was passed, by branch.
    lines: HashMap<usize, u32>,
    /// Whether there is a finding of it.
    found: bool,
}

impl Watch {
    /// Holds a checkpoint against the records that come from now on.
    pub(super) fn open(&mut self, checkpoint: Checkpoint, findings: Vec<Finding>) {
        self.newest = checkpoint.last().or(self.newest);
        let seen = vec![false; checkpoint.lines.len()];
        let found = !findings.is_empty();
        self.findings.extend(findings);
        self.open.push_back(Watched { checkpoint, seen, lines: HashMap::new(), found });
    }

    /// Takes note that a record is there, and which one it follows.
    pub(super) fn met(&mut self, name: Name, prev: Name) {
        for watched in &mut self.open {
            let Some(&line) = watched.checkpoint.lines.get(&name) else { continue };
            let first = !std::mem::replace(&mut watched.seen[line as usize], true);
            let before = watched.checkpoint.before.filter(|before| *before != prev);
            if let (0, true, Some(before)) = (line, first, before) {
                let hint = "the checkpoint follows another record than its first one does";
                let finding = mismatch(&watched.checkpoint.key, hint);
                self.findings.push(finding.differs(digest_of(prev), digest_of(before)));
                watched.found = true;
            }
        }
    }

    /// Takes note that the chain passed a record on a branch.
    pub(super) fn passed(&mut self, name: Name, branch: usize) {
        for watched in &mut self.open {
            let Some(&line) = watched.checkpoint.lines.get(&name) else { continue };
            let former = watched.lines.insert(branch, line);
            if former.is_some_and(|former| former > line) && !watched.found {
                let hint = "the checkpoint has its records in another order than the chain";
                let finding = mismatch(&watched.checkpoint.key, hint).differs(
                    digest_of(name),
                    format!("the record at line {} of the checkpoint", line + 1),
                );
                self.findings.push(finding);
                watched.found = true;
            }
        }
    }

    /// Closes all checkpoints but those of the last `keep` days that were opened.
    pub(super) fn close(&mut self, keep: usize) {
        while self.open.len() > keep {
            let Some(watched) = self.open.pop_front() else { return };
            let loss = watched.loss();
            self.agreeing += u64::from(loss.is_none() && !watched.found);
            self.losses.extend(loss);
        }
    }
}

impl Watched {
    fn loss(&self) -> Option<Loss> {
        let first = self.seen.iter().position(|seen| !seen)?;
        let last = self.seen.iter().rposition(|seen| !seen)?;
        let gone = self.seen.iter().filter(|seen| !**seen).count();
        let name = |at: usize| {
            let mut lines = self.checkpoint.lines.iter();
            lines.find(|(_, line)| **line as usize == at).map(|(name, _)| *name)
        };
        let before = match first.checked_sub(1) {
            Some(at) => name(at),
            None => self.checkpoint.before,
        };
        Some(Loss {
            key: self.checkpoint.key.clone(),
            gone: gone as u64,
            known: self.seen.len() as u64,
            first: name(first)?,
            last: name(last)?,
            before,
            is_tail: gone == self.seen.len() - first,
        })
    }
}

pub(super) fn mismatch(key: &str, hint: &str) -> Finding {
    let hint = format!("{hint}: restore the checkpoint from a snapshot");
    Finding::blocking(FindingKind::LedgerCheckpointMismatch, hint).at(key)
}
