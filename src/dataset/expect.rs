use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, SchemaRef};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};

use super::DatasetError;
use super::distinct::Distinct;
use super::geometry::{Bounds, read, shown};
use super::output::Placed;
use super::source::wkb_of;
use crate::model::{Code, Failure};

/// What must hold of the rows of a query, looked at as they pass.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Expectation {
    /// The job, for people.
    pub(crate) job: String,
    /// Columns in which, taken together, no two rows are the same. A row with NULL in one of them
    /// is like no other.
    pub(crate) unique: Vec<String>,
    /// Columns that have a value in every row.
    pub(crate) not_null: Vec<String>,
    /// Where the geometries lie: west, south, east, north in degrees. Without a geometry column
    /// the columns of these four names are held.
    pub(crate) extent: Option<[f64; 4]>,
}

/// Passes the rows on, and ends with a failure where they are not as expected. Memory does not
/// grow with their number.
pub(super) fn holding(
    rows: SendableRecordBatchStream,
    expect: &Expectation,
    placed: Arc<Vec<Placed>>,
    spill: &Path,
) -> Result<SendableRecordBatchStream, DatasetError> {
    let schema = rows.schema();
    let watch = Watch::new(expect.clone(), &schema, placed, spill)?;
    let state = (rows, Some(watch));
    let rows = stream::unfold(state, |(mut rows, watch)| async move {
        let mut watch = watch?;
        let fail = |failure: Failure| Err(DataFusionError::External(Box::new(failure)));
        match rows.next().await {
            Some(Ok(batch)) => match watch.see(&batch) {
                Ok(()) => Some((Ok(batch), (rows, Some(watch)))),
                Err(failure) => Some((fail(failure), (rows, None))),
            },
            Some(Err(error)) => Some((Err(error), (rows, None))),
            None => watch.end().err().map(|failure| (fail(failure), (rows, None))),
        }
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
}

struct Watch {
    expect: Expectation,
    not_null: Vec<(usize, u64)>,
    unique: Option<Unique>,
    located: Located,
    bounds: Bounds,
}

struct Unique {
    columns: Vec<usize>,
    converter: RowConverter,
    seen: Distinct,
}

/// Where the rows say where they lie.
enum Located {
    Nowhere,
    Geometries(Arc<Vec<Placed>>),
    /// West, south, east, north.
    Sides([usize; 4]),
}

fn engine(error: impl Into<DataFusionError>) -> Failure {
    Failure::from(DatasetError::Engine(error.into()))
}

impl Watch {
    fn new(
        expect: Expectation,
        schema: &SchemaRef,
        placed: Arc<Vec<Placed>>,
        spill: &Path,
    ) -> Result<Self, DatasetError> {
        let column = |name: &String| {
            let found = schema.column_with_name(name).map(|(column, _)| column);
            found.ok_or_else(|| DatasetError::Expects { column: name.clone() })
        };
        let not_null: Vec<usize> = expect.not_null.iter().map(column).collect::<Result<_, _>>()?;
        let columns: Vec<usize> = expect.unique.iter().map(column).collect::<Result<_, _>>()?;
        let unique = if columns.is_empty() {
            None
        } else {
            let fields = columns.iter().map(|at| schema.field(*at).data_type().clone());
            let converter = RowConverter::new(fields.map(SortField::new).collect());
            let converter = converter.map_err(|error| DatasetError::Engine(error.into()))?;
            Some(Unique { columns, converter, seen: Distinct::new(spill) })
        };
        let located = match &expect.extent {
            None => Located::Nowhere,
            Some(_) if !placed.is_empty() => Located::Geometries(placed),
            Some(_) => {
                let sides = ["west", "south", "east", "north"].map(str::to_owned);
                let [west, south, east, north] = sides.each_ref().map(column);
                Located::Sides([west?, south?, east?, north?])
            }
        };
        let not_null = not_null.into_iter().map(|column| (column, 0)).collect();
        Ok(Self { expect, not_null, unique, located, bounds: Bounds::default() })
    }

    fn see(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        for (column, nulls) in &mut self.not_null {
            *nulls += batch.column(*column).logical_null_count() as u64;
        }
        if let Some(unique) = &mut self.unique {
            unique.see(batch)?;
        }
        match &self.located {
            Located::Nowhere => Ok(()),
            Located::Geometries(placed) => see_geometries(batch, placed, &mut self.bounds),
            Located::Sides(sides) => see_sides(batch, *sides, &mut self.bounds),
        }
    }

    fn end(mut self) -> Result<(), Failure> {
        let expect = &self.expect;
        let job = &expect.job;
        let fail = |what: String| {
            Err(Failure::permanent(Code::StepFailed, format!("{job} {what}"))
                .hint("look at its query; where it is right, change `expect` in the job")
                .plain())
        };
        for ((_, nulls), name) in self.not_null.iter().zip(&expect.not_null) {
            if *nulls > 0 {
                return fail(format!("has {nulls} rows without `{name}`, and expects none"));
            }
        }
        if let Some(unique) = self.unique.take() {
            let repeated = unique.seen.repeated().map_err(engine)?;
            if repeated > 0 {
                let names = expect.unique.join("`, `");
                return fail(format!("has {repeated} rows that repeat another's `{names}`"));
            }
        }
        match expect.extent {
            Some(extent) if !self.bounds.within(extent) => {
                fail(format!("has geometries outside {}, where it expects all", shown(extent)))
            }
            _ => Ok(()),
        }
    }
}

impl Unique {
    fn see(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let columns: Vec<_> = self.columns.iter().map(|at| batch.column(*at).clone()).collect();
        let rows = self.converter.convert_columns(&columns).map_err(engine)?;
        for (at, row) in rows.iter().enumerate() {
            if columns.iter().all(|column| column.is_valid(at)) {
                self.seen.add(row.as_ref()).map_err(engine)?;
            }
        }
        Ok(())
    }
}

fn see_geometries(
    batch: &RecordBatch,
    placed: &[Placed],
    bounds: &mut Bounds,
) -> Result<(), Failure> {
    for it in placed {
        let column = wkb_of(batch.column(it.column), batch.schema().field(it.column));
        for bytes in column.map_err(engine)?.as_binary_view().iter().flatten() {
            let unread = |why: &'static str| Failure::permanent(Code::StepFailed, why);
            let mut shape = read(bytes).map_err(unread)?;
            shape.change(|position| it.lonlat.apply(position));
            bounds.add_shape(&shape);
        }
    }
    Ok(())
}

fn see_sides(batch: &RecordBatch, sides: [usize; 4], bounds: &mut Bounds) -> Result<(), Failure> {
    let mut columns = Vec::new();
    for side in sides {
        columns.push(cast(batch.column(side), &DataType::Float64).map_err(engine)?);
    }
    let [west, south, east, north] =
        [0, 1, 2, 3].map(|side: usize| columns[side].as_primitive::<Float64Type>());
    for row in 0..batch.num_rows() {
        if [west, south, east, north].iter().all(|column| column.is_valid(row)) {
            bounds.add(west.value(row), south.value(row));
            bounds.add(east.value(row), north.value(row));
        }
    }
    Ok(())
}
