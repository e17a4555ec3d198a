//! Geometry columns that the engine reads: looked through once, and settled where they need it.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, RecordBatch, new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::catalog::TableProvider;
use datafusion::common::exec_datafusion_err;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarUDF, Volatility, create_udf, ident};
use datafusion::prelude::{SessionContext, lit};
use futures::TryStreamExt;
use geoarrow_array::GeoArrowArray;
use geoarrow_array::array::from_arrow_array;
use geoarrow_array::cast::to_wkb;

use super::boxes::{Boxes, Sides};
use crate::dataset::DatasetError;
use crate::dataset::defect::Defect;
use crate::dataset::geometry::read;
use crate::dataset::settle::{Read, Rules, Settled};

/// A geometry column, and what is done with it.
#[derive(Debug, Clone)]
pub(super) struct Geometry {
    field: Field,
    native: bool,
    boxes: Option<Boxes>,
    rules: Rules,
}

impl Geometry {
    pub(super) fn new(
        field: &Field,
        native: Option<&str>,
        boxes: Option<Boxes>,
        rules: Rules,
    ) -> Self {
        let mut field = field.clone();
        if let Some(name) = native {
            let name = ("ARROW:extension:name".to_owned(), name.to_owned());
            field = field.with_metadata([name].into());
        }
        Self { field, native: native.is_some(), boxes, rules }
    }

    /// Whether a query may read the column as it is, if nothing is wrong with it.
    pub(super) fn stands(&self) -> bool {
        !self.native && self.rules.keeps()
    }
}

/// A geometry column as WKB, whatever its encoding.
pub(in crate::dataset) fn wkb_of(
    column: &ArrayRef,
    field: &Field,
) -> Result<ArrayRef, DataFusionError> {
    match column.data_type() {
        // A bare NULL has no type.
        DataType::Null => Ok(new_null_array(&DataType::BinaryView, column.len())),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            Ok(cast(column, &DataType::BinaryView)?)
        }
        _ => {
            let native = from_arrow_array(column, field).and_then(|array| to_wkb::<i32>(&array));
            let native = native.or(Err(exec_datafusion_err!("a column holds no geometries")))?;
            Ok(cast(&native.to_array_ref(), &DataType::BinaryView)?)
        }
    }
}

/// Reads a table once: its rows, and what is wrong with its geometries. One row after the other,
/// so that each has its number.
pub(super) async fn survey(
    context: &SessionContext,
    table: Arc<dyn TableProvider>,
    geometries: &[Geometry],
    key: &str,
) -> Result<Read, DatasetError> {
    let mut state = context.state();
    state.config_mut().options_mut().execution.target_partitions = 1;
    let context = SessionContext::new_with_state(state);
    let columns: Vec<Expr> = match geometries {
        [] => vec![lit(1)],
        some => {
            let boxes: BTreeSet<&str> =
                some.iter().filter_map(|it| it.boxes.as_ref()).map(Boxes::column).collect();
            let names = some.iter().map(|geometry| geometry.field.name().as_str());
            names.chain(boxes).map(ident).collect()
        }
    };
    let frame = context.read_table(table).and_then(|frame| frame.select(columns));
    let frame = frame.map_err(DatasetError::Engine)?;
    let damaged = |error| damaged(error, key);
    let mut batches = frame.execute_stream().await.map_err(damaged)?;
    let mut read = Read::default();
    while let Some(batch) = batches.try_next().await.map_err(damaged)? {
        let geometries = geometries.to_vec();
        let lost = |error| DatasetError::Engine(DataFusionError::External(Box::new(error)));
        let seen = tokio::task::spawn_blocking(move || see(&batch, &geometries, read));
        read = seen.await.map_err(lost)?.map_err(damaged)?;
    }
    Ok(read)
}

fn damaged(error: DataFusionError, key: &str) -> DatasetError {
    match error.find_root() {
        DataFusionError::ParquetError(_)
        | DataFusionError::ArrowError(..)
        | DataFusionError::Execution(_) => DatasetError::Malformed {
            key: key.to_owned(),
            why: "it is damaged: its pages cannot be read".to_owned(),
        },
        _ => DatasetError::Run(error),
    }
}

fn see(
    batch: &RecordBatch,
    geometries: &[Geometry],
    mut read_so_far: Read,
) -> Result<Read, DataFusionError> {
    let columns = geometries.iter().zip(batch.columns());
    let columns: Vec<ArrayRef> =
        columns.map(|(it, column)| wkb_of(column, &it.field)).collect::<Result<_, _>>()?;
    let boxes: Vec<Option<Sides>> = geometries
        .iter()
        .map(|it| it.boxes.as_ref().map(|boxes| boxes.sides(batch)).transpose())
        .collect::<Result<_, _>>()?;
    for row in 0..batch.num_rows() {
        let mut settled = Vec::with_capacity(columns.len());
        let mut held = true;
        for ((column, geometry), boxes) in columns.iter().zip(geometries).zip(&boxes) {
            if column.is_valid(row) {
                let one = match read(column.as_binary_view().value(row)) {
                    Ok(shape) => {
                        held &= boxes.as_ref().is_none_or(|boxes| boxes.hold(row, &shape));
                        geometry.rules.settle(shape)
                    }
                    Err(_) => Settled::Refused(Defect::UnreadableGeometry),
                };
                settled.push((one, &geometry.rules));
            }
        }
        let number = read_so_far.all() + 1;
        if !held {
            read_so_far.outside.add(Defect::OutsideItsBox, number);
        }
        read_so_far.see(number, settled);
    }
    Ok(read_so_far)
}

/// The table as a query sees it: WKB in the wanted reference system, repaired where that was
/// asked for, and without the rows that were refused.
pub(super) fn view(
    context: &SessionContext,
    table: Arc<dyn TableProvider>,
    geometries: &[Geometry],
) -> Result<Arc<dyn TableProvider>, DatasetError> {
    let frame = context.read_table(table).map_err(DatasetError::Engine)?;
    let stands = geometries.iter().map(|it| stands(it).call(vec![ident(it.field.name())]));
    let stands = stands.reduce(Expr::and).unwrap_or_else(|| lit(true));
    let column = |field: &Arc<Field>| {
        let own = geometries.iter().find(|it| it.field.name() == field.name());
        match own {
            None => ident(field.name()),
            Some(it) => settled(it).call(vec![ident(field.name())]).alias(field.name()),
        }
    };
    let columns: Vec<Expr> = frame.schema().fields().iter().map(column).collect();
    let view = frame.filter(stands).and_then(|frame| frame.select(columns));
    Ok(view.map_err(DatasetError::Engine)?.into_view())
}

/// The function that tells whether a row stands.
fn stands(geometry: &Geometry) -> ScalarUDF {
    let (geometry, input) = (geometry.clone(), geometry.field.data_type().clone());
    let call = move |args: &[ColumnarValue]| {
        let column = wkb_of(&ColumnarValue::values_to_arrays(args)?[0], &geometry.field)?;
        let stands = column
            .as_binary_view()
            .iter()
            .map(|bytes| Some(bytes.is_none_or(|bytes| geometry.rules.settle_wkb(bytes).is_ok())));
        Ok(ColumnarValue::Array(Arc::new(stands.collect::<BooleanArray>())))
    };
    let name = "canonical_stands";
    create_udf(name, vec![input], DataType::Boolean, Volatility::Immutable, Arc::new(call))
}

/// The function that gives a geometry as the query sees it.
fn settled(geometry: &Geometry) -> ScalarUDF {
    let (geometry, input) = (geometry.clone(), geometry.field.data_type().clone());
    let call = move |args: &[ColumnarValue]| {
        let column = wkb_of(&ColumnarValue::values_to_arrays(args)?[0], &geometry.field)?;
        let mut out = BinaryBuilder::new();
        for bytes in column.as_binary_view() {
            match bytes.map(|bytes| (bytes, geometry.rules.settle_wkb(bytes))) {
                Some((bytes, Ok(None))) => out.append_value(bytes),
                Some((_, Ok(Some(bytes)))) => out.append_value(bytes),
                // The engine may ask before it filters.
                Some((_, Err(_))) | None => out.append_null(),
            }
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    };
    let name = "canonical_geometry";
    create_udf(name, vec![input], DataType::Binary, Volatility::Immutable, Arc::new(call))
}
