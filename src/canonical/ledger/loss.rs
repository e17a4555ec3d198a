use std::collections::HashSet;

use super::record::{Name, digest_of};
use super::watch::Loss;
use crate::model::{Finding, FindingKind};

/// Which records may be gone.
pub(super) struct Excuse<'a> {
    /// The snapshot's head, where a restore has brought the chain back to exactly that: what came
    /// later is lost for good.
    pub(super) follows: Option<Name>,
    /// The last records of losses that the ledger itself tells of.
    pub(super) acknowledged: &'a HashSet<Name>,
}

/// Judges what checkpoints know and the chain has no more, by day. A loss blocks, unless a restore
/// is about to put it on record, or has.
pub(super) fn judge_losses(losses: &[Loss], excuse: &Excuse<'_>) -> Vec<Finding> {
    let after = after_the_snapshot(losses, excuse.follows);
    let told = on_record(losses, excuse.acknowledged);
    losses.iter().zip(after.into_iter().zip(told)).map(|(loss, why)| finding(loss, why)).collect()
}

/// Losses that go on from the snapshot's head without a gap.
fn after_the_snapshot(losses: &[Loss], mut follows: Option<Name>) -> Vec<bool> {
    let one = |loss: &Loss| {
        let after = follows.is_some() && loss.is_tail && loss.before == follows;
        if after {
            follows = Some(loss.last);
        }
        after
    };
    losses.iter().map(one).collect()
}

/// Losses up to a record that a restore has named.
fn on_record(losses: &[Loss], acknowledged: &HashSet<Name>) -> Vec<bool> {
    let mut told = vec![false; losses.len()];
    let mut next: Option<Name> = None;
    for (at, loss) in losses.iter().enumerate().rev() {
        told[at] = loss.is_tail && (acknowledged.contains(&loss.last) || next == Some(loss.last));
        next = told[at].then_some(loss.before).flatten();
    }
    told
}

fn finding(loss: &Loss, (after, told): (bool, bool)) -> Finding {
    let Loss { gone, known, is_tail, .. } = loss;
    let kind = match (gone == known, is_tail) {
        (true, _) => FindingKind::LedgerDayMissing,
        (false, true) => FindingKind::LedgerCut,
        (false, false) => FindingKind::LedgerCheckpointMismatch,
    };
    let what = format!("{gone} of the {known} records that the day's checkpoint knows are gone");
    let finding = if told {
        let hint = format!(
            "{what}: a restore has put the loss on record; keep the checkpoint with \
                            that record's evidence"
        );
        Finding::warning(kind, hint)
    } else if after {
        let hint = format!(
            "{what}: they came after the snapshot; the run's ledger record names \
                            the last of them"
        );
        Finding::warning(kind, hint)
    } else {
        Finding::blocking(kind, format!("{what}: restore them from a snapshot"))
    };
    finding.at(&*loss.key).differs(digest_of(loss.first), "no such record")
}
