//! The boxes that GeoParquet gives beside geometries: readers skip rows by them, so each has to hold
//! its geometry.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Schema};
use datafusion::common::exec_datafusion_err;
use datafusion::error::DataFusionError;

use crate::dataset::DatasetError;
use crate::dataset::geometry::Shape;

/// Where the boxes of a geometry column are.
#[derive(Debug, Clone)]
pub(super) struct Boxes {
    column: String,
    /// West, south, east, north.
    fields: [String; 4],
    /// Whether they are in single precision, which may cut the last digits off.
    single: bool,
}

/// The boxes of a batch.
pub(super) struct Sides {
    sides: [Float64Array; 4],
    single: bool,
}

impl Boxes {
    /// Finds the column that a covering names.
    pub(super) fn of(
        (column, fields): &(String, [String; 4]),
        schema: &Schema,
        key: &str,
    ) -> Result<Self, DatasetError> {
        let bad = || DatasetError::Malformed {
            key: key.to_owned(),
            why: format!("its `covering` names boxes in `{column}`, which has none"),
        };
        let found = schema.field_with_name(column).or(Err(bad()))?;
        let DataType::Struct(inside) = found.data_type() else { return Err(bad()) };
        let mut single = false;
        for name in fields {
            let (_, field) = inside.find(name).ok_or_else(bad)?;
            if !field.data_type().is_floating() {
                return Err(bad());
            }
            single |= *field.data_type() != DataType::Float64;
        }
        Ok(Self { column: column.clone(), fields: fields.clone(), single })
    }

    pub(super) fn column(&self) -> &str {
        &self.column
    }

    /// The boxes of the rows of a batch that has the column.
    pub(super) fn sides(&self, batch: &RecordBatch) -> Result<Sides, DataFusionError> {
        let gone = || exec_datafusion_err!("a column of boxes is gone");
        let column = batch.column_by_name(&self.column).ok_or_else(gone)?;
        let column = column.as_struct_opt().ok_or_else(gone)?;
        let side = |name: &String| {
            let values: &ArrayRef = column.column_by_name(name).ok_or_else(gone)?;
            let values = cast(values, &DataType::Float64)?;
            // A box that is NULL as a whole hides what its fields hold.
            let values = values.as_primitive::<Float64Type>();
            let values = (0..values.len()).map(|row| {
                (column.is_valid(row) && values.is_valid(row)).then(|| values.value(row))
            });
            Ok::<_, DataFusionError>(values.collect::<Float64Array>())
        };
        let [west, south, east, north] = &self.fields;
        let sides = [side(west)?, side(south)?, side(east)?, side(north)?];
        Ok(Sides { sides, single: self.single })
    }
}

impl Sides {
    /// Whether the box of a row holds its geometry. One whose west is greater than its east
    /// crosses the antimeridian.
    pub(super) fn hold(&self, row: usize, shape: &Shape) -> bool {
        if self.sides.iter().any(|side| side.is_null(row)) {
            return is_empty(shape);
        }
        let [west, south, east, north] = self.sides.each_ref().map(|side| side.value(row));
        let slack =
            |side: f64| if self.single { side.abs() * f64::from(f32::EPSILON) } else { 0.0 };
        let least = |value: f64, side: f64| value >= side - slack(side);
        let most = |value: f64, side: f64| value <= side + slack(side);
        let mut held = true;
        shape.each(|[x, y, ..]| {
            let across = if west > east {
                least(*x, west) || most(*x, east)
            } else {
                least(*x, west) && most(*x, east)
            };
            held &= across && least(*y, south) && most(*y, north);
        });
        held
    }
}

fn is_empty(shape: &Shape) -> bool {
    let mut empty = true;
    shape.each(|_| empty = false);
    empty
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(sides: [Option<f64>; 4], single: bool, (x, y): (f64, f64)) -> bool {
        let sides = sides.map(|side| Float64Array::from(vec![side]));
        Sides { sides, single }.hold(0, &Shape::point(x, y))
    }

    #[test]
    fn a_box_holds_what_is_within_or_on_it() {
        let square = [Some(-1.0), Some(0.0), Some(1.0), Some(2.0)];
        assert!(holds(square, false, (0.0, 1.0)) && holds(square, false, (1.0, 2.0)));
        assert!(!holds(square, false, (1.1, 1.0)) && !holds(square, false, (0.0, -0.1)));
        let across = [Some(179.0), Some(0.0), Some(-179.0), Some(2.0)];
        assert!(holds(across, false, (179.5, 1.0)) && holds(across, false, (-180.0, 1.0)));
        assert!(!holds(across, false, (0.0, 1.0)));
        assert!(!holds([None, Some(0.0), Some(1.0), Some(2.0)], false, (0.0, 1.0)));
        let cut = [Some(-0.1), Some(0.0), Some(f64::from(0.3_f32)), Some(2.0)];
        let just = f64::from(0.3_f32) + 1e-9;
        assert!(holds(cut, true, (just, 1.0)) && !holds(cut, false, (just, 1.0)));
        assert!(!holds(cut, true, (0.301, 1.0)));
    }
}
