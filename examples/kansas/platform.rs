use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::catalog::{self, Build};
use crate::dataset::{self, Dataset};
use crate::ledger::{Event, Ledger};
use crate::out::{Out, Written};
use crate::source::{Source, descriptions, media_type};
use crate::variant::Variant;
use crate::{Options, Outcome, json, sensitive, synthetic};

const HOUR: i64 = 3600;

/// Writes the whole platform below `out`.
pub(crate) fn generate(sources: &Path, options: &Options) -> Outcome {
    let mut platform = Platform {
        out: Out::new(options.out.clone(), options.variant),
        artifacts: BTreeMap::new(),
        superseded: BTreeSet::new(),
        events: Vec::new(),
    };
    let kansas = descriptions(sources)?;
    for described in &kansas {
        let former = described.supersedes.as_ref();
        platform.superseded.extend(former.map(|slice| (described.name.clone(), slice.clone())));
    }
    let versions: Vec<_> = kansas
        .iter()
        .map(|it| Ok(((it.name.clone(), it.slice.clone()), dataset::version(it)?)))
        .collect::<Outcome<_>>()?;
    let versions = BTreeMap::from_iter(versions);
    for described in kansas {
        let source = Source::read(described, sources)?;
        let former = former(&source, &versions);
        platform.add(&source, source.described.minutes * 60, former)?;
    }
    synthetic::add(&mut platform, options)?;
    platform.unfinished()?;
    if let Some(file) = &options.terms {
        std::fs::write(file, sensitive::terms(sources)?)?;
    }
    Ledger::write(&platform.out, platform.events)
}

/// The version that a source replaces.
fn former(source: &Source, versions: &BTreeMap<(String, String), String>) -> Option<String> {
    let slice = source.described.supersedes.clone()?;
    versions.get(&(source.described.name.clone(), slice)).cloned()
}

/// The platform while it grows.
pub(crate) struct Platform {
    out: Out,
    /// The first artifact of each dataset, for what is computed from it.
    artifacts: BTreeMap<String, Written>,
    /// Dataset and slice of what a later version replaces.
    pub(crate) superseded: BTreeSet<(String, String)>,
    events: Vec<Event>,
}

impl Platform {
    /// Adds one dataset version that came in at this second.
    pub(crate) fn add(&mut self, source: &Source, at: i64, former: Option<String>) -> Outcome {
        let dataset = Dataset::pin(source)?;
        let inputs = match &dataset.described.derived_from {
            None => vec![acquire(&self.out, &dataset, source, at)?],
            Some(other) => vec![self.artifacts[other].clone()],
        };
        let build = process(&self.out, dataset, inputs, source, at, former)?;
        catalog::write(&self.out, &build)?;
        let described = &build.dataset.described;
        self.artifacts.insert(described.name.clone(), build.artifacts[0].clone());
        let is_former =
            self.superseded.contains(&(described.name.clone(), described.slice.clone()));
        let embargoed = described.embargo_until.is_some();
        if !is_former && !embargoed {
            release(&self.out, &build)?;
        }
        self.record(&build, embargoed);
        Ok(())
    }

    /// What the audit ledger holds of a build: what is embargoed is not published.
    fn record(&mut self, build: &Build, embargoed: bool) {
        for (stage, hours) in [("ingest", 0), ("validate", 1), ("promote", 2), ("publish", 3)] {
            if stage == "publish" && embargoed {
                continue;
            }
            self.events.push(Event {
                at: build.at + hours * HOUR,
                kind: stage,
                audit_ref: build.run_id(),
                subject: build.dataset.dcat(),
                evidence: evidence(stage, build),
            });
        }
        if let Some(former) = build.former() {
            self.events.push(Event {
                at: build.at + 3 * HOUR + 30,
                kind: "supersede",
                audit_ref: build.run_id(),
                subject: former,
                evidence: vec![build.dataset.dcat()],
            });
        }
    }

    /// What never leaves the platform: a draft under a name that people would give, rows that were
    /// held back, and a dataset that never got further.
    fn unfinished(&self) -> Outcome {
        let out = &self.out;
        let draft = "name,remark\nAñelo,not in Kansas\n";
        let key = "work/ks_populated_places/entwürfe und notes/Ortsnamen 2026 + alt.csv";
        out.put(&out.variant.key(key), "text/csv", draft.as_bytes())?;
        hold(out, "ks_populated_places", 40, "one row lies outside Kansas", "rejected", draft)?;
        let wells = "well_id,depth_m,lat,lon\nW-1,412,38.1,-97.9\nW-2,-7,95.2,-98.3\n";
        let why = "a latitude lies off the map, and nobody knows the licence";
        hold(out, "ks_oil_wells", 45, why, "ks_oil_wells", wells)?;
        if out.variant == Variant::Strays {
            for (name, bytes) in
                [(".DS_Store", &b"\0\0\0\x01Bud1"[..]), ("empty", b""), ("a b/🌾.txt", b"wheat")]
            {
                out.put(&format!("work/scratch/{name}"), "application/octet-stream", bytes)?;
            }
        }
        Ok(())
    }
}

fn hold(out: &Out, dataset: &str, minutes: i64, why: &str, name: &str, rows: &str) -> Outcome {
    let at = minutes * 60;
    let prefix = format!("quarantine/{dataset}/{}", json::acquisition(at));
    out.put(&format!("{prefix}/{name}.csv"), "text/csv", rows.as_bytes())?;
    let reason = json!({
        "version": 1,
        "dataset": dataset,
        "policy_label": "quarantine",
        "reason": why,
        "held_since": json::at(at),
    });
    out.document(&format!("{prefix}/reason.json"), "application/json", &reason)?;
    Ok(())
}

/// The raw zone: what came in, under the id of its acquisition.
fn acquire(out: &Out, dataset: &Dataset, source: &Source, at: i64) -> Outcome<Written> {
    let described = &dataset.described;
    let prefix = format!("raw/{}/{}", described.name, json::acquisition(at));
    let put = |file: &String| {
        let key = format!("{prefix}/artifacts/{file}");
        out.put(&key, media_type(file), source.bytes(file)?)
    };
    let written = put(&described.acquired)?;
    let also = described.also_acquired.iter().map(put).collect::<Outcome<Vec<_>>>()?;
    let artifacts: Vec<_> =
        [&written].into_iter().chain(&also).map(|it| listed(it, "artifacts/")).collect();
    let manifest = json!({
        "kfm_raw_manifest_version": "v1",
        "dataset": described.name,
        "acquisition_id": json::acquisition(at),
        "acquired_at": json::at(at),
        "source": described.source,
        "license": described.license.1,
        "artifacts": artifacts,
    });
    out.document(&format!("{prefix}/manifest.json"), "application/json", &manifest)?;
    Ok(written)
}

/// The processed zone: artifacts, their checksums, and the report that let them pass.
fn process(
    out: &Out,
    dataset: Dataset,
    inputs: Vec<Written>,
    source: &Source,
    at: i64,
    former: Option<String>,
) -> Outcome<Build> {
    let prefix = dataset.prefix("processed");
    let mut artifacts = Vec::new();
    for file in &dataset.described.published {
        let key = format!("{prefix}/artifacts/{file}");
        artifacts.push(out.put(&key, media_type(file), source.bytes(file)?)?);
    }
    let checksums = json!({
        "kfm_checksums_version": "v1",
        "dataset": dataset.described.name,
        "dataset_version_id": dataset.version,
        "artifacts": artifacts.iter().map(|a| listed(a, "artifacts/")).collect::<Vec<_>>(),
    });
    out.document(&format!("{prefix}/checksums.json"), "application/json", &checksums)?;
    let rows = dataset.measured.rows;
    let report = json!({
        "version": 1,
        "dataset": dataset.described.name,
        "dataset_version_id": dataset.version,
        "status": "passed",
        "created_at": json::at(at + HOUR),
        "checks": [
            {"check": "row-count", "expected": rows, "actual": rows, "status": "passed"},
            {"check": "schema", "expected": dataset.spec["columns"],
             "actual": dataset.spec["columns"], "status": "passed"},
        ],
    });
    let key = format!("{prefix}/qa/validation_report.json");
    let report = out.document(&key, "application/json", &report)?;
    let run = json::uuid(at + HOUR / 2, &dataset.described.name);
    Ok(Build { dataset, inputs, artifacts, report, run, at, former })
}

fn listed(written: &Written, folder: &str) -> Value {
    json!({
        "path": format!("{folder}{}", written.name()),
        "size": written.size,
        "blake3": written.blake3,
        "sha256": written.sha256,
        "media_type": written.media_type,
    })
}

fn evidence(stage: &str, build: &Build) -> Vec<String> {
    let document = |written: &Written| format!("doc://sha256:{}", written.sha256);
    match stage {
        "ingest" => build.inputs.iter().map(document).collect(),
        "validate" => vec![document(&build.report)],
        "promote" => vec![format!("prov://{}", build.run)],
        _ => vec![build.dataset.dcat(), build.stac()],
    }
}

fn release(out: &Out, build: &Build) -> Outcome {
    let dataset = &build.dataset;
    let document = json!({
        "kfm_release_version": "v1",
        "dataset": dataset.described.name,
        "dataset_version_id": dataset.version,
        "status": "released",
        "released_at": json::at(build.at + 3 * HOUR),
        "policy_label": dataset.described.policy_label,
        "audit_ref": build.run_id(),
        "evidence_refs": [dataset.dcat(), build.stac()],
    });
    let key = format!("{}/release.json", dataset.prefix("releases"));
    out.document(&key, "application/json", &document)?;
    Ok(())
}
