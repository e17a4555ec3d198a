//! Resolve: all the reading that happens before compiling, pinned as facts.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use futures::TryStreamExt;

use super::editions;
use super::request::Request;
use super::scope::{NotCovered, narrow};
use super::targets::Database;
use super::withdrawn;
use super::world::World;
use crate::canonical::catalog;
use crate::canonical::{
    Accepts, BackupStore, Choice, Filter, Manifest, SnapshotContent, Withdrawals, content_digest,
    sealed_embargo, snapshot_content,
};
use crate::digest::Digest;
use crate::model::hint::nearest;
use crate::model::{Code, DatasetVersionId, Failure, PolicyLabel, RunMode, Zone};
use crate::plan::{Environment, Facts, Part, SnapshotFacts, VersionFacts, ZoneFacts};
use crate::postgres;
use crate::projection::{command, graph, postgis, search, tiles};
use crate::store::{Store, Walked};

/// A catalog document larger than this is none.
const DOCUMENT_LIMIT: u64 = 64 << 20;

/// Finds out what a plan is compiled with; writes nothing.
pub(super) async fn facts(
    world: &World,
    request: &Request,
) -> Result<(Facts, NotCovered), Failure> {
    let mut not_covered = NotCovered::new();
    let mut facts = Facts {
        environment: request.env.clone(),
        snapshot: None,
        versions: Vec::new(),
        policy_date: request.plan.plan.spec.policy_date.unwrap_or_else(Utc::now),
        server: server(world).await?,
        builders: builders(),
        live: BTreeMap::new(),
        ledger_in_place: false,
        scope: scope(&request.filter),
        only: request.only.clone(),
        reprove: request.reprove,
        back_to: request.back_to,
        accept: Vec::new(),
        keep: request.keep,
        withdrawals: None,
        erased: Vec::new(),
        editions: BTreeMap::new(),
    };
    let withdrawals = world.withdrawals().await?;
    facts.withdrawals = withdrawn::facts(withdrawals);
    match request.mode {
        RunMode::Restore | RunMode::Rehearse => {
            let backup = world.backup()?;
            let (digest, manifest) = choose(backup, request, &world.setting.environment).await?;
            let content = snapshot_content(backup, &manifest, withdrawals).await?;
            known_datasets(&content, &request.filter)?;
            facts.snapshot = Some(snapshot(digest, &manifest, &content, &request.filter));
            facts.versions = sealed_versions(&content, &request.filter);
            embargoes(backup, &manifest, &mut facts.versions).await?;
            if facts.scope.is_some() {
                let has_ledger = manifest.ledger_head.is_some();
                not_covered = narrow(world, request, &content, has_ledger, &mut facts).await?;
            }
        }
        RunMode::Rebuild => {
            facts.versions = versions_in_place(world).await?;
            facts.live = editions::live(world, request).await?;
        }
        RunMode::Rollback => {
            // What went live under a label that is stricter now may not go live again.
            facts.versions = versions_in_place(world).await?;
            facts.live = editions::live(world, request).await?;
        }
    }
    let there = |version: &&DatasetVersionId| facts.versions.iter().any(|v| v.version == **version);
    facts.erased = withdrawals.erased_versions().filter(|v| !there(v)).cloned().collect();
    tighten(&mut facts, withdrawals)?;
    Ok((facts, not_covered))
}

/// Labels as they stand after the withdrawals: only ever stricter.
fn tighten(facts: &mut Facts, withdrawals: &Withdrawals) -> Result<(), Failure> {
    for held in &mut facts.versions {
        let counts = held.label(facts.policy_date);
        held.policy_label = withdrawals.tighten(&held.version, held.policy_label, counts)?;
    }
    Ok(())
}

/// The ends of embargoes, out of the catalogs that were sealed.
async fn embargoes(
    backup: &BackupStore,
    manifest: &Manifest,
    versions: &mut [VersionFacts],
) -> Result<(), Failure> {
    let embargoed = |held: &&mut VersionFacts| held.policy_label == Some(PolicyLabel::Embargoed);
    for held in versions.iter_mut().filter(embargoed) {
        held.embargo_until = sealed_embargo(backup, manifest, &held.dataset, &held.version).await?;
    }
    Ok(())
}

/// What a filter left in, in words; `None` is everything.
pub(super) fn scope(filter: &Filter) -> Option<String> {
    let zones = filter.zones.iter().map(|zone| format!("zone {zone}"));
    let datasets = filter.datasets.iter().map(|dataset| format!("dataset {dataset}"));
    let prefix = filter.prefix.iter().map(|prefix| format!("prefix {prefix}"));
    let parts: Vec<_> = zones.chain(datasets).chain(prefix).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The builder versions of this program.
fn builders() -> BTreeMap<String, u32> {
    [
        ("postgis", postgis::BUILDER),
        ("search", search::BUILDER),
        ("graph", graph::BUILDER),
        ("tiles", tiles::BUILDER),
        ("command", command::BUILDER),
    ]
    .map(|(kind, builder)| (kind.to_owned(), builder))
    .into()
}

/// The server that will run: of a private cluster what is installed, without starting it.
async fn server(world: &World) -> Result<String, Failure> {
    match &world.places.database {
        Database::Private { data, .. } => Ok(postgres::installed_identity(data)?),
        Database::Server { .. } => {
            Ok(postgres::server_identity(world.targets.pool().await?).await?)
        }
    }
}

/// Chooses the snapshot among those that the environment accepts.
pub(crate) async fn choose(
    backup: &BackupStore,
    request: &Request,
    environment: &Environment,
) -> Result<(Digest, Manifest), Failure> {
    let choice = match (&request.snapshot, request.as_of) {
        (Some(id), _) => Choice::Named(id.clone()),
        (None, Some(at)) => Choice::AsOf(at),
        (None, None) => Choice::NewestClean,
    };
    let chosen = backup.choose(&choice, &accepts(environment, &request.env)).await?;
    if request.snapshot.is_none() {
        refuse_damaged(backup).await?;
    }
    Ok(chosen)
}

/// A manifest that cannot be read may be the newest: an older snapshot is taken only by name.
async fn refuse_damaged(backup: &BackupStore) -> Result<(), Failure> {
    let damaged = backup.list().await?.damaged;
    if damaged.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{} manifests in {} are damaged, so the newest snapshot cannot be told",
        damaged.len(),
        backup.store().url()
    );
    Err(Failure::permanent(Code::SnapshotMissing, message)
        .hint("look at `coppice snapshots`, and name the one to recover from with --snapshot ID")
        .with_findings(damaged))
}

/// Whose snapshots an environment accepts: by default its own.
pub(crate) fn accepts(environment: &Environment, name: &str) -> Accepts {
    let listed = &environment.accepts_snapshots_from;
    let environments = if listed.is_empty() { vec![name.to_owned()] } else { listed.clone() };
    Accepts::Only { environments, unnamed: false }
}

fn snapshot(
    digest: Digest,
    manifest: &Manifest,
    content: &SnapshotContent,
    filter: &Filter,
) -> SnapshotFacts {
    let mut zones: BTreeMap<Zone, BTreeMap<Part, ZoneFacts>> = BTreeMap::new();
    for (zone, held) in &content.zones {
        for shard in held.shards.iter().filter(|shard| filter.may_hold(shard)) {
            let parts = zones.entry(*zone).or_default();
            let facts = parts.entry(part_of(*zone, &shard.prefix)).or_insert(ZoneFacts {
                objects: 0,
                bytes: 0,
                shards: 0,
            });
            facts.objects += shard.objects;
            facts.bytes += shard.bytes;
            facts.shards += 1;
        }
    }
    SnapshotFacts { digest, as_of: manifest.as_of, zones }
}

/// The part of a zone that a shard belongs to; no shard holds keys of two.
pub(super) fn part_of(zone: Zone, prefix: &str) -> Part {
    let parts: &[Part] = match zone {
        Zone::Catalog => &[Part::Releases, Part::Documents],
        Zone::Audit => &[Part::Head, Part::Records],
        _ => &[Part::All],
    };
    parts.iter().copied().find(|part| part.holds(prefix)).unwrap_or(Part::All)
}

/// A dataset that the snapshot does not know is a slip of the pen, not a small recovery.
fn known_datasets(content: &SnapshotContent, filter: &Filter) -> Result<(), Failure> {
    let shards = content.zones.values().flat_map(|zone| &zone.shards);
    let folders = shards.filter_map(|shard| shard.prefix.split('/').nth(1));
    let versions = content.versions.iter().map(|version| version.dataset.as_str());
    let known: BTreeSet<&str> = versions.chain(folders).filter(|name| !name.is_empty()).collect();
    match filter.datasets.iter().find(|name| !known.contains(name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let message = format!("the snapshot holds no dataset `{name}`");
            let nearest = nearest(name, known.iter().copied());
            let hint = nearest.map_or_else(
                || "`coppice verify` and the catalog tell which there are".to_owned(),
                |name| format!("did you mean `{name}`?"),
            );
            Err(Failure::permanent(Code::Usage, message).hint(hint))
        }
    }
}

fn sealed_versions(content: &SnapshotContent, filter: &Filter) -> Vec<VersionFacts> {
    let bytes = |dataset: &str, version: &str| {
        let prefix = format!("processed/{dataset}/{version}/");
        let shards = content.zones.get(&Zone::Processed).map(|zone| &zone.shards);
        let mine = shards.into_iter().flatten().filter(|shard| shard.prefix == prefix);
        mine.map(|shard| shard.bytes).sum()
    };
    let whole = |version: &&crate::canonical::VersionContent| {
        let (dataset, id) = (&version.dataset, &version.version);
        ["processed", "catalog"].iter().all(|zone| filter.holds(&format!("{zone}/{dataset}/{id}/")))
    };
    content
        .versions
        .iter()
        .filter(whole)
        .map(|version| VersionFacts {
            dataset: version.dataset.clone(),
            version: version.version.clone(),
            policy_label: version.policy_label,
            embargo_until: None,
            released: version.released,
            rows: None,
            bytes: bytes(&version.dataset, version.version.as_str()),
            artifacts: version.artifacts,
            catalog: version.catalog,
            withdrawn: version.withdrawn,
            in_place: false,
        })
        .collect()
}

/// What the canonical stores hold: by what the catalog and `checksums.json` say, and proven later.
pub(super) async fn versions_in_place(world: &World) -> Result<Vec<VersionFacts>, Failure> {
    let store = world.canonical.of_zone(Zone::Catalog);
    let withdrawals = world.withdrawals().await?;
    let mut facts = Vec::new();
    for known in catalog::versions(&world.canonical).await? {
        let (described, _, documents) =
            catalog::read_version(&world.canonical, &known.dataset, &known.version).await?;
        let Some(described) = described else { continue };
        let mut listed = documents.artifacts();
        listed.retain(|(key, ..)| !withdrawals.erases(key));
        facts.push(VersionFacts {
            artifacts: content_digest(listed.iter().map(|(key, digest, _)| (&**key, digest))),
            catalog: documents_digest(store, withdrawals, &known).await?,
            withdrawn: withdrawals.erases_version(&known.version),
            dataset: known.dataset,
            version: known.version,
            policy_label: described.policy_label,
            embargo_until: described.embargo_until,
            released: known.released,
            rows: described.rows,
            bytes: listed.iter().map(|(_, _, size)| size).sum(),
            in_place: false,
        });
    }
    Ok(facts)
}

async fn documents_digest(
    store: &Store,
    withdrawals: &Withdrawals,
    known: &catalog::Known,
) -> Result<Digest, Failure> {
    let mut walk = store.walk(&format!("catalog/{}/{}", known.dataset, known.version));
    let mut digests = Vec::new();
    while let Some(walked) = walk.try_next().await? {
        let Walked::Object(meta) = walked else { continue };
        if withdrawals.erases(&meta.key) {
            continue;
        }
        if let Some((bytes, meta)) = store.read(&meta.key, DOCUMENT_LIMIT).await? {
            digests.push((meta.key, Digest::blake3(&bytes)));
        }
    }
    digests.sort();
    Ok(content_digest(digests.iter().map(|(key, digest)| (&**key, digest))))
}

impl World {
    /// The backup store of the run.
    pub(super) fn backup(&self) -> Result<&BackupStore, Failure> {
        self.backup.as_ref().ok_or_else(|| {
            Failure::permanent(Code::Internal, "a rebuild or rollback has no backup store")
        })
    }
}
