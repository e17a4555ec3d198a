use serde::{Deserialize, Serialize};

use super::branch::{Beside, Branch, Tree, Way};
use super::record::{HEAD, Head, digest_of};
use crate::digest::Digest;
use crate::model::{Finding, FindingKind};

/// The head that a snapshot's manifest holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AnchoredHead {
    /// The hash of the last record at the time.
    pub(crate) event_hash: Digest,
    /// How many records there were.
    pub(crate) records: Option<u64>,
}

/// Whether the head document should be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadDocument {
    /// A ledger with records has one.
    Expected,
    /// A restore writes it last, after this verification; until then none is no finding.
    YetToCome,
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
    /// What is wrong.
    pub(crate) findings: Vec<Finding>,
    /// How many checkpoints agree with the records.
    pub(crate) checkpoints: u64,
    /// The newest record that a checkpoint knows of, in the chain or lost.
    pub(crate) checkpointed: Option<Digest>,
    /// What is known of the head's signature.
    pub(crate) signature: Signature,
}

/// How the head document was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HeadRead {
    Absent,
    Unreadable,
    Read(Head),
}

impl HeadRead {
    pub(super) fn head(&self) -> Option<&Head> {
        match self {
            Self::Read(head) => Some(head),
            _ => None,
        }
    }
}

/// Holds the end of the chain against the head and the snapshot's head; gives the number of
/// records too. When the head moved while the records were read, records behind it are growth.
pub(super) fn judge(
    tree: &Tree,
    head: &HeadRead,
    moved: bool,
    anchor: Option<&AnchoredHead>,
) -> (u64, Vec<Finding>) {
    let named = head.head().and_then(|head| tree.holder(head.name()));
    let main = named.unwrap_or_else(|| tree.longest());
    let way = tree.way_to(main);
    let end = End { tree, way: &way, branch: &tree.branches[main] };
    let mut findings: Vec<Finding> = tree.beside(&way).map(|beside| end.fork(&beside)).collect();
    findings.extend(end.against_head(head, moved));
    findings.extend(anchor.and_then(|anchor| end.against_anchor(anchor)));
    (end.branch.end, findings)
}

/// The end of the chain: the branch that the head names, else the longest.
struct End<'a> {
    tree: &'a Tree,
    way: &'a Way,
    branch: &'a Branch,
}

impl End<'_> {
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
        finding.at(&*beside.branch.key).differs(expected, actual)
    }

    fn against_head(&self, head: &HeadRead, moved: bool) -> Option<Finding> {
        let mismatch =
            |hint: &str| Finding::blocking(FindingKind::LedgerHeadMismatch, hint).at(HEAD);
        let tip = digest_of(self.branch.tip);
        let head = match head {
            HeadRead::Absent if self.branch.end == 0 || moved => return None,
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
        let Some(position) = self.tree.position(self.way, head.name()) else {
            let cut = head.records.is_none_or(|records| records > self.branch.end);
            let finding = if cut {
                let hint = "the last records of the ledger are gone: restore them from a snapshot";
                Finding::blocking(FindingKind::LedgerCut, hint).at(HEAD)
            } else {
                mismatch("the head names a record that is not in the chain")
            };
            return Some(finding.differs(head.event_hash, tip));
        };
        match self.branch.end - position {
            0 => head
                .records
                .filter(|records| self.tree.gaps(self.way) == 0 && *records != position)
                .map(|records| {
                    mismatch("the head counts other records than the chain has")
                        .differs(records, position)
                }),
            _ if moved => None,
            1 => {
                let hint = "one record follows the head: a writer is about to move the head, or was \
                        killed before it did";
                let finding = Finding::warning(FindingKind::LedgerHeadMismatch, hint).at(HEAD);
                Some(finding.differs(tip, head.event_hash))
            }
            more => {
                let hint = format!("{more} records follow the head: the head was put back");
                Some(mismatch(&hint).differs(tip, head.event_hash))
            }
        }
    }

    fn against_anchor(&self, anchor: &AnchoredHead) -> Option<Finding> {
        let name = *anchor.event_hash.as_bytes();
        if let Some(position) = self.tree.position(self.way, name) {
            let hint = "the chain up to the snapshot's head has other records than it had then";
            return anchor
                .records
                .filter(|records| self.tree.gaps(self.way) == 0 && *records != position)
                .map(|records| {
                    Finding::blocking(FindingKind::LedgerForked, hint).differs(records, position)
                });
        }
        let elsewhere = self.tree.holder(name).is_some();
        let shorter = anchor.records.is_none_or(|records| self.branch.end < records);
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
