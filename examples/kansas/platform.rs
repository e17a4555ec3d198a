use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::catalog::{self, Build};
use crate::dataset::{DATASETS, Dataset};
use crate::ledger::{Event, Ledger};
use crate::out::{Out, Written};
use crate::{Outcome, json};

/// Writes the whole platform below `out`.
pub(crate) fn generate(sources: &Path, out: &Path) -> Outcome {
    let out = Out::new(out.to_owned());
    let mut builds: BTreeMap<&str, Build> = BTreeMap::new();
    for (minutes, described) in (0..).step_by(3).zip(&DATASETS) {
        let dataset = Dataset::pin(described, sources)?;
        let inputs = match described.derived_from {
            None => vec![acquire(&out, &dataset, sources, minutes)?],
            Some(other) => vec![builds[other].artifacts[0].clone()],
        };
        let build = process(&out, dataset, inputs, sources, minutes)?;
        catalog::write(&out, &build)?;
        builds.insert(described.name, build);
    }
    unfinished(&out)?;
    audit(&out, builds.values().collect())
}

/// The raw zone: what came in, under the id of its acquisition.
fn acquire(out: &Out, dataset: &Dataset, sources: &Path, minutes: i64) -> Outcome<Written> {
    let name = dataset.described.name;
    let id = format!("20260210T{:02}{:02}00Z", 6, minutes);
    let file = dataset.described.acquired;
    let bytes = fs::read(sources.join(file))?;
    let key = format!("raw/{name}/{id}/artifacts/{file}");
    let written = out.put(&key, "application/geo+json", &bytes)?;
    let manifest = json!({
        "version": 1,
        "dataset": name,
        "acquisition_id": id,
        "acquired_at": json::at(minutes),
        "source": dataset.described.source,
        "license": dataset.described.license.1,
        "artifacts": [listed(&written, "artifacts/")],
    });
    let key = format!("raw/{name}/{id}/manifest.json");
    out.put(&key, "application/json", &json::pretty(&manifest)?)?;
    Ok(written)
}

/// The processed zone: artifacts, their checksums, and the report that let them pass.
fn process(
    out: &Out,
    dataset: Dataset,
    inputs: Vec<Written>,
    sources: &Path,
    minutes: i64,
) -> Outcome<Build> {
    let prefix = dataset.prefix("processed");
    let mut artifacts = Vec::new();
    for (file, media_type) in dataset.described.published {
        let bytes = fs::read(sources.join(file))?;
        artifacts.push(out.put(&format!("{prefix}/artifacts/{file}"), media_type, &bytes)?);
    }
    let checksums = json!({
        "version": 1,
        "dataset": dataset.described.name,
        "dataset_version_id": dataset.version,
        "artifacts": artifacts.iter().map(|a| listed(a, "artifacts/")).collect::<Vec<_>>(),
    });
    let key = format!("{prefix}/checksums.json");
    out.put(&key, "application/json", &json::pretty(&checksums)?)?;
    let rows = dataset.measured.rows;
    let report = json!({
        "version": 1,
        "dataset": dataset.described.name,
        "dataset_version_id": dataset.version,
        "status": "passed",
        "created_at": json::at(60 + minutes),
        "checks": [
            {"check": "row-count", "expected": rows, "actual": rows, "status": "passed"},
            {"check": "schema", "expected": dataset.spec["columns"],
             "actual": dataset.spec["columns"], "status": "passed"},
        ],
    });
    let key = format!("{prefix}/qa/validation_report.json");
    let report = out.put(&key, "application/json", &json::pretty(&report)?)?;
    let run = json::uuid(30 + minutes, dataset.described.name);
    Ok(Build { dataset, inputs, artifacts, report, run, minutes })
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

/// What never leaves the platform: a draft under a name that people would give, and rows that
/// were held back.
fn unfinished(out: &Out) -> Outcome {
    let draft = "name,remark\nAñelo,not in Kansas\n";
    let key = "work/ks_populated_places/entwürfe und notes/Ortsnamen 2026 + alt.csv";
    out.put(key, "text/csv", draft.as_bytes())?;
    let reason = json!({
        "version": 1,
        "dataset": "ks_populated_places",
        "policy_label": "quarantine",
        "reason": "one row lies outside Kansas",
        "held_since": json::at(40),
    });
    let prefix = "quarantine/ks_populated_places/20260210T064000Z";
    out.put(&format!("{prefix}/rejected.csv"), "text/csv", draft.as_bytes())?;
    out.put(&format!("{prefix}/reason.json"), "application/json", &json::pretty(&reason)?)?;
    Ok(())
}

/// The audit zone, and the releases that its last records announce.
fn audit(out: &Out, mut builds: Vec<&Build>) -> Outcome {
    builds.sort_by_key(|build| build.minutes);
    let mut ledger = Ledger::new(out);
    for (stage, start) in [("ingest", 0), ("validate", 60), ("promote", 120), ("publish", 180)] {
        for build in &builds {
            let minutes = start + build.minutes;
            if stage == "publish" {
                release(out, build, minutes)?;
            }
            ledger.append(&Event {
                kind: stage,
                minutes,
                audit_ref: &format!("kfm://run/{}", build.run),
                subject: build.dataset.dcat(),
                evidence: evidence(stage, build),
            })?;
        }
    }
    ledger.close(18 * 60 - 1)
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

fn release(out: &Out, build: &Build, minutes: i64) -> Outcome {
    let dataset = &build.dataset;
    let document = json!({
        "version": 1,
        "dataset": dataset.described.name,
        "dataset_version_id": dataset.version,
        "status": "released",
        "released_at": json::at(minutes),
        "policy_label": "public",
        "audit_ref": format!("kfm://run/{}", build.run),
        "evidence_refs": [dataset.dcat(), build.stac()],
    });
    let key = format!("{}/release.json", dataset.prefix("releases"));
    out.put(&key, "application/json", &json::pretty(&document)?)?;
    Ok(())
}
