use std::fmt::Write as _;

use super::steps::{After, Steps, ended, id, segment, succeeded};
use crate::digest::Digest;
use crate::model::{DatasetVersionId, Zone, size};
use crate::plan::{
    Facts, GateParams, Part, PlanSpec, RestoreObjectsParams, SnapshotFacts, StepKind,
    VerifyCatalogParams, VerifyLedgerParams, VerifyObjectsParams, VerifyVersionParams, When,
    ZoneFacts,
};

/// Bytes a second that a transfer is reckoned with: a modest disk, hashing included.
const TRANSFER_RATE: u64 = 100_000_000;

/// The zones whose objects come back without an order among them.
const FREE_ZONES: [Zone; 5] =
    [Zone::Raw, Zone::Work, Zone::Quarantine, Zone::Processed, Zone::Other];

/// The steps of a recovery up to the gates.
pub(super) fn recover(steps: &mut Steps, spec: &PlanSpec, facts: &Facts, from: &SnapshotFacts) {
    let snapshot = from.digest;
    for zone in FREE_ZONES {
        let Some(size) = from.part(zone, Part::All) else { continue };
        let after = vec![succeeded(&["fence"])];
        restore(
            steps,
            StepKind::RestoreObjects,
            &["restore", "objects", zone.name()],
            after,
            &Source { snapshot, zone, part: Part::All, size },
        );
    }
    for zone in FREE_ZONES {
        let Some(size) = from.part(zone, Part::All) else { continue };
        verify(
            steps,
            zone,
            &["restore", "objects", zone.name()],
            &Source { snapshot, zone, part: Part::All, size },
        );
    }
    // A version's catalog becomes visible after its artifacts are proven.
    if let Some(size) = from.part(Zone::Catalog, Part::Documents) {
        let source = Source { snapshot, zone: Zone::Catalog, part: Part::Documents, size };
        let after = vec![succeeded(&["fence"]), succeeded(&["verify", "objects", "processed"])];
        restore(steps, StepKind::RestoreObjects, &["restore", "catalog"], after, &source);
        verify(steps, Zone::Catalog, &["restore", "catalog"], &source);
    }
    // What a filtered restore leaves alone and a job reads is proven where it stands.
    for version in facts.versions.iter().filter(|version| version.in_place) {
        let mut after = vec![succeeded(&["fence"])];
        after.extend(steps.each(When::Ended, |step| step.kind == StepKind::RestoreObjects));
        verify_version(steps, &version.dataset, &version.version, Some(version.bytes), after);
    }
    catalogs(steps, facts, snapshot);
    if let Some(size) = from.part(Zone::Audit, Part::Records) {
        let source = Source { snapshot, zone: Zone::Audit, part: Part::Records, size };
        let after = vec![succeeded(&["fence"])];
        restore(steps, StepKind::RestoreLedger, &["restore", "ledger"], after, &source);
    }
    let in_scope = [Part::Records, Part::Head].iter().any(|p| from.part(Zone::Audit, *p).is_some());
    let ledger = facts.scope.is_none() || facts.ledger_in_place || in_scope;
    if ledger {
        verify_ledger(steps, spec, Some(snapshot));
    }

    let moved = steps.each(When::Ended, |step| {
        matches!(step.kind, StepKind::RestoreObjects | StepKind::VerifyObjects)
    });
    let after = [vec![succeeded(&["fence"])], moved].concat();
    gate(steps, &GateParams::Manifest, after, "every object is what the manifest says");
    if ledger {
        ledger_gate(steps);
    }
    for version in &facts.versions {
        let after = vec![
            succeeded(&["fence"]),
            ended(&["verify", "objects", "processed"]),
            ended(&["verify", "objects", "catalog"]),
            ended(&["verify", "version", &segment(&version.version)]),
            ended(&["verify", "catalog"]),
        ];
        intact_gate(steps, &version.dataset, &version.version, after);
    }
}

/// The catalogs are read once all that they speak of was moved and read.
fn catalogs(steps: &mut Steps, facts: &Facts, snapshot: Digest) {
    let mut after = vec![
        succeeded(&["fence"]),
        succeeded(&["verify", "objects", "catalog"]),
        ended(&["verify", "objects", "processed"]),
        ended(&["verify", "objects", "raw"]),
    ];
    after.extend(steps.each(When::Ended, |step| step.kind == StepKind::VerifyVersion));
    let every = facts.versions.iter().map(|v| (v.dataset.clone(), v.version.clone()));
    verify_catalog(steps, facts, every.collect(), Some(snapshot), after);
}

/// What becomes visible only after the gates: releases.
pub(super) fn publish(steps: &mut Steps, from: &SnapshotFacts) {
    let Some(size) = from.part(Zone::Catalog, Part::Releases) else { return };
    let source = Source { snapshot: from.digest, zone: Zone::Catalog, part: Part::Releases, size };
    let mut after = vec![succeeded(&["gate", "manifest"])];
    after.extend(
        steps.each(When::Ended, |step| step.id.as_str().starts_with("gate/canonical-intact/")),
    );
    restore(steps, StepKind::RestoreObjects, &["restore", "releases"], after, &source);
}

/// Says what the list of withdrawals came to. Versions have gates of their own; this one tells of
/// the rest.
pub(super) fn withdrawals(steps: &mut Steps, facts: &Facts) {
    let Some(list) = &facts.withdrawals else { return };
    let moved = steps.each(When::Ended, |step| {
        use StepKind::{RestoreObjects, VerifyObjects, VerifyVersion};
        matches!(step.kind, RestoreObjects | VerifyObjects | VerifyVersion)
    });
    let after = [vec![succeeded(&["fence"])], moved].concat();
    let params = GateParams::Withdrawals { entries: list.entries };
    gate(steps, &params, after, "nothing that was erased is left");
}

/// What becomes visible last: the ledger's head.
pub(super) fn head(steps: &mut Steps, from: &SnapshotFacts) {
    let Some(size) = from.part(Zone::Audit, Part::Head) else { return };
    let source = Source { snapshot: from.digest, zone: Zone::Audit, part: Part::Head, size };
    let after = vec![
        succeeded(&["verify", "ledger"]),
        succeeded(&["gate", "ledger"]),
        ended(&["restore", "releases"]),
    ];
    restore(steps, StepKind::RestoreLedger, &["restore", "ledger-head"], after, &source);
}

/// The steps that prove canonical data in place, up to the gates.
pub(super) fn prove_in_place(
    steps: &mut Steps,
    spec: &PlanSpec,
    facts: &Facts,
    versions: &[(String, DatasetVersionId)],
) {
    for (dataset, version) in versions {
        let held = facts.versions.iter().find(|v| &v.version == version);
        let after = vec![succeeded(&["fence"])];
        verify_version(steps, dataset, version, held.map(|v| v.bytes), after);
    }
    let mut after = vec![succeeded(&["fence"])];
    after.extend(steps.each(When::Ended, |step| step.kind == StepKind::VerifyVersion));
    verify_catalog(steps, facts, versions.to_vec(), None, after);
    verify_ledger(steps, spec, None);
    ledger_gate(steps);
    for (dataset, version) in versions {
        let after = vec![
            succeeded(&["fence"]),
            ended(&["verify", "version", &segment(version)]),
            ended(&["verify", "catalog"]),
        ];
        intact_gate(steps, dataset, version, after);
    }
}

/// What a restore takes out of the snapshot.
struct Source {
    snapshot: Digest,
    zone: Zone,
    part: Part,
    size: ZoneFacts,
}

fn restore(steps: &mut Steps, kind: StepKind, name: &[&str], after: After, source: &Source) {
    let Source { snapshot, zone, part, size } = *source;
    steps
        .add(id(name), kind, after)
        .params(&RestoreObjectsParams { snapshot, zone, part })
        .shards(size.shards)
        .action(format!("copy {}", amount(size)))
        .estimate(Some(1 + size.bytes / TRANSFER_RATE));
}

fn verify(steps: &mut Steps, zone: Zone, restored: &[&str], source: &Source) {
    let Source { snapshot, part, size, .. } = *source;
    steps
        .add(
            id(&["verify", "objects", zone.name()]),
            StepKind::VerifyObjects,
            vec![succeeded(restored)],
        )
        .params(&VerifyObjectsParams { snapshot, zone, part })
        .shards(size.shards)
        .action(format!("read {} back", amount(size)))
        .estimate(Some(1 + size.bytes / TRANSFER_RATE));
}

fn verify_version(
    steps: &mut Steps,
    dataset: &str,
    version: &DatasetVersionId,
    bytes: Option<u64>,
    after: After,
) {
    let params = VerifyVersionParams { dataset: dataset.to_owned(), version: version.clone() };
    steps
        .add(id(&["verify", "version", &segment(version)]), StepKind::VerifyVersion, after)
        .params(&params)
        .action(format!("hold {dataset} against its checksums"))
        .estimate(bytes.map(|bytes| 1 + bytes / TRANSFER_RATE));
}

fn verify_catalog(
    steps: &mut Steps,
    facts: &Facts,
    versions: Vec<(String, DatasetVersionId)>,
    snapshot: Option<Digest>,
    after: After,
) {
    let s = if versions.len() == 1 { "" } else { "s" };
    let mut words = format!("follow the catalogs of {} version{s}", versions.len());
    if !facts.accept.is_empty() {
        let names: Vec<_> = facts.accept.iter().map(ToString::to_string).collect();
        let _infallible = write!(words, ", letting pass {}", names.join(", "));
    }
    let accept = facts.accept.clone();
    steps
        .add(id(&["verify", "catalog"]), StepKind::VerifyCatalog, after)
        .params(&VerifyCatalogParams { snapshot, versions, accept })
        .action(words)
        .estimate(None);
}

fn verify_ledger(steps: &mut Steps, spec: &PlanSpec, snapshot: Option<Digest>) {
    let after = vec![succeeded(&["fence"]), succeeded(&["restore", "ledger"])];
    steps
        .add(id(&["verify", "ledger"]), StepKind::VerifyLedger, after)
        .params(&VerifyLedgerParams { snapshot, signatures: spec.signatures })
        .action("walk the chain to its head")
        .estimate(None);
}

fn ledger_gate(steps: &mut Steps) {
    let after = vec![succeeded(&["fence"]), ended(&["verify", "ledger"])];
    gate(steps, &GateParams::Ledger, after, "the chain is whole");
}

fn intact_gate(steps: &mut Steps, dataset: &str, version: &DatasetVersionId, after: After) {
    let words = format!("{dataset} is whole");
    steps
        .add(id(&["gate", "canonical-intact", &segment(version)]), StepKind::Gate, after)
        .params(&GateParams::CanonicalIntact { version: version.clone() })
        .action(words);
}

/// Adds a gate: it waits for ends, so that a step that fails shuts it with evidence.
pub(super) fn gate(steps: &mut Steps, params: &GateParams, after: After, words: &str) {
    steps.add(id(&["gate", &params.id()]), StepKind::Gate, after).params(params).action(words);
}

fn amount(of: ZoneFacts) -> String {
    let s = if of.objects == 1 { "" } else { "s" };
    format!("{} object{s}, {}", of.objects, size(of.bytes))
}
