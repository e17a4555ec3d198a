use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::branch::{Beside, Branch, Tree, Way};
use super::record::{HEAD, Head, HeadRead, Name, digest_of};
use crate::digest::Digest;
use crate::model::{Finding, FindingKind};

/// The head that a snapshot's manifest holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AnchoredHead {
    /// The hash of the last record at the time.
    pub(crate) event_hash: Digest,
    /// How many records there were, where that is known.
    pub(crate) records: Option<u64>,
    /// When the snapshot was begun: a head that is younger and does not follow it left it.
    pub(crate) as_of: Option<DateTime<Utc>>,
}

impl AnchoredHead {
    pub(super) fn name(&self) -> Name {
        *self.event_hash.as_bytes()
    }
}

/// Whether the head document should be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadDocument {
    /// A ledger with records has one.
    Expected,
    /// A restore writes it last, after this verification: until then none, a damaged one, and one
    /// that the snapshot's chain goes on from are no findings.
    YetToCome,
}

/// How the head document stands to the snapshot's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Standing {
    /// There is none, or no snapshot.
    Absent,
    /// It cannot be read.
    Damaged,
    /// The snapshot's chain is an unbroken continuation of it.
    Behind,
    /// It is the same.
    Same,
    /// It is an unbroken continuation of the snapshot's.
    Ahead,
    /// They are not of one chain.
    Apart,
}

/// What is known of the head's detached signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Signature {
    /// There is none.
    Absent,
    /// There is one, and nothing checks it.
    NotChecked,
}

/// What verification of the ledger came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LedgerReport {
    /// How many records lead to the end of the chain.
    pub(crate) records: u64,
    /// The head document.
    pub(crate) head: Option<Head>,
    /// How the head document stands to the snapshot's head.
    pub(crate) standing: Standing,
    /// What is wrong.
    pub(crate) findings: Vec<Finding>,
    /// How many checkpoints agree with the records.
    pub(crate) checkpoints: u64,
    /// The newest record that a checkpoint knows of, in the chain or lost.
    pub(crate) checkpointed: Option<Digest>,
    /// The newest record that a checkpoint knows of and that is lost.
    pub(crate) lost_head: Option<Digest>,
    /// What is known of the head's signature.
    pub(crate) signature: Signature,
}

/// What the end of the chain is judged by.
pub(super) struct Evidence<'a> {
    pub(super) tree: &'a Tree,
    pub(super) head: &'a HeadRead,
    /// Whether the head moved while the records were read: records behind it are growth.
    pub(super) moved: bool,
    pub(super) anchor: Option<&'a AnchoredHead>,
    pub(super) document: HeadDocument,
}

/// What the end of the chain came to.
pub(super) struct Judged {
    pub(super) records: u64,
    pub(super) standing: Standing,
    pub(super) findings: Vec<Finding>,
    /// The snapshot's head, if a restore is on its way and the chain ends there.
    pub(super) anchored_tip: Option<Name>,
    /// The keys of records that a writer may be about to move the head to, or to supersede.
    pub(super) open: Vec<String>,
}

/// Holds the end of the chain against the head and the snapshot's head.
pub(super) fn judge(evidence: &Evidence<'_>) -> Judged {
    let tree = evidence.tree;
    let main = evidence.main();
    let way = tree.way_to(main);
    let end = End::new(evidence, &way, &tree.branches[main]);
    let (mut findings, mut open) = (Vec::new(), Vec::new());
    for beside in tree.beside(&way).filter(|beside| !end.is_growth(beside)) {
        if beside.lone {
            open.push(beside.branch.key());
        }
        findings.push(end.fork(&beside));
    }
    if end.follow() == Some(1) {
        open.push(end.branch.key());
    }
    findings.extend(end.against_head());
    findings.extend(end.against_anchor());
    let restored =
        evidence.document == HeadDocument::YetToCome && end.anchor == Some(end.branch.end);
    Judged {
        records: end.branch.end,
        standing: end.standing(),
        findings,
        anchored_tip: evidence.anchor.filter(|_| restored).map(AnchoredHead::name),
        open,
    }
}

impl Evidence<'_> {
    /// The branch that the head names, else the longest. A restore moves the head to the
    /// snapshot's if that goes on from it.
    fn main(&self) -> usize {
        let tree = self.tree;
        let named = self.head.head().and_then(|head| tree.holder(head.name()));
        if self.document == HeadDocument::Expected {
            return named.unwrap_or_else(|| tree.longest());
        }
        let anchored = self.anchor.and_then(|anchor| tree.holder(anchor.name()));
        match (named, anchored, self.head.head(), self.anchor) {
            (Some(named), Some(anchored), Some(head), Some(anchor)) => {
                let leads = tree.position(&tree.way_to(anchored), head.name()).is_some();
                let ahead = tree.position(&tree.way_to(named), anchor.name()).is_some();
                if leads && !ahead { anchored } else { named }
            }
            _ => named.or(anchored).unwrap_or_else(|| tree.longest()),
        }
    }
}

/// The end of the chain.
struct End<'a> {
    evidence: &'a Evidence<'a>,
    way: &'a Way,
    branch: &'a Branch,
    /// Where the head and the snapshot's head stand.
    head: Option<u64>,
    anchor: Option<u64>,
}

impl<'a> End<'a> {
    fn new(evidence: &'a Evidence<'a>, way: &'a Way, branch: &'a Branch) -> Self {
        let position = |name: Name| evidence.tree.position(way, name);
        let head = evidence.head.head().and_then(|head| position(head.name()));
        let anchor = evidence.anchor.and_then(|anchor| position(anchor.name()));
        Self { evidence, way, branch, head, anchor }
    }

    fn standing(&self) -> Standing {
        match (self.evidence.head, self.head, self.anchor) {
            (HeadRead::Absent, ..) => Standing::Absent,
            (HeadRead::Unreadable, ..) => Standing::Damaged,
            _ if self.evidence.anchor.is_none() => Standing::Absent,
            (HeadRead::Read(_), Some(head), Some(anchor)) if head < anchor => Standing::Behind,
            (HeadRead::Read(_), Some(head), Some(anchor)) if head == anchor => Standing::Same,
            (HeadRead::Read(_), Some(_), Some(_)) => Standing::Ahead,
            (HeadRead::Read(_), ..) => Standing::Apart,
        }
    }

    /// Where the head stands, or will once the restore is done.
    fn head_to_be(&self) -> Option<u64> {
        match self.evidence.document {
            HeadDocument::Expected => self.head,
            HeadDocument::YetToCome => self.head.max(self.anchor),
        }
    }

    /// How many records follow the head.
    fn follow(&self) -> Option<u64> {
        Some(self.branch.end - self.head_to_be()?)
    }

    /// What came behind the head since the walk began is not judged.
    fn is_growth(&self, beside: &Beside<'_>) -> bool {
        self.evidence.moved && self.head.is_some_and(|head| beside.from >= head)
    }

    fn is_whole(&self) -> bool {
        self.evidence.tree.gaps(self.way) == 0
    }

    fn fork(&self, beside: &Beside<'_>) -> Finding {
        // A writer that was killed before it moved the head leaves one record that nothing
        // follows. More than one means that the head once led there.
        let finding = if beside.lone {
            let hint = "a record beside the chain that nothing follows: a writer was killed \
                        here, or somebody tried to fork the ledger";
            Finding::warning(FindingKind::LedgerForked, hint)
        } else {
            let hint = "two records follow the same one and both were built upon: find out which \
                        history is the true one";
            Finding::blocking(FindingKind::LedgerForked, hint)
        };
        let (expected, actual) = (digest_of(self.branch.tip), digest_of(beside.branch.tip));
        finding.at(beside.branch.key()).differs(expected, actual)
    }

    fn against_head(&self) -> Option<Finding> {
        let (tip, moved) = (digest_of(self.branch.tip), self.evidence.moved);
        let to_come = self.evidence.document == HeadDocument::YetToCome;
        let head = match self.evidence.head {
            HeadRead::Absent if self.branch.end == 0 || moved => return None,
            HeadRead::Absent | HeadRead::Unreadable if to_come && self.anchor.is_some() => {
                return self.followed();
            }
            HeadRead::Absent if to_come => return None,
            HeadRead::Absent => {
                let hint = "the ledger has records and no head: restore the head from a snapshot";
                return Some(mismatch(hint).differs(tip, "no head document"));
            }
            HeadRead::Unreadable => {
                let hint = "the head document cannot be read: restore it from a snapshot";
                return Some(mismatch(hint).differs(tip, "not a head document"));
            }
            HeadRead::Read(head) => head,
        };
        let Some(position) = self.head else { return Some(self.without_head(head)) };
        if self.branch.end > position {
            return self.followed();
        }
        let counted = head.records.filter(|records| self.is_whole() && *records != position)?;
        let hint = "the head counts other records than the chain has";
        Some(mismatch(hint).differs(counted, position))
    }

    fn without_head(&self, head: &Head) -> Finding {
        let tip = digest_of(self.branch.tip);
        let cut = head.records.is_none_or(|records| records > self.branch.end);
        let finding = if cut {
            let hint = "the last records of the ledger are gone: restore them from a snapshot";
            Finding::blocking(FindingKind::LedgerCut, hint).at(HEAD)
        } else {
            mismatch("the head names a record that is not in the chain")
        };
        finding.differs(head.event_hash, tip)
    }

    /// Records that follow the head.
    fn followed(&self) -> Option<Finding> {
        let follow = self.follow().filter(|_| !self.evidence.moved)?;
        let head = match (self.evidence.head.head(), self.evidence.anchor) {
            (Some(head), _) => head.event_hash,
            (None, anchor) => anchor?.event_hash,
        };
        let finding = match follow {
            0 => return None,
            1 => {
                let hint = "one record follows the head: a writer is about to move the head, or was \
                            killed before it did";
                Finding::warning(FindingKind::LedgerHeadMismatch, hint).at(HEAD)
            }
            more => mismatch(&format!("{more} records follow the head: the head was put back")),
        };
        Some(finding.differs(digest_of(self.branch.tip), head))
    }

    fn against_anchor(&self) -> Option<Finding> {
        let anchor = self.evidence.anchor?;
        if let Some(position) = self.anchor {
            let hint = "the chain up to the snapshot's head has other records than it had then";
            let records = anchor.records.filter(|r| self.is_whole() && *r != position)?;
            let finding = Finding::blocking(FindingKind::LedgerForked, hint);
            return Some(finding.at(HEAD).differs(records, position));
        }
        let elsewhere = self.evidence.tree.holder(anchor.name()).is_some();
        let head = self.evidence.head.head();
        let shorter = match anchor.records {
            Some(records) => self.branch.end < records,
            None => head.and_then(Head::time).zip(anchor.as_of).is_none_or(|(at, of)| at <= of),
        };
        let finding = if shorter && !elsewhere {
            let hint = "the ledger ends before the snapshot's head: records are gone";
            Finding::blocking(FindingKind::LedgerCut, hint)
        } else {
            let hint = "the ledger left the snapshot's history: nothing may be written to it until \
                        somebody decides which one is true";
            Finding::blocking(FindingKind::LedgerForked, hint)
        };
        Some(finding.at(HEAD).differs(anchor.event_hash, digest_of(self.branch.tip)))
    }
}

fn mismatch(hint: &str) -> Finding {
    Finding::blocking(FindingKind::LedgerHeadMismatch, hint).at(HEAD)
}
