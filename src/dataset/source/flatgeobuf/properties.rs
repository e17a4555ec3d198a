use std::fmt::Write;
use std::str;

use flatgeobuf::{Column, ColumnType, Header};

use crate::dataset::defect::Defect;
use crate::dataset::source::cell::{Cell, Kind};

/// The columns that the values of a feature point at.
pub(super) struct Columns<'a>(Vec<(&'a str, ColumnType)>);

impl<'a> Columns<'a> {
    pub(super) fn of(header: &Header<'a>) -> Self {
        header.columns().map_or(Self(Vec::new()), |columns| Self::of_vector(columns.iter()))
    }

    pub(super) fn of_vector(columns: impl Iterator<Item = Column<'a>>) -> Self {
        Self(columns.map(|column| (column.name(), column.type_())).collect())
    }

    /// The columns for a table.
    pub(super) fn kinds(&self) -> Vec<(String, Option<Kind>)> {
        let kind = |kind: ColumnType| match kind {
            ColumnType::Bool => Some(Kind::Boolean),
            ColumnType::Float | ColumnType::Double => Some(Kind::Double),
            // One that no integer of ours holds is told by its values.
            ColumnType::ULong => None,
            ColumnType::String | ColumnType::Json | ColumnType::DateTime | ColumnType::Binary => {
                Some(Kind::Text)
            }
            _ => Some(Kind::Integer),
        };
        self.0.iter().map(|(name, of)| ((*name).to_owned(), kind(*of))).collect()
    }

    /// The values: each after the number of its column.
    pub(super) fn cells(&self, bytes: &'a [u8]) -> Result<Vec<(&'a str, Cell<'a>)>, Defect> {
        let mut cells = Vec::with_capacity(self.0.len());
        let mut values = Values(bytes);
        // Some writers leave a byte behind.
        while values.0.len() > 1 {
            let column = u16::from_le_bytes(values.take()?);
            let (name, kind) = self.0.get(usize::from(column)).ok_or(Defect::MalformedRow)?;
            cells.push((*name, values.cell(*kind)?));
        }
        Ok(cells)
    }
}

struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Defect> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Defect::MalformedRow)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Defect> {
        let length = u32::from_le_bytes(self.take()?) as usize;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Defect::MalformedRow)?;
        self.0 = rest;
        Ok(taken)
    }

    fn cell(&mut self, kind: ColumnType) -> Result<Cell<'a>, Defect> {
        Ok(match kind {
            ColumnType::Byte => Cell::Integer(i8::from_le_bytes(self.take()?).into()),
            ColumnType::UByte => Cell::Integer(u8::from_le_bytes(self.take()?).into()),
            ColumnType::Bool => Cell::Boolean(self.take::<1>()? != [0]),
            ColumnType::Short => Cell::Integer(i16::from_le_bytes(self.take()?).into()),
            ColumnType::UShort => Cell::Integer(u16::from_le_bytes(self.take()?).into()),
            ColumnType::Int => Cell::Integer(i32::from_le_bytes(self.take()?).into()),
            ColumnType::UInt => Cell::Integer(u32::from_le_bytes(self.take()?).into()),
            ColumnType::Long => Cell::Integer(i64::from_le_bytes(self.take()?)),
            ColumnType::ULong => {
                let number = u64::from_le_bytes(self.take()?);
                i64::try_from(number)
                    .map_or_else(|_| Cell::Text(number.to_string().into()), Cell::Integer)
            }
            ColumnType::Float => Cell::Double(f32::from_le_bytes(self.take()?).into()),
            ColumnType::Double => Cell::Double(f64::from_le_bytes(self.take()?)),
            ColumnType::String | ColumnType::Json | ColumnType::DateTime => {
                let text = str::from_utf8(self.bytes()?).or(Err(Defect::BadEncoding))?;
                Cell::Text(text.into())
            }
            ColumnType::Binary => {
                let mut hex = String::new();
                for byte in self.bytes()? {
                    write!(hex, "{byte:02x}").or(Err(Defect::MalformedRow))?;
                }
                Cell::Text(hex.into())
            }
            _ => return Err(Defect::MalformedRow),
        })
    }
}
