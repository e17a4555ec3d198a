use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, Date32Array, Float64Array, Int64Array,
    RecordBatch, StringViewArray, UInt64Array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Float64Type, Int64Type, TimeUnit, TimestampNanosecondType,
    UInt64Type,
};
use arrow::error::ArrowError;

use super::{RowEncoding, Rows};
use crate::model::{Code, Failure};

/// Encodes rows as their columns, whatever Arrow's physical types are.
///
/// Version 1. A row is its columns sorted by the bytes of their names. A column is
/// `u32 name length, name, u8 tag, u32 value length, value`; all numbers are little-endian.
///
/// | tag | value | of the Arrow types |
/// | --- | --- | --- |
/// | 0 | nothing | NULL of any type |
/// | 1 | one byte, 0 or 1 | Boolean |
/// | 2 | i64 | Int8 to Int64, `UInt8` to `UInt64` |
/// | 3 | u64 | `UInt64` above the largest i64 |
/// | 4 | f64; -0.0 is 0.0, NaN is refused | Float16, Float32, Float64 |
/// | 5 | UTF-8 | Utf8, `LargeUtf8`, `Utf8View` |
/// | 6 | bytes | Binary, `LargeBinary`, `BinaryView`, `FixedSizeBinary` |
/// | 7 | i64 days since 1970-01-01 | Date32, Date64 of whole days |
/// | 8 | i64 microseconds since 1970-01-01T00:00:00Z | Timestamp; without a zone it is UTC; parts of a microsecond are refused |
/// | 9 | decimal digits without trailing zeros after the point | Decimal |
///
/// A dictionary counts as its values. Any other type is refused.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ColumnEncoding;

/// Says why a row has no exact form.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ColumnError {
    /// Two columns of one name could not be told apart.
    #[error("failed to encode the rows: two columns are named `{name}`")]
    Ambiguous { name: String },
    /// No rule for the type.
    #[error("failed to encode column `{name}`: the type {data_type} has no exact form")]
    Type { name: String, data_type: DataType },
    /// No exact form of one value. The value itself may be confidential and is not shown.
    #[error("failed to encode column `{name}`: a value is {what}")]
    Value { name: String, what: &'static str },
    /// Arrow could not bring the column to its widest type.
    #[error("failed to widen column `{name}`")]
    Widen { name: String, source: ArrowError },
}

impl From<ColumnError> for Failure {
    fn from(error: ColumnError) -> Self {
        Self::permanent(Code::StepFailed, error.to_string()).because(&error).hint(match &error {
            ColumnError::Ambiguous { .. } => "give each column of the query a name of its own",
            ColumnError::Type { .. } => "cast the column in the query to a number, text or bytes",
            ColumnError::Value { .. } | ColumnError::Widen { .. } => {
                "filter the value or turn it into NULL in the query"
            }
        })
    }
}

impl RowEncoding for ColumnEncoding {
    fn name(&self) -> &'static str {
        "columns"
    }

    fn encode(&self, batch: &RecordBatch) -> Result<Rows, Failure> {
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
            columns.push(Column::new(field.name(), array)?);
        }
        columns.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = columns.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(ColumnError::Ambiguous { name: pair[0].name.clone() }.into());
        }
        let mut rows = Rows::default();
        rows.ends.reserve(batch.num_rows());
        for row in 0..batch.num_rows() {
            for column in &columns {
                column.append(row, &mut rows.bytes)?;
            }
            rows.end_row();
        }
        Ok(rows)
    }
}

/// A column in the widest type of its kind.
enum Cells {
    Nothing,
    Bool(BooleanArray),
    Int(Int64Array),
    Unsigned(UInt64Array),
    Float(Float64Array),
    Text(StringViewArray),
    Bytes(BinaryViewArray),
    Date(Date32Array),
    Instant(Int64Array),
    Decimal(StringViewArray),
}

struct Column {
    name: String,
    /// What stands before the tag in every row.
    head: Vec<u8>,
    cells: Cells,
}

impl Column {
    fn new(name: &str, array: &ArrayRef) -> Result<Self, ColumnError> {
        let mut head = length(name.len(), name)?.to_vec();
        head.extend_from_slice(name.as_bytes());
        Ok(Self { name: name.to_owned(), head, cells: widen(name, array)? })
    }

    fn append(&self, row: usize, out: &mut Vec<u8>) -> Result<(), ColumnError> {
        out.extend_from_slice(&self.head);
        match &self.cells {
            Cells::Bool(cells) if cells.is_valid(row) => {
                self.value(1, &[u8::from(cells.value(row))], out)
            }
            Cells::Int(cells) if cells.is_valid(row) => {
                self.value(2, &cells.value(row).to_le_bytes(), out)
            }
            Cells::Unsigned(cells) if cells.is_valid(row) => {
                let value = cells.value(row);
                let tag = if i64::try_from(value).is_ok() { 2 } else { 3 };
                self.value(tag, &value.to_le_bytes(), out)
            }
            Cells::Float(cells) if cells.is_valid(row) => {
                let value = cells.value(row);
                if value.is_nan() {
                    return Err(ColumnError::Value { name: self.name.clone(), what: "NaN" });
                }
                let value = if value == 0.0 { 0.0 } else { value };
                self.value(4, &value.to_le_bytes(), out)
            }
            Cells::Text(cells) if cells.is_valid(row) => {
                self.value(5, cells.value(row).as_bytes(), out)
            }
            Cells::Bytes(cells) if cells.is_valid(row) => self.value(6, cells.value(row), out),
            Cells::Date(cells) if cells.is_valid(row) => {
                self.value(7, &i64::from(cells.value(row)).to_le_bytes(), out)
            }
            Cells::Instant(cells) if cells.is_valid(row) => {
                self.value(8, &cells.value(row).to_le_bytes(), out)
            }
            Cells::Decimal(cells) if cells.is_valid(row) => {
                self.value(9, shortest(cells.value(row)).as_bytes(), out)
            }
            _ => self.value(0, &[], out),
        }
    }

    fn value(&self, tag: u8, value: &[u8], out: &mut Vec<u8>) -> Result<(), ColumnError> {
        out.push(tag);
        out.extend_from_slice(&length(value.len(), &self.name)?);
        out.extend_from_slice(value);
        Ok(())
    }
}

fn length(length: usize, name: &str) -> Result<[u8; 4], ColumnError> {
    match u32::try_from(length) {
        Ok(length) => Ok(length.to_le_bytes()),
        Err(_) => Err(ColumnError::Value { name: name.to_owned(), what: "longer than 4 GiB" }),
    }
}

/// A decimal without the zeros that only its scale asks for.
fn shortest(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

fn widen(name: &str, array: &ArrayRef) -> Result<Cells, ColumnError> {
    let to = |data_type: &DataType| {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(array, data_type, &options)
            .map_err(|source| ColumnError::Widen { name: name.to_owned(), source })
    };
    let refuse = |what| Err(ColumnError::Value { name: name.to_owned(), what });
    Ok(match array.data_type() {
        DataType::Null => Cells::Nothing,
        DataType::Boolean => Cells::Bool(array.as_boolean().clone()),
        DataType::UInt64 => Cells::Unsigned(array.as_primitive::<UInt64Type>().clone()),
        integer if integer.is_integer() => {
            Cells::Int(to(&DataType::Int64)?.as_primitive::<Int64Type>().clone())
        }
        float if float.is_floating() => {
            Cells::Float(to(&DataType::Float64)?.as_primitive::<Float64Type>().clone())
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            Cells::Text(to(&DataType::Utf8View)?.as_string_view().clone())
        }
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => {
            Cells::Bytes(to(&DataType::BinaryView)?.as_binary_view().clone())
        }
        DataType::Date64 if has_rest(array.as_primitive::<Date64Type>(), 86_400_000) => {
            return refuse("a date with a time of day");
        }
        DataType::Date32 | DataType::Date64 => {
            Cells::Date(to(&DataType::Date32)?.as_primitive::<Date32Type>().clone())
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _)
            if has_rest(array.as_primitive::<TimestampNanosecondType>(), 1000) =>
        {
            return refuse("a time with parts of a microsecond");
        }
        DataType::Timestamp(_, zone) => {
            let micros = to(&DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
            Cells::Instant(
                micros
                    .as_primitive::<arrow::datatypes::TimestampMicrosecondType>()
                    .reinterpret_cast(),
            )
        }
        decimal if decimal.is_decimal() => {
            Cells::Decimal(to(&DataType::Utf8View)?.as_string_view().clone())
        }
        DataType::Dictionary(_, values) => return widen(name, &to(values)?),
        other => {
            return Err(ColumnError::Type { name: name.to_owned(), data_type: other.clone() });
        }
    })
}

fn has_rest<T>(array: &arrow::array::PrimitiveArray<T>, unit: i64) -> bool
where
    T: arrow::datatypes::ArrowPrimitiveType<Native = i64>,
{
    array.iter().flatten().any(|value| value % unit != 0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BinaryArray, Decimal128Array, DictionaryArray, Float32Array, Int16Array, Int32Array,
        LargeStringArray, ListArray, StringArray, TimestampMillisecondArray,
        TimestampNanosecondArray, UInt8Array,
    };
    use arrow::datatypes::Int32Type as Key;

    use super::*;

    fn encode(columns: Vec<(&str, ArrayRef)>) -> Result<Rows, Failure> {
        ColumnEncoding.encode(
            &RecordBatch::try_from_iter_with_nullable(
                columns.into_iter().map(|(name, array)| (name, array, true)),
            )
            .unwrap(),
        )
    }

    fn one(array: impl Array + 'static) -> Rows {
        encode(vec![("c", Arc::new(array))]).unwrap()
    }

    #[test]
    fn a_row_has_the_documented_bytes() {
        let rows = encode(vec![
            ("n", Arc::new(Int16Array::from(vec![Some(258), None]))),
            ("a", Arc::new(StringArray::from(vec!["é", ""]))),
        ])
        .unwrap();
        let expected: [&[u8]; 2] = [
            b"\x01\0\0\0a\x05\x02\0\0\0\xc3\xa9\x01\0\0\0n\x02\x08\0\0\0\x02\x01\0\0\0\0\0\0",
            b"\x01\0\0\0a\x05\0\0\0\0\x01\0\0\0n\0\0\0\0\0",
        ];
        assert_eq!(rows.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn physical_variants_are_equal_and_kinds_are_not() {
        let text = one(StringArray::from(vec![Some("x"), None]));
        assert_eq!(one(LargeStringArray::from(vec![Some("x"), None])), text);
        assert_eq!(one(StringViewArray::from(vec![Some("x"), None])), text);
        let keys: DictionaryArray<Key> = vec![Some("x"), None].into_iter().collect();
        assert_eq!(one(keys), text);
        let bytes = one(BinaryArray::from(vec![Some(&b"x"[..]), None]));
        assert_eq!(one(BinaryViewArray::from(vec![Some(&b"x"[..]), None])), bytes);
        assert_ne!(bytes, text);
        let seven = one(Int32Array::from(vec![7]));
        assert_eq!(one(UInt8Array::from(vec![7])), seven);
        assert_eq!(one(UInt64Array::from(vec![7])), seven);
        assert_ne!(one(Float64Array::from(vec![7.0])), seven);
        assert_ne!(one(UInt64Array::from(vec![u64::MAX])), one(Int64Array::from(vec![-1])));
        assert_eq!(one(Float32Array::from(vec![-0.0])), one(Float64Array::from(vec![0.0])));
        assert_ne!(one(StringArray::from(vec![""])), one(StringArray::from(vec![None::<&str>])));
        let millis = TimestampMillisecondArray::from(vec![5]).with_timezone("America/Chicago");
        assert_eq!(one(millis), one(TimestampNanosecondArray::from(vec![5_000_000])));
        let decimal = |value, scale| {
            one(Decimal128Array::from(vec![value]).with_precision_and_scale(20, scale).unwrap())
        };
        assert_eq!(decimal(150, 2), decimal(15, 1));
        assert_eq!(decimal(1000, 1), decimal(100, 0));
        assert_ne!(decimal(100, 0), decimal(10, 0));
    }

    #[test]
    fn what_has_no_exact_form_is_refused() {
        let refused: Vec<ArrayRef> = vec![
            Arc::new(Float64Array::from(vec![f64::NAN])),
            Arc::new(TimestampNanosecondArray::from(vec![1])),
            Arc::new(arrow::array::Date64Array::from(vec![1])),
            Arc::new(ListArray::from_iter_primitive::<Key, _, _>(vec![Some(vec![Some(1)])])),
        ];
        for array in refused {
            let failure = encode(vec![("secret", array)]).unwrap_err();
            assert!(failure.message.contains("`secret`"), "{failure}");
            assert!(failure.hint.is_some());
        }
    }

    #[test]
    fn columns_are_told_apart_by_name() {
        let x: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        let y: ArrayRef = Arc::new(StringArray::from(vec!["y"]));
        let a = encode(vec![("a", x.clone()), ("b", y.clone())]).unwrap();
        assert_eq!(encode(vec![("b", y.clone()), ("a", x.clone())]).unwrap(), a);
        assert_ne!(encode(vec![("b", x.clone()), ("a", y)]).unwrap(), a);
        assert!(encode(vec![("a", x.clone()), ("a", x)]).is_err());
    }
}
