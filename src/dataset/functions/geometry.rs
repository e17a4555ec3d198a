use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{exec_datafusion_err, internal_err, plan_datafusion_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use serde_json::{Value, json};

use crate::dataset::crs::{Crs, Transform};
use crate::dataset::geometry::{Dimensions, Part, Shape, judge, read, repair, write};
use crate::dataset::source::wkb_of;

/// Registers `ST_MakeLine(from, to)`, `ST_MakeValid(geometry)`, `ST_SetSRID(geometry, srid)` and
/// `ST_Transform(geometry, [from,] to)`. They give WKB; NULL in a geometry gives NULL; SRIDs are
/// written as numbers. The last two name the reference system in the metadata of their column.
pub(super) fn register(context: &SessionContext) {
    for call in [Call::MakeLine, Call::MakeValid, Call::SetSrid, Call::Transform] {
        context.register_udf(ScalarUDF::from(Function::new(call)));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Call {
    MakeLine,
    MakeValid,
    SetSrid,
    Transform,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Function {
    call: Call,
    signature: Signature,
}

/// The metadata of a field that name its extension type.
const NAME: &str = "ARROW:extension:name";
const METADATA: &str = "ARROW:extension:metadata";

/// The reference system that the metadata of a column name.
pub(in crate::dataset) fn crs_of(field: &Field) -> Option<Crs> {
    let metadata: Value = serde_json::from_str(field.metadata().get(METADATA)?).ok()?;
    Crs::of_json(metadata.get("crs")?)
}

impl Function {
    fn new(call: Call) -> Self {
        let signature = match call {
            Call::MakeValid => Signature::any(1, Volatility::Immutable),
            Call::MakeLine | Call::SetSrid => Signature::any(2, Volatility::Immutable),
            Call::Transform => Signature::one_of(
                vec![TypeSignature::Any(2), TypeSignature::Any(3)],
                Volatility::Immutable,
            ),
        };
        Self { call, signature }
    }

    /// From and to, which are numbers in the query itself.
    fn systems(&self, args: &[Option<i64>], field: &Field) -> Result<(Option<Crs>, Option<Crs>)> {
        let srid = |at: usize| {
            let number = args.get(at).copied().flatten().and_then(|n| u32::try_from(n).ok());
            number
                .map(Crs)
                .ok_or_else(|| plan_datafusion_err!("{} takes an SRID as a number", self.name()))
        };
        Ok(match (self.call, args.len()) {
            (Call::MakeLine | Call::MakeValid, _) => (crs_of(field), crs_of(field)),
            (Call::SetSrid, _) => (None, Some(srid(1)?)),
            (Call::Transform, 3) => (Some(srid(1)?), Some(srid(2)?)),
            (Call::Transform, _) => (crs_of(field), Some(srid(1)?)),
        })
    }
}

fn number(value: &ScalarValue) -> Option<i64> {
    match value.cast_to(&DataType::Int64).ok()? {
        ScalarValue::Int64(number) => number,
        _ => None,
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        match self.call {
            Call::MakeLine => "st_makeline",
            Call::MakeValid => "st_makevalid",
            Call::SetSrid => "st_setsrid",
            Call::Transform => "st_transform",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the field is told from the arguments")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let scalars = args.scalar_arguments.iter().map(|it| it.and_then(number));
        let (from, to) = self.systems(&scalars.collect::<Vec<_>>(), &args.arg_fields[0])?;
        if self.call == Call::Transform {
            let Some((from, to)) = from.zip(to) else {
                return plan_err!(
                    "ST_Transform does not know what its geometry is in; write \
                     ST_Transform(geometry, from, to)"
                );
            };
            Transform::new(from, to).map_err(|error| plan_datafusion_err!("{error}"))?;
        }
        let mut field = Field::new(self.name(), DataType::Binary, true);
        if let Some(crs) = to {
            let crs = json!({ "crs": crs.to_string(), "crs_type": "authority_code" });
            field = field.with_metadata(
                [
                    (NAME.to_owned(), "geoarrow.wkb".to_owned()),
                    (METADATA.to_owned(), crs.to_string()),
                ]
                .into(),
            );
        }
        Ok(Arc::new(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalars = args.args.iter().map(|arg| match arg {
            ColumnarValue::Scalar(value) => number(value),
            ColumnarValue::Array(_) => None,
        });
        let scalars: Vec<_> = scalars.collect();
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let first = wkb_of(&arrays[0], &args.arg_fields[0])?;
        let out = match self.call {
            Call::MakeLine => lines(&first, &wkb_of(&arrays[1], &args.arg_fields[1])?)?,
            Call::MakeValid => each(&first, made_valid)?,
            Call::SetSrid => each(&first, |_| Ok(()))?,
            Call::Transform => {
                let (from, to) = self.systems(&scalars, &args.arg_fields[0])?;
                let Some((from, to)) = from.zip(to) else { return internal_err!("no system") };
                let transform =
                    Transform::new(from, to).map_err(|error| exec_datafusion_err!("{error}"))?;
                each(&first, |shape| moved(shape, &transform, to))?
            }
        };
        if args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_))) {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&out, 0)?));
        }
        Ok(ColumnarValue::Array(out))
    }
}

/// Reads, changes and writes every geometry. No error quotes one.
pub(in crate::dataset) fn each(
    column: &ArrayRef,
    change: impl Fn(&mut Shape) -> Result<()>,
) -> Result<ArrayRef> {
    let (mut out, mut wkb) = (BinaryBuilder::new(), Vec::new());
    for bytes in column.as_binary_view() {
        let Some(bytes) = bytes else {
            out.append_null();
            continue;
        };
        let mut shape = read(bytes).map_err(|why| exec_datafusion_err!("{why}"))?;
        change(&mut shape)?;
        wkb.clear();
        write(&shape, &mut wkb);
        out.append_value(&wkb);
    }
    Ok(Arc::new(out.finish()))
}

pub(in crate::dataset) fn moved(shape: &mut Shape, transform: &Transform, to: Crs) -> Result<()> {
    if shape.change(|position| transform.apply(position)) {
        return Ok(());
    }
    Err(exec_datafusion_err!("a geometry lies where {to} cannot say"))
}

/// Degrees or not is not known here, so nothing is cut at the antimeridian.
fn made_valid(shape: &mut Shape) -> Result<()> {
    let Some(defect) = judge(shape, false) else { return Ok(()) };
    *shape = repair(shape, defect, false)
        .ok_or_else(|| exec_datafusion_err!("a geometry cannot be made valid: {defect}"))?;
    Ok(())
}

fn lines(from: &ArrayRef, to: &ArrayRef) -> Result<ArrayRef> {
    let (from, to) = (from.as_binary_view(), to.as_binary_view());
    let (mut out, mut wkb) = (BinaryBuilder::new(), Vec::new());
    let point = |bytes: &[u8]| match read(bytes).map(|shape| (shape.dimensions, shape.part)) {
        Ok((dimensions, Part::Point(Some(position)))) => Ok((dimensions, position)),
        _ => Err(exec_datafusion_err!("ST_MakeLine takes two points")),
    };
    for row in 0..from.len() {
        if from.is_null(row) || to.is_null(row) {
            out.append_null();
            continue;
        }
        let (start, end) = (point(from.value(row))?, point(to.value(row))?);
        // A height of one end alone says nothing of the line.
        let dimensions = if start.0 == end.0 { start.0 } else { Dimensions::Xy };
        wkb.clear();
        write(&Shape { dimensions, part: Part::Line(vec![start.1, end.1]) }, &mut wkb);
        out.append_value(&wkb);
    }
    Ok(Arc::new(out.finish()))
}
