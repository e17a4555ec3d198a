//! Gathers entries into shards, and findings into one list.

use std::collections::{BTreeMap, BTreeSet};

use super::gathered::{Gathered, MOST};
use crate::canonical::backup::{BackupError, BackupStore};
use crate::canonical::layout::{is_mutable, part_of};
use crate::canonical::manifest::{ShardRef, State};
use crate::canonical::shard::{Entry, LONGEST};
use crate::canonical::{Withdrawals, withdrawals};
use crate::model::{Finding, FindingKind, Zone};

/// What a walk has come to so far.
pub(super) struct Collector {
    to: BackupStore,
    open: BTreeMap<String, Vec<Entry>>,
    unknown: BTreeSet<String>,
    pub(super) shards: Vec<ShardRef>,
    pub(super) findings: Gathered,
    pub(super) objects_copied: u64,
    pub(super) bytes_copied: u64,
    pub(super) objects_reused: u64,
}

impl Collector {
    pub(super) fn new(to: BackupStore) -> Self {
        Self {
            to,
            open: BTreeMap::new(),
            unknown: BTreeSet::new(),
            shards: Vec::new(),
            findings: Gathered::new(MOST),
            objects_copied: 0,
            bytes_copied: 0,
            objects_reused: 0,
        }
    }

    /// Takes the next entry, and what was written for it.
    pub(super) async fn add(
        &mut self,
        entry: Entry,
        former: Option<&Entry>,
        written: Option<u64>,
    ) -> Result<(), BackupError> {
        match written {
            Some(bytes) if bytes > 0 => {
                self.objects_copied += 1;
                self.bytes_copied += bytes;
            }
            _ => self.objects_reused += 1,
        }
        self.findings.extend(former.and_then(|former| changed(former, &entry)));
        if entry.zone == Zone::Other {
            let top = entry.key.split('/').next().unwrap_or_default();
            if self.unknown.insert(top.to_owned()) {
                let hint = "it belongs to no zone; it is copied, and nothing else knows of it";
                self.findings.push(Finding::warning(FindingKind::UnknownZone, hint).at(top));
            }
        }
        // Whatever the walk has left behind is complete.
        let left: Vec<String> =
            self.open.keys().filter(|prefix| !entry.key.starts_with(*prefix)).cloned().collect();
        for prefix in left {
            self.cut(&prefix).await?;
        }
        let prefix = part_of(&entry.key).to_owned();
        let open = self.open.entry(prefix.clone()).or_default();
        open.push(entry);
        if open.len() >= LONGEST {
            self.cut(&prefix).await?;
        }
        Ok(())
    }

    async fn cut(&mut self, prefix: &str) -> Result<(), BackupError> {
        if let Some(entries) = self.open.remove(prefix) {
            let (shard, _) = self.to.put_shard(prefix, entries).await?;
            self.shards.push(shard);
        }
        Ok(())
    }

    /// Cuts what is still open.
    pub(super) async fn finish(&mut self) -> Result<(), BackupError> {
        while let Some(prefix) = self.open.keys().next().cloned() {
            self.cut(&prefix).await?;
        }
        Ok(())
    }

    /// What could not be read, or had changed or gone and may not, makes it suspect.
    pub(super) fn state(&self) -> State {
        if self.findings.blocks() { State::Suspect } else { State::Clean }
    }

    /// Names what the former snapshot had and the walk did not meet, where that may not be. What
    /// was erased on purpose only warns.
    pub(super) fn gone(&mut self, entries: &[Entry], erased: &Withdrawals) {
        let gone = entries.iter().filter(|entry| !is_mutable(&entry.key)).map(|entry| {
            if erased.erases(&entry.key) {
                return withdrawals::gone(&entry.key, entry.dataset_version_id.as_ref(), true);
            }
            let hint = "it was in the former clean snapshot; restore it from there, or find out \
                        who took it away";
            Finding::blocking(FindingKind::Missing, hint)
                .at(&entry.key)
                .of_version(entry.dataset_version_id.as_ref())
                .differs(entry.digest, "nothing")
        });
        self.findings.extend(gone);
    }
}

fn changed(former: &Entry, now: &Entry) -> Option<Finding> {
    if former.digest == now.digest || is_mutable(&now.key) {
        return None;
    }
    let kind = match now.size.cmp(&former.size) {
        std::cmp::Ordering::Less => FindingKind::Truncated,
        std::cmp::Ordering::Equal => FindingKind::Altered,
        std::cmp::Ordering::Greater => FindingKind::Grown,
    };
    let hint = "it may never change, and differs from the former clean snapshot; compare the two";
    let finding = Finding::blocking(kind, hint).at(&now.key);
    let finding = finding.of_version(now.dataset_version_id.as_ref());
    Some(finding.differs(former.digest, now.digest))
}
