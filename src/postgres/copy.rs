//! Turns Arrow batches into the tuples of a binary COPY. PostgreSQL sends the same bytes back, so
//! they are both what is loaded and what is proven.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, BinaryViewArray, BooleanArray, Date32Array, Float32Array,
    Float64Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringViewArray,
};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{
    DataType, Int64Type, Schema, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow::error::ArrowError;

use super::ewkb::{EwkbError, Kind, normalise};
use crate::model::{Code, Column, ColumnType, Failure};

/// Days and microseconds from 1970 to 2000, where PostgreSQL's count begins.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// The range of PostgreSQL's dates and times, from 2000; beyond it lie its infinities.
const DAYS: std::ops::Range<i32> = -2_451_545..2_145_031_949;
const MICROS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// Why rows cannot be stored as declared. Names columns and rows, never a value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// The query does not give what the sink declares.
    #[error("the query gives no column for {}", .0.join(", "))]
    Missing(Vec<String>),
    /// The types do not go together.
    #[error("column {column} is {found}, which is no {declared}")]
    Type {
        /// The column.
        column: String,
        /// The type that the query gives.
        found: String,
        /// The type that the sink declares.
        declared: String,
    },
    /// More columns than a tuple can have.
    #[error("a table has at most 1600 columns")]
    TooMany,
    /// A value has no exact form.
    #[error("column {column}, row {row} of its batch: {why}")]
    Value {
        /// The column.
        column: String,
        /// The row, from 0.
        row: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The declared geometry makes no sense.
    #[error("column {column}: {why}")]
    Geometry {
        /// The column.
        column: String,
        /// What is wrong with it.
        why: EwkbError,
    },
}

impl From<CopyError> for Failure {
    fn from(error: CopyError) -> Self {
        let hint = match &error {
            CopyError::Missing(_) => "give each declared column by its name in the job's query",
            CopyError::Type { .. } => {
                "cast it in the job's query; a geometry is WKB, made by ST_AsBinary"
            }
            CopyError::Value { .. } => "filter or repair such rows in the job's query",
            CopyError::TooMany | CopyError::Geometry { .. } => "correct the columns of the sink",
        };
        Self::permanent(Code::StepFailed, format!("failed to encode rows: {error}")).hint(hint)
    }
}

/// Encodes batches for one table.
#[derive(Debug)]
pub(crate) struct CopyEncoder {
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    column: Column,
    /// Its position in the query's result.
    index: usize,
    kind: Kind,
    srid: i32,
}

/// What a column's `geometry` says, by default any in two dimensions.
pub(crate) fn geometry_kind(column: &Column) -> Result<Kind, CopyError> {
    column
        .geometry
        .as_deref()
        .unwrap_or("Geometry")
        .parse()
        .map_err(|why| CopyError::Geometry { column: column.name.clone(), why })
}

impl CopyEncoder {
    /// Finds the declared columns in the query's result.
    pub(crate) fn new(columns: &[Column], schema: &Schema) -> Result<Self, CopyError> {
        if columns.len() > 1600 {
            return Err(CopyError::TooMany);
        }
        let found = |column: &Column| schema.index_of(&column.name).ok();
        let missing = columns.iter().filter(|column| found(column).is_none());
        let missing: Vec<String> = missing.map(|column| column.name.clone()).collect();
        if !missing.is_empty() {
            return Err(CopyError::Missing(missing));
        }
        let fields = columns.iter().filter_map(|column| Some((column, found(column)?)));
        let fields = fields.map(|(column, index)| {
            check_type(column, schema.field(index).data_type())?;
            let (kind, srid) = (geometry_kind(column)?, column.srid.unwrap_or(4326));
            Ok(Field { column: column.clone(), index, kind, srid })
        });
        Ok(Self { fields: fields.collect::<Result<_, _>>()? })
    }

    /// Appends the tuple of each row to `bytes`, and where it ends to `ends`.
    pub(crate) fn encode(
        &self,
        batch: &RecordBatch,
        bytes: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<(), CopyError> {
        let cells = self.fields.iter().map(|field| field.cells(batch.column(field.index)));
        let cells = cells.collect::<Result<Vec<_>, _>>()?;
        let count = i16::try_from(cells.len()).ok().ok_or(CopyError::TooMany)?;
        bytes.reserve(batch.num_rows() * (2 + 12 * cells.len()));
        ends.reserve(batch.num_rows());
        for row in 0..batch.num_rows() {
            bytes.extend_from_slice(&count.to_be_bytes());
            for (field, cells) in self.fields.iter().zip(&cells) {
                field.write(cells, row, bytes)?;
            }
            ends.push(bytes.len());
        }
        Ok(())
    }
}

/// A column in the one Arrow type of its declared type.
enum Cells {
    Bool(BooleanArray),
    I16(Int16Array),
    I32(Int32Array),
    I64(Int64Array),
    F32(Float32Array),
    F64(Float64Array),
    Text(StringViewArray),
    Bytes(BinaryViewArray),
    Geometry(BinaryViewArray),
    Date(Date32Array),
    Micros(Int64Array),
}

fn canonical(declared: ColumnType) -> DataType {
    match declared {
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Smallint => DataType::Int16,
        ColumnType::Integer => DataType::Int32,
        ColumnType::Bigint => DataType::Int64,
        ColumnType::Real => DataType::Float32,
        ColumnType::Double => DataType::Float64,
        ColumnType::Text | ColumnType::Json => DataType::Utf8View,
        ColumnType::Bytea | ColumnType::Geometry => DataType::BinaryView,
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamptz => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))
        }
    }
}

/// Refuses what Arrow would cast with loss (a fraction to an integer) or by another meaning (text
/// to bytes).
fn check_type(column: &Column, given: &DataType) -> Result<(), CopyError> {
    let plain = match given {
        DataType::Dictionary(_, values) => values.as_ref(),
        plain => plain,
    };
    let text = matches!(plain, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let binary = matches!(
        plain,
        DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
    );
    let fits = *plain == DataType::Null
        || match column.data_type {
            ColumnType::Boolean => *plain == DataType::Boolean,
            ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint => plain.is_integer(),
            ColumnType::Real | ColumnType::Double => plain.is_numeric(),
            ColumnType::Text | ColumnType::Json => text,
            ColumnType::Bytea | ColumnType::Geometry => binary,
            ColumnType::Date => matches!(plain, DataType::Date32 | DataType::Date64) || text,
            ColumnType::Timestamptz => {
                text || matches!(
                    plain,
                    DataType::Timestamp(..) | DataType::Date32 | DataType::Date64
                )
            }
        };
    if fits {
        return Ok(());
    }
    Err(CopyError::Type {
        column: column.name.clone(),
        found: given.to_string(),
        declared: format!("{:?}", column.data_type).to_lowercase(),
    })
}

impl Field {
    fn bad(&self, row: usize, why: impl Into<String>) -> CopyError {
        CopyError::Value { column: self.column.name.clone(), row, why: why.into() }
    }

    /// Casts; where a value does not survive, its row is named.
    fn cast(&self, array: &ArrayRef) -> Result<ArrayRef, CopyError> {
        let mistyped = |_: ArrowError| CopyError::Type {
            column: self.column.name.clone(),
            found: array.data_type().to_string(),
            declared: format!("{:?}", self.column.data_type).to_lowercase(),
        };
        // A dictionary first becomes what it stands for: an unused value must not fail the cast.
        let array = match array.data_type() {
            DataType::Dictionary(_, values) => cast(array, values).map_err(mistyped)?,
            _ => Arc::clone(array),
        };
        if let DataType::Timestamp(unit, _) = array.data_type() {
            return self.micros(&array, *unit);
        }
        let wanted = canonical(self.column.data_type);
        if *array.data_type() == wanted {
            return Ok(array);
        }
        // What does not fit becomes NULL, because Arrow's own error quotes the value.
        let options = CastOptions { safe: true, ..CastOptions::default() };
        let cast = cast_with_options(&array, &wanted, &options).map_err(mistyped)?;
        if cast.null_count() > array.logical_null_count()
            && let Some(row) = (0..cast.len()).find(|&row| {
                cast.is_null(row) && !array.logical_nulls().is_some_and(|nulls| nulls.is_null(row))
            })
        {
            return Err(self.bad(row, "the value does not fit the declared type"));
        }
        Ok(cast)
    }

    /// Microseconds from 1970 in UTC; nanoseconds are cut.
    fn micros(&self, array: &ArrayRef, unit: TimeUnit) -> Result<ArrayRef, CopyError> {
        let (values, scale) = match unit {
            TimeUnit::Second => {
                (array.as_primitive::<TimestampSecondType>().reinterpret_cast(), 1_000_000)
            }
            TimeUnit::Millisecond => {
                (array.as_primitive::<TimestampMillisecondType>().reinterpret_cast(), 1_000)
            }
            TimeUnit::Microsecond => {
                (array.as_primitive::<TimestampMicrosecondType>().reinterpret_cast(), 1)
            }
            TimeUnit::Nanosecond => {
                let nanos: Int64Array =
                    array.as_primitive::<TimestampNanosecondType>().reinterpret_cast();
                return Ok(Arc::new(nanos.unary::<_, Int64Type>(|n| n.div_euclid(1_000))));
            }
        };
        let values: Int64Array = values;
        let wide = |row| values.is_valid(row) && values.value(row).checked_mul(scale).is_none();
        if let Some(row) = (0..values.len()).find(|&row| wide(row)) {
            return Err(self.bad(row, "the time is out of range"));
        }
        Ok(Arc::new(values.unary::<_, Int64Type>(|value| value.wrapping_mul(scale))))
    }

    fn cells(&self, array: &ArrayRef) -> Result<Cells, CopyError> {
        let array = self.cast(array)?;
        if self.column.not_null
            && let Some(nulls) = array.logical_nulls()
            && let Some(row) = (0..array.len()).find(|&row| nulls.is_null(row))
        {
            return Err(self.bad(row, "NULL in a column that is not null"));
        }
        Ok(match self.column.data_type {
            ColumnType::Boolean => Cells::Bool(array.as_boolean().clone()),
            ColumnType::Smallint => Cells::I16(array.as_primitive().clone()),
            ColumnType::Integer => Cells::I32(array.as_primitive().clone()),
            ColumnType::Bigint => Cells::I64(array.as_primitive().clone()),
            ColumnType::Real => Cells::F32(array.as_primitive().clone()),
            ColumnType::Double => Cells::F64(array.as_primitive().clone()),
            ColumnType::Text | ColumnType::Json => Cells::Text(array.as_string_view().clone()),
            ColumnType::Bytea => Cells::Bytes(array.as_binary_view().clone()),
            ColumnType::Geometry => Cells::Geometry(array.as_binary_view().clone()),
            ColumnType::Date => Cells::Date(array.as_primitive().clone()),
            ColumnType::Timestamptz => Cells::Micros(match array.data_type() {
                DataType::Int64 => array.as_primitive().clone(),
                _ => array.as_primitive::<TimestampMicrosecondType>().reinterpret_cast(),
            }),
        })
    }

    fn write(&self, cells: &Cells, row: usize, out: &mut Vec<u8>) -> Result<(), CopyError> {
        macro_rules! fixed {
            ($array:expr, $check:expr) => {{
                if $array.is_null(row) {
                    null(out);
                } else {
                    let value = $check($array.value(row))?.to_be_bytes();
                    put(out, &value);
                }
            }};
        }
        match cells {
            Cells::Bool(array) if array.is_null(row) => null(out),
            Cells::Bool(array) => put(out, &[u8::from(array.value(row))]),
            Cells::I16(array) => fixed!(array, Ok::<_, CopyError>),
            Cells::I32(array) => fixed!(array, Ok::<_, CopyError>),
            Cells::I64(array) => fixed!(array, Ok::<_, CopyError>),
            Cells::F32(array) => fixed!(array, |v: f32| self.number(row, v, v.is_nan())),
            Cells::F64(array) => fixed!(array, |v: f64| self.number(row, v, v.is_nan())),
            Cells::Date(array) => fixed!(array, |v: i32| {
                let days = v.checked_sub(EPOCH_DAYS).filter(|days| DAYS.contains(days));
                days.ok_or_else(|| self.bad(row, "the date is out of range"))
            }),
            Cells::Micros(array) => fixed!(array, |v: i64| {
                let micros = v.checked_sub(EPOCH_MICROS).filter(|micros| MICROS.contains(micros));
                micros.ok_or_else(|| self.bad(row, "the time is out of range"))
            }),
            Cells::Text(array) if array.is_null(row) => null(out),
            Cells::Text(array) => {
                let text = array.value(row).as_bytes();
                if text.contains(&0) {
                    return Err(self.bad(row, "a NUL in text"));
                }
                self.sized(row, text, out)?;
            }
            Cells::Bytes(array) | Cells::Geometry(array) if array.is_null(row) => null(out),
            Cells::Bytes(array) => self.sized(row, array.value(row), out)?,
            Cells::Geometry(array) => self.geometry(row, array.value(row), out)?,
        }
        Ok(())
    }

    fn number<T>(&self, row: usize, value: T, is_nan: bool) -> Result<T, CopyError> {
        if is_nan { Err(self.bad(row, "the number is NaN")) } else { Ok(value) }
    }

    fn sized(&self, row: usize, value: &[u8], out: &mut Vec<u8>) -> Result<(), CopyError> {
        let length = self.length(row, value.len())?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(value);
        Ok(())
    }

    fn length(&self, row: usize, length: usize) -> Result<i32, CopyError> {
        // PostgreSQL holds at most 1 GiB in one value.
        let fits = i32::try_from(length).ok().filter(|&length| length < 1 << 30);
        fits.ok_or_else(|| self.bad(row, "the value is larger than 1 GiB"))
    }

    fn geometry(&self, row: usize, wkb: &[u8], out: &mut Vec<u8>) -> Result<(), CopyError> {
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        normalise(wkb, self.kind, self.srid, out).map_err(|why| self.bad(row, why.to_string()))?;
        let length = self.length(row, out.len() - at - 4)?;
        out[at..at + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(&(-1i32).to_be_bytes());
}

/// Writes a value of a few bytes with its length.
fn put(out: &mut Vec<u8>, value: &[u8]) {
    let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
    out.extend_from_slice(&[0, 0, 0, length]);
    out.extend_from_slice(value);
}
