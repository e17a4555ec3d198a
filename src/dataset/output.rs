//! The rows of a job: held against what it expects, in the reference systems that its sink says.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

use super::crs::{Crs, LONLAT, Transform};
use super::expect::{Expectation, holding};
use super::functions::{MOVING, crs_of, each, moved};
use super::source::wkb_of;
use super::{DatasetError, Session};
use crate::model::Failure;

/// What a sink takes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output {
    /// The geometry columns, each with its SRID.
    pub(crate) geometries: Vec<(String, i32)>,
    /// What must hold of the rows.
    pub(crate) expect: Expectation,
}

/// A geometry column of a query's rows.
pub(super) struct Placed {
    pub(super) column: usize,
    /// Into longitude and latitude.
    pub(super) lonlat: Transform,
    /// Into what the sink says.
    into: Transform,
    to: Crs,
}

impl Session {
    /// Runs the query of a job: the rows are exactly what its sink stores. Where they are not what
    /// the job expects, the last thing in the stream is a `Failure` that says so.
    pub(crate) async fn rows(
        &self,
        sql: &str,
        output: &Output,
    ) -> Result<SendableRecordBatchStream, DatasetError> {
        let plan = self.plan(sql).await?;
        let common = self.common(&plan)?;
        let rows = self.run(&plan).await?;
        let schema = rows.schema();
        let mut placed = Vec::new();
        for (name, srid) in &output.geometries {
            // One that the query does not give is the sink's to complain of.
            let Some((column, field)) = schema.column_with_name(name) else { continue };
            placed.push(place(column, field, *srid, &common)?);
        }
        let moved = into_sink(&schema, &placed);
        let placed = Arc::new(placed);
        let rows = holding(rows, &output.expect, Arc::clone(&placed), &self.spill)?;
        let schema = Arc::clone(&moved);
        let rows = rows.map(move |batch| {
            batch.and_then(|batch| {
                convert(&batch, &placed, &schema).map_err(|error| {
                    DataFusionError::External(Box::new(Failure::from(DatasetError::Run(error))))
                })
            })
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(moved, rows)))
    }

    /// The reference system of all geometries that a query reads, and whether it moves any.
    fn common(&self, plan: &LogicalPlan) -> Result<Common, DatasetError> {
        let located = self.tables.values().filter(|table| table.geometry.is_some());
        let systems: BTreeSet<u32> = located.map(|table| table.srid.0).collect();
        if systems.len() > 1 {
            let systems = systems.iter().map(|code| Crs(*code).to_string()).collect::<Vec<_>>();
            return Err(DatasetError::CrsMixed { systems: systems.join(" and ") });
        }
        Ok(Common { crs: systems.first().copied().map(Crs), moves: moves(plan)? })
    }
}

struct Common {
    crs: Option<Crs>,
    moves: bool,
}

fn moves(plan: &LogicalPlan) -> Result<bool, DatasetError> {
    let mut moves = false;
    let walked = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarFunction(call) = expr {
                    moves |= MOVING.contains(&call.func.name());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    walked.map_err(DatasetError::Plan)?;
    Ok(moves)
}

/// Tells what a column is in: what its metadata name; else, where the query moves nothing, what
/// all its tables are in; else, where no table has a geometry, what the job says of its sink.
fn place(column: usize, field: &Field, srid: i32, common: &Common) -> Result<Placed, DatasetError> {
    let to = Crs(u32::try_from(srid).unwrap_or(LONLAT));
    let from = match crs_of(field) {
        Some(crs) => crs,
        None if common.moves => {
            return Err(DatasetError::CrsLost { column: field.name().clone() });
        }
        None => common.crs.unwrap_or(to),
    };
    let (lonlat, into) = (Transform::new(from, Crs::LONLAT)?, Transform::new(from, to)?);
    Ok(Placed { column, lonlat, into, to })
}

/// The schema of the rows after `convert`: its geometries are plain WKB.
fn into_sink(schema: &SchemaRef, placed: &[Placed]) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    for it in placed {
        let field = &fields[it.column];
        fields[it.column] = Arc::new(Field::new(field.name(), DataType::BinaryView, true));
    }
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn convert(
    batch: &RecordBatch,
    placed: &[Placed],
    schema: &SchemaRef,
) -> Result<RecordBatch, DataFusionError> {
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    for it in placed {
        let column = wkb_of(&columns[it.column], batch.schema().field(it.column))?;
        columns[it.column] = if it.into.is_identity() {
            column
        } else {
            let column = each(&column, |shape| moved(shape, &it.into, it.to))?;
            datafusion::arrow::compute::cast(&column, &DataType::BinaryView)?
        };
    }
    let options =
        datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
