use std::collections::BTreeSet;

use futures::TryStreamExt;

use crate::canonical::backup::BackupStore;
use crate::canonical::cursor::Cursor;
use crate::canonical::layout::{CHECKPOINTS, HEADS, RECORDS, part_of, version_of};
use crate::canonical::verify::Verify;
use crate::canonical::{CanonicalStores, Filter, Manifest, ShardRef};
use crate::model::{Failure, Finding, FindingKind};
use crate::store::Walked;

/// Names what is there and not in the snapshot. It warns, since after a partial loss every later
/// object is extra; inside a version that the snapshot lists it blocks that version. What a
/// ledger grew by is no finding. Nothing is ever deleted.
pub(crate) async fn extra_objects(
    stores: &CanonicalStores,
    backup: &BackupStore,
    manifest: &Manifest,
    filter: &Filter,
) -> Result<Vec<Finding>, Failure> {
    let shards = manifest.shards.iter().filter(|shard| filter.may_hold(shard));
    let listed: BTreeSet<&str> = shards.clone().map(|shard| shard.prefix.as_str()).collect();
    let mut cursor = Cursor::new(backup, shards.cloned());
    let mut walk = stores.walk(&filter.zones);
    let (mut findings, mut passed) = (Vec::new(), Vec::new());
    while let Some(walked) = walk.try_next().await? {
        let name = walked.name();
        if !filter.holds(name) {
            continue;
        }
        let known = cursor.at(name, &mut passed).await?.is_some();
        // Those that the walk did not meet are missing, which the shards' own check names.
        passed.clear();
        let grown = [HEADS, RECORDS, CHECKPOINTS].iter().any(|folder| name.starts_with(folder));
        if !known && !grown {
            findings.push(extra(&walked, &listed));
        }
    }
    Ok(findings)
}

impl Verify<'_> {
    /// Names what lies in a version's folder beside what the shards of that folder list; of other
    /// folders nothing is said.
    pub(crate) async fn extra_in_version(
        &self,
        shards: &[&ShardRef],
    ) -> Result<Vec<Finding>, Failure> {
        let Some(prefix) = shards.first().map(|shard| shard.prefix.as_str()) else {
            return Ok(Vec::new());
        };
        if version_of(&format!("{prefix}x")).is_none() {
            return Ok(Vec::new());
        }
        let mut cursor = Cursor::new(self.backup, shards.iter().map(|shard| (*shard).clone()));
        let mut walk = self.stores.of_key(prefix).walk(prefix);
        let (mut findings, mut passed) = (Vec::new(), Vec::new());
        while let Some(walked) = walk.try_next().await? {
            if cursor.at(walked.name(), &mut passed).await?.is_none() {
                findings.push(extra(&walked, &[prefix].into()));
            }
            passed.clear();
        }
        Ok(findings)
    }
}

fn extra(walked: &Walked, listed: &BTreeSet<&str>) -> Finding {
    let name = walked.name();
    let version = version_of(name).map(|(_, version)| version);
    let inside = version.is_some() && listed.contains(part_of(name));
    let (kind, actual) = match walked {
        Walked::Object(meta) => (FindingKind::Extra, format!("{} bytes", meta.size)),
        Walked::Unreadable { why, .. } => (FindingKind::Unreadable, why.clone()),
    };
    let finding = if inside {
        let hint = "a version never changes; find out who wrote it, then move it away by hand";
        Finding::blocking(kind, hint)
    } else {
        Finding::warning(kind, "it is not in the snapshot; it is left where it is")
    };
    finding.at(name).of_version(version.as_ref()).differs("nothing", actual)
}
