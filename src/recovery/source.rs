//! Where the rows of a rebuild come from: SQL over verified datasets, or another projection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::execution::SendableRecordBatchStream;

use super::record_evidence::{self, Cites};
use super::record_labels::{self, Held};
use super::{GateOutput, World, pins, programs};
use crate::canonical::catalog::{self, Offers};
use crate::dataset::{self, Counted, Expectation, Session, Wanted};
use crate::digest::Digest;
use crate::engine::StepContext;
use crate::model::{
    Artifact, Code, Column, ColumnType, CommandRun, CommandSink, DatasetVersion, DatasetVersionId,
    Failure, Finding, FindingKind, InputRows, JobId, PolicyLabel, Sink, TableSink, TilesSink, Zone,
};
use crate::plan::{RebuildParams, ResolvedInput};
use crate::projection::{command, graph, tiles};
use crate::store::Pin;

/// The rows of a rebuild, and what was found while its inputs were held against the catalog.
pub(crate) struct Source {
    /// What the query yields: exactly what the sink stores.
    pub(crate) rows: SendableRecordBatchStream,
    /// Whether its inputs hold any row at all.
    pub(crate) inputs_have_rows: bool,
    /// What was read of each dataset.
    pub(crate) read: Vec<InputRows>,
    /// What was found wrong with them, and does not block.
    pub(crate) findings: Vec<Finding>,
    /// What its program did, where the rows are the files of one.
    pub(crate) ran: Option<CommandRun>,
    /// What the rows need until they are written.
    pub(crate) holds: Option<Box<dyn Send>>,
}

impl Source {
    /// Rows that are not read out of datasets.
    fn of(rows: SendableRecordBatchStream) -> Self {
        let (read, findings) = (Vec::new(), Vec::new());
        Self { rows, inputs_have_rows: true, read, findings, ran: None, holds: None }
    }
}

/// Opens the rows of a rebuild.
pub(crate) async fn open(
    world: &Arc<World>,
    params: &RebuildParams,
    cx: &StepContext,
) -> Result<Source, Failure> {
    match (&params.sink, &params.query) {
        (Sink::Tiles(sink), _) => from_tables(world, params, sink).await,
        (Sink::Command(sink), _) => from_program(world, params, sink, cx).await,
        (sink, Some(sql)) => from_datasets(world, params, sink, sql, cx).await,
        (_, None) => {
            Err(Failure::permanent(Code::PlanInvalid, format!("{} has no query", params.job)))
        }
    }
}

async fn from_tables(
    world: &Arc<World>,
    params: &RebuildParams,
    sink: &TilesSink,
) -> Result<Source, Failure> {
    let pool = world.targets.pool().await?;
    let rows = tiles::tiles_source(pool, sink, &tables(&params.inputs)).await?;
    Ok(Source::of(rows))
}

async fn from_program(
    world: &Arc<World>,
    params: &RebuildParams,
    sink: &CommandSink,
    cx: &StepContext,
) -> Result<Source, Failure> {
    let made = programs::make(world, params, sink, cx).await?;
    let rows = command::source(&made.files)?;
    Ok(Source { ran: Some(made.run), holds: Some(made.room), ..Source::of(rows) })
}

/// The tables that a tile archive is made of.
pub(super) fn tables(inputs: &[ResolvedInput]) -> BTreeMap<JobId, (Digest, TableSink)> {
    inputs
        .iter()
        .filter_map(|input| match input {
            ResolvedInput::Projection { job, generation, sink: Sink::Postgis(table) } => {
                Some((job.clone(), (*generation, table.clone())))
            }
            _ => None,
        })
        .collect()
}

async fn from_datasets(
    world: &Arc<World>,
    params: &RebuildParams,
    sink: &Sink,
    sql: &str,
    cx: &StepContext,
) -> Result<Source, Failure> {
    let pinned = pinned(cx).await?;
    let spill = world.spill()?;
    let mut session = Session::new(world.setting.limits.query_memory_mib, &spill)?;
    let (mut findings, mut read) = (Vec::new(), Vec::new());
    let mut inputs_have_rows = false;
    for input in &params.inputs {
        match input {
            ResolvedInput::Dataset { table, dataset, version, read: reading, .. } => {
                let known = version_of(world, params, dataset, version).await?;
                let store = world.canonical.of_zone(Zone::Processed);
                let pinned = pins_of(world, &known, &pinned);
                let wanted = Wanted { reading, repair: params.on_bad_row.repairs() };
                session.register(table, &known, store, &pinned, &wanted).await?;
                findings.extend(session.hold(table, &params.on_bad_row)?);
                let counted = session.counted(table)?;
                inputs_have_rows |= counted.rows + counted.refused > 0;
                read.push(input_rows(dataset, version, counted));
            }
            ResolvedInput::Catalog { versions } => {
                register_catalog(world, params, &mut session, versions).await?;
                inputs_have_rows |= !versions.is_empty();
            }
            ResolvedInput::Projection { .. } => {}
        }
    }
    let findings = refuse(params, findings)?;
    let rows = session.rows(sql, &wanted_output(params)).await?;
    let rows = match sink {
        Sink::Graph(_) => graph::source(rows, spill),
        Sink::Search(_) => {
            let public = params.label.is_some_and(PolicyLabel::is_public);
            let offers = offers(world, &params.inputs).await?;
            let rows =
                record_evidence::guard(rows, Cites { job: params.job.clone(), public, offers });
            let (job, label, audience) = (params.job.clone(), params.label, params.audience);
            record_labels::guard(rows, Held { job, label, audience })
        }
        _ => rows,
    };
    Ok(Source { inputs_have_rows, read, findings, ..Source::of(rows) })
}

/// What the catalogs of all versions that a job reads offer as evidence.
async fn offers(world: &World, inputs: &[ResolvedInput]) -> Result<Offers, Failure> {
    let mut versions = BTreeSet::new();
    for input in inputs {
        match input {
            ResolvedInput::Dataset { dataset, version, .. } => {
                versions.insert((dataset, version));
            }
            ResolvedInput::Catalog { versions: all } => {
                versions.extend(all.iter().map(|(dataset, version, _)| (dataset, version)));
            }
            ResolvedInput::Projection { .. } => {}
        }
    }
    let mut offers = Offers::default();
    for (dataset, version) in versions {
        let (_, _, documents) = catalog::read_version(&world.canonical, dataset, version).await?;
        offers.add(&documents);
    }
    Ok(offers)
}

fn input_rows(dataset: &str, version: &DatasetVersionId, counted: Counted) -> InputRows {
    InputRows {
        dataset: dataset.to_owned(),
        version: version.clone(),
        rows: counted.rows,
        refused: counted.refused,
        repaired: counted.repaired,
    }
}

/// What the sink takes, and what the job expects of it.
fn wanted_output(params: &RebuildParams) -> dataset::Output {
    let geometries = match &params.sink {
        Sink::Postgis(table) => {
            let geometry = |it: &&Column| it.data_type == ColumnType::Geometry;
            let geometries = table.columns.iter().filter(geometry);
            geometries.map(|it| (it.name.clone(), it.srid.unwrap_or(4326))).collect()
        }
        Sink::Search(_) | Sink::Graph(_) | Sink::Tiles(_) | Sink::Command(_) => Vec::new(),
    };
    let expect = Expectation {
        job: params.job.to_string(),
        unique: params.expect.unique.clone(),
        not_null: params.expect.not_null.clone(),
        extent: params.expect.extent,
    };
    dataset::Output { geometries, expect }
}

/// Gives the findings back where none blocks. A row that may not be left out holds back the job,
/// not the version: another job may leave it out.
fn refuse(params: &RebuildParams, mut findings: Vec<Finding>) -> Result<Vec<Finding>, Failure> {
    let of_job = [FindingKind::RowsRefused, FindingKind::RowsRepaired];
    for finding in findings.iter_mut().filter(|it| it.blocks() && of_job.contains(&it.kind)) {
        finding.blocks = vec![params.job.to_string()];
    }
    if !findings.iter().any(Finding::blocks) {
        return Ok(findings);
    }
    let message = format!("what {} reads is not what the catalog says", params.job);
    Err(Failure::permanent(Code::GateShut, message)
        .hint("publish a corrected version, or see `on_bad_row` where single rows are bad")
        .with_findings(findings)
        .plain())
}

/// All that was verified of the versions whose gates this step waited for, by the names of pins.
pub(super) async fn pinned(cx: &StepContext) -> Result<BTreeMap<String, Pin>, Failure> {
    let mut all = BTreeMap::new();
    for output in cx.inputs.values() {
        // Proofs of other jobs are among what it waits for, and pin nothing.
        let Ok(gate) = output.read::<GateOutput>() else { continue };
        for blob in &gate.pins {
            let objects = pins::load(cx, blob).await?;
            all.extend(objects.into_iter().map(|object| (object.key, object.pin)));
        }
    }
    Ok(all)
}

/// The pins of the artifacts of a version, by key.
pub(super) fn pins_of(
    world: &World,
    known: &DatasetVersion,
    pinned: &BTreeMap<String, Pin>,
) -> BTreeMap<String, Pin> {
    let pin = |artifact: &Artifact| {
        let pin = pinned.get(&world.redactor.name_of(&artifact.key))?;
        Some((artifact.key.clone(), pin.clone()))
    };
    known.artifacts.iter().filter_map(pin).collect()
}

/// What the catalog says of a version, without what was withdrawn, under the label that counts.
pub(super) async fn version_of(
    world: &World,
    params: &RebuildParams,
    dataset: &str,
    version: &DatasetVersionId,
) -> Result<DatasetVersion, Failure> {
    let (described, findings, _) =
        catalog::read_version(&world.canonical, dataset, version).await?;
    let mut described = described.ok_or_else(|| {
        let message = format!("failed to read the catalog of {dataset} {version}");
        Failure::permanent(Code::GateShut, message).with_findings(findings)
    })?;
    let withdrawals = world.withdrawals().await?;
    described.artifacts.retain(|artifact| !withdrawals.erases(&artifact.key));
    described.policy_label = params.labels.get(version).copied().flatten();
    Ok(described)
}

async fn register_catalog(
    world: &World,
    params: &RebuildParams,
    session: &mut Session,
    versions: &[(String, DatasetVersionId, Digest)],
) -> Result<(), Failure> {
    let mut known = Vec::new();
    let mut quads = Vec::new();
    for (dataset, version, _) in versions {
        let (described, _, documents) =
            catalog::read_version(&world.canonical, dataset, version).await?;
        quads.extend(documents.quads());
        known.extend(described.map(|described| DatasetVersion {
            policy_label: params.labels.get(version).copied().flatten(),
            ..described
        }));
    }
    session.register_catalog(&known, &quads)?;
    Ok(())
}
