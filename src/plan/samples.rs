//! Plans and facts for the tests of this room.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use chrono::{TimeZone, Utc};

use super::{
    BackTo, Facts, LoadedPlan, Part, Problem, SnapshotFacts, VersionFacts, ZoneFacts, load,
};
use crate::digest::Digest;
use crate::model::{PolicyLabel, Zone};
use crate::plan::load::read;

/// The documents that stand in the repository.
pub(super) fn kansas() -> LoadedPlan {
    load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("plans/kansas.yaml")).unwrap()
}

/// A dataset version that anybody may see.
pub(super) fn version(dataset: &str, version: &str) -> VersionFacts {
    VersionFacts {
        dataset: dataset.to_owned(),
        version: version.parse().unwrap(),
        policy_label: Some(PolicyLabel::Public),
        embargo_until: None,
        released: true,
        rows: Some(300),
        bytes: 400_000,
        artifacts: Digest::blake3(format!("{dataset} {version} artifacts").as_bytes()),
        catalog: Digest::blake3(format!("{dataset} {version} catalog").as_bytes()),
        withdrawn: false,
        in_place: false,
    }
}

/// Facts like those of the Kansas fixture.
pub(super) fn facts() -> Facts {
    let part = |part, objects, bytes, shards| (part, ZoneFacts { objects, bytes, shards });
    let zones = [
        (Zone::Raw, vec![part(Part::All, 6, 504_371, 3)]),
        (Zone::Work, vec![part(Part::All, 1, 120, 1)]),
        (Zone::Quarantine, vec![part(Part::All, 2, 900, 1)]),
        (Zone::Processed, vec![part(Part::All, 15, 740_000, 4)]),
        (
            Zone::Catalog,
            vec![part(Part::Documents, 20, 80_000, 4), part(Part::Releases, 4, 2_000, 1)],
        ),
        (Zone::Audit, vec![part(Part::Records, 18, 30_000, 1), part(Part::Head, 2, 600, 1)]),
    ];
    Facts {
        accept: Vec::new(),
        environment: "dev".to_owned(),
        snapshot: Some(SnapshotFacts {
            digest: Digest::blake3(b"snapshot"),
            as_of: Utc.with_ymd_and_hms(2026, 2, 10, 7, 0, 0).unwrap(),
            zones: zones
                .into_iter()
                .map(|(zone, parts)| (zone, parts.into_iter().collect()))
                .collect(),
        }),
        versions: vec![
            version("ks_airports", "2026-02.c4f9633b"),
            version("ks_counties", "2026-02.9af6383b"),
            version("ks_county_adjacency", "2026-02.02951798"),
            version("ks_populated_places", "2026-02.d1c078f2"),
            version("ks_earthquakes", "2026-02.00000001"),
            version("ks_flights_2001_ict", "2026-02.00000002"),
            version("ks_species_county", "2026-02.00000003"),
            version("ks_species_sites", "2026-02.00000004"),
            version("ks_storm_warnings", "2026-02.00000005"),
            version("ks_zipcodes", "2026-02.00000006"),
            version("us_flight_airports", "2026-02.00000007"),
            version("ks_county_centers", "2026-02.11ecd03c"),
            version("ks_county_lines", "2026-02.c4c88e86"),
        ],
        policy_date: Utc.with_ymd_and_hms(2026, 2, 11, 0, 0, 0).unwrap(),
        server: "PostgreSQL 15 / PostGIS 3.3".to_owned(),
        builders: ["postgis", "search", "graph", "tiles", "command"]
            .map(|k| (k.to_owned(), 1))
            .into(),
        live: BTreeMap::new(),
        ledger_in_place: false,
        scope: None,
        only: Vec::new(),
        reprove: false,
        back_to: BackTo::Former,
        keep: false,
        withdrawals: None,
        erased: Vec::new(),
        editions: BTreeMap::new(),
    }
}

/// A small plan with one environment.
pub(super) const PLAN: &str = "\
apiVersion: coppice/v1
kind: RecoveryPlan
metadata: { name: small }
spec:
  jobs: jobs
  environments:
    dev:
      backup: { url: data/backup }
      canonical: { url: data/canonical }
      projections: { url: data/projections }
      postgis: { private: {} }
      objectives: { rto: 30m }
";

/// A job that fills one table.
pub(super) fn table_job(name: &str, table: &str) -> String {
    format!(
        "\
apiVersion: coppice/v1
kind: RebuildJob
metadata: {{ name: {name} }}
spec:
  inputs: [{{ dataset: {table} }}]
  query: SELECT id, geometry AS geom FROM {table}
  sink:
    postgis:
      schema: public
      table: {table}
      columns:
        - {{ name: id, type: bigint, not_null: true }}
        - {{ name: geom, type: geometry, geometry: Point, srid: 4326 }}
      primary_key: [id]
"
    )
}

/// A job that makes tiles of tables.
pub(super) fn tiles_job(name: &str, from: &[&str]) -> String {
    let inputs: Vec<_> = from.iter().map(|from| format!("{{ projection: {from} }}")).collect();
    let layer = |(index, from): (usize, &&str)| {
        format!("{{ name: l{index}, from: {from}, geometry: geom, id: id, properties: [id] }}")
    };
    let layers: Vec<_> = from.iter().enumerate().map(layer).collect();
    let (inputs, layers) = (inputs.join("\n    - "), layers.join("\n        - "));
    format!(
        "\
apiVersion: coppice/v1
kind: RebuildJob
metadata: {{ name: {name} }}
spec:
  inputs:
    - {inputs}
  sink:
    tiles:
      tile_profile_version: 1
      min_zoom: 0
      max_zoom: 8
      layers:
        - {layers}
"
    )
}

/// A job whose program makes one file.
pub(super) fn command_job(name: &str, inputs: &str) -> String {
    format!(
        "\
apiVersion: coppice/v1
kind: RebuildJob
metadata: {{ name: {name} }}
spec:
  inputs: [{inputs}]
  sink:
    command:
      command_profile_version: 1
      program: ./report.sh
      args: [now]
      env: {{ SEASON: dry, KEY: {{ secret: env:REPORT_KEY }} }}
      files: [lib/words.txt]
      outputs: [report.csv]
      timeout: 5m
      check: {{ program: test, args: [-s, report.csv] }}
"
    )
}

/// Reads a plan out of texts; the plan is `plan.yaml`.
pub(super) fn of(files: &[(&str, &str)]) -> Result<LoadedPlan, Vec<Problem>> {
    let files = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), Bytes::copy_from_slice(text.as_bytes())));
    read(files.collect(), "plan.yaml", Path::new("/srv"))
}

/// What `of` says is wrong, one line each: with a place, a caret, and what to do.
pub(super) fn wrong(files: &[(&str, &str)]) -> Vec<String> {
    let problems = of(files).map(|_| ()).unwrap_err();
    for problem in &problems {
        assert!(problem.says_what_to_do(), "no hint: {problem:?}");
        assert!(problem.line > 0 && problem.column > 0, "no place: {problem:?}");
        assert!(problem.caret().is_some(), "no caret: {problem:?}");
    }
    problems.iter().map(|problem| format!("{problem:?}")).collect()
}
