use std::collections::BTreeMap;

use crate::model::{Finding, FindingKind};

/// So many findings are kept of one snapshot: some 60 MB of memory.
pub(super) const MOST: usize = 100_000;

/// Findings as they come, in bounded memory: of more than are kept, how many of each kind.
#[derive(Debug)]
pub(super) struct Gathered {
    kept: Vec<Finding>,
    most: usize,
    /// Kind, and whether they block.
    more: BTreeMap<(FindingKind, bool), u64>,
}

impl Gathered {
    pub(super) fn new(most: usize) -> Self {
        Self { kept: Vec::new(), most, more: BTreeMap::new() }
    }

    pub(super) fn push(&mut self, finding: Finding) {
        if self.kept.len() < self.most {
            self.kept.push(finding);
        } else {
            *self.more.entry((finding.kind, finding.blocks())).or_default() += 1;
        }
    }

    /// Those that are kept.
    pub(super) fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// Whether any of them blocks.
    pub(super) fn blocks(&self) -> bool {
        self.kept.iter().any(Finding::blocks) || self.more.keys().any(|(_, blocks)| *blocks)
    }

    /// All that are kept, and one more for each kind of which there are others: it has no key.
    pub(super) fn finish(self) -> Vec<Finding> {
        let more = self.more.into_iter().map(|((kind, blocks), count)| {
            let s = if count == 1 { "" } else { "s" };
            let hint = format!(
                "{count} more finding{s} of this kind were not kept: put right what is listed, then \
                 seal again"
            );
            if blocks { Finding::blocking(kind, hint) } else { Finding::warning(kind, hint) }
        });
        self.kept.into_iter().chain(more).collect()
    }
}

impl Extend<Finding> for Gathered {
    fn extend<I: IntoIterator<Item = Finding>>(&mut self, findings: I) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted_by_kind_and_still_blocks() {
        let mut gathered = Gathered::new(2);
        gathered.push(Finding::warning(FindingKind::Extra, "h").at("a"));
        gathered.extend([Finding::warning(FindingKind::Extra, "h").at("b")]);
        assert!(!gathered.blocks());
        gathered.push(Finding::warning(FindingKind::Extra, "h").at("c"));
        for key in ["d", "e"] {
            gathered.push(Finding::blocking(FindingKind::Altered, "h").at(key));
        }
        assert!(gathered.blocks());
        let all = gathered.finish();
        let said: Vec<_> = all.iter().map(|f| (f.kind, f.blocks(), f.key.as_deref())).collect();
        let (extra, altered) = (FindingKind::Extra, FindingKind::Altered);
        assert_eq!(
            said,
            [
                (extra, false, Some("a")),
                (extra, false, Some("b")),
                (extra, false, None),
                (altered, true, None),
            ]
        );
        assert!(all[3].hint.starts_with("2 more findings"), "{}", all[3].hint);
    }
}
