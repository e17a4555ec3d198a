use std::borrow::Cow;

use chrono::{DateTime, NaiveDate};
use datafusion::arrow::datatypes::{DataType, TimeUnit};

use crate::dataset::geometry::Shape;
use crate::model::ColumnType;

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(Cow<'a, str>),
    /// Text whose type is not told by its form: that of CSV.
    Untyped(Cow<'a, str>),
}

/// One row as an artifact has it.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// Its values by the names of their columns.
    pub(super) cells: Vec<(Cow<'a, str>, Cell<'a>)>,
    pub(super) geometry: Option<Shape>,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Integer,
    /// An integer within this many bits, as declared.
    Narrow(u8),
    Double,
    Text,
    Date,
    Time,
}

impl Kind {
    /// The narrowest kind that keeps a value.
    pub(super) fn of(cell: &Cell<'_>) -> Option<Self> {
        Some(match cell {
            Cell::Null => return None,
            Cell::Boolean(_) => Self::Boolean,
            Cell::Integer(_) => Self::Integer,
            Cell::Double(_) => Self::Double,
            Cell::Text(_) => Self::Text,
            Cell::Untyped(text) => Self::of_text(text),
        })
    }

    fn of_text(value: &str) -> Self {
        if matches!(value, "true" | "false") {
            return Self::Boolean;
        }
        let digits = value.strip_prefix('-').unwrap_or(value);
        let plain = digits.starts_with(|c: char| c.is_ascii_digit())
            && (digits.len() == 1 || !digits.starts_with('0') || digits.starts_with("0."));
        if plain && value.parse::<i64>().is_ok() {
            return Self::Integer;
        }
        // A number with more digits than a double holds would come out as another one.
        let significant = digits.bytes().filter(u8::is_ascii_digit).count();
        if plain && significant <= 15 && value.parse::<f64>().is_ok_and(f64::is_finite) {
            return Self::Double;
        }
        Self::Text
    }

    /// The kind that keeps values of both.
    pub(super) fn or_wider(self, other: Self) -> Self {
        self.joined(other).unwrap_or(Self::Text)
    }

    /// The kind of both, where one is at least a case of the other.
    pub(super) fn joined(self, other: Self) -> Option<Self> {
        match (self, other) {
            (kind, other) if kind == other => Some(kind),
            (Self::Integer, Self::Double) | (Self::Double, Self::Integer) => Some(Self::Double),
            _ => None,
        }
    }

    /// The kind that a job declares; `None` for one that no text can have.
    pub(super) fn declared(column: ColumnType) -> Option<Self> {
        Some(match column {
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Smallint => Self::Narrow(16),
            ColumnType::Integer => Self::Narrow(32),
            ColumnType::Bigint => Self::Integer,
            ColumnType::Real | ColumnType::Double => Self::Double,
            ColumnType::Text | ColumnType::Json => Self::Text,
            ColumnType::Date => Self::Date,
            ColumnType::Timestamptz => Self::Time,
            ColumnType::Bytea | ColumnType::Geometry => return None,
        })
    }

    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer | Self::Narrow(_) => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Text => DataType::Utf8,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        }
    }

    /// Whether a column of this kind can hold a value.
    pub(super) fn fits(self, cell: &Cell<'_>) -> bool {
        match self {
            _ if *cell == Cell::Null => true,
            Self::Boolean => boolean(cell).is_some(),
            Self::Integer => integer(cell).is_some(),
            Self::Narrow(bits) => integer(cell).is_some_and(|number| {
                let bound = 1_i64 << (bits - 1);
                (-bound..bound).contains(&number)
            }),
            Self::Double => double(cell).is_some(),
            Self::Text => true,
            Self::Date => date(cell).is_some(),
            Self::Time => time(cell).is_some(),
        }
    }

    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer | Self::Narrow(_) => "bigint",
            Self::Double => "double",
            Self::Text => "text",
            Self::Date => "date",
            Self::Time => "timestamptz",
        }
    }
}

pub(super) fn boolean(cell: &Cell<'_>) -> Option<bool> {
    match cell {
        Cell::Boolean(value) => Some(*value),
        Cell::Untyped(text) => text.parse().ok(),
        _ => None,
    }
}

pub(super) fn integer(cell: &Cell<'_>) -> Option<i64> {
    match cell {
        Cell::Integer(number) => Some(*number),
        Cell::Untyped(text) => text.parse().ok(),
        _ => None,
    }
}

pub(super) fn double(cell: &Cell<'_>) -> Option<f64> {
    match cell {
        #[expect(clippy::cast_precision_loss, reason = "a column with fractions is one of doubles")]
        Cell::Integer(number) => Some(*number as f64),
        Cell::Double(number) => Some(*number),
        Cell::Untyped(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

pub(super) fn text<'a>(cell: &'a Cell<'_>) -> Option<Cow<'a, str>> {
    match cell {
        Cell::Null => None,
        Cell::Boolean(value) => Some(value.to_string().into()),
        Cell::Integer(number) => Some(number.to_string().into()),
        // As JSON writes it.
        Cell::Double(number) => Some(serde_json::Value::from(*number).to_string().into()),
        Cell::Text(text) | Cell::Untyped(text) => Some(Cow::Borrowed(text)),
    }
}

/// Days since 1970.
pub(super) fn date(cell: &Cell<'_>) -> Option<i32> {
    let (Cell::Text(text) | Cell::Untyped(text)) = cell else { return None };
    let date: NaiveDate = text.parse().ok()?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// Microseconds since 1970; a time has to say its zone.
pub(super) fn time(cell: &Cell<'_>) -> Option<i64> {
    let (Cell::Text(text) | Cell::Untyped(text)) = cell else { return None };
    Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_the_narrowest_type_that_keeps_it() {
        let kinds = [
            ("true", Kind::Boolean),
            ("0", Kind::Integer),
            ("-12", Kind::Integer),
            ("01001", Kind::Text),
            ("+1", Kind::Text),
            ("9223372036854775808", Kind::Text),
            ("0.5", Kind::Double),
            ("-97.25", Kind::Double),
            ("1e5", Kind::Double),
            ("1.2345678901234567890", Kind::Text),
            ("NaN", Kind::Text),
            ("1 ", Kind::Text),
        ];
        for (value, kind) in kinds {
            assert_eq!(Kind::of(&Cell::Untyped(value.into())), Some(kind), "{value}");
        }
        assert_eq!(Kind::Integer.or_wider(Kind::Double), Kind::Double);
        assert_eq!(Kind::Integer.or_wider(Kind::Boolean), Kind::Text);
        assert_eq!(Kind::Integer.joined(Kind::Text), None);
    }

    #[test]
    fn a_declared_type_is_held() {
        let cases = [
            (ColumnType::Smallint, "32767", true),
            (ColumnType::Smallint, "32768", false),
            (ColumnType::Bigint, "1.5", false),
            (ColumnType::Double, "NaN", false),
            (ColumnType::Date, "2026-02-29", false),
            (ColumnType::Date, "2028-02-29", true),
            (ColumnType::Timestamptz, "2026-02-01T00:00:00", false),
            (ColumnType::Timestamptz, "2026-02-01T00:00:00Z", true),
            (ColumnType::Text, "anything", true),
        ];
        for (column, value, fits) in cases {
            let kind = Kind::declared(column).unwrap();
            assert_eq!(kind.fits(&Cell::Untyped(value.into())), fits, "{column:?} {value}");
            assert!(kind.fits(&Cell::Null));
        }
        assert_eq!(date(&Cell::Text("1970-01-02".into())), Some(1));
        assert_eq!(time(&Cell::Text("1970-01-01T01:00:00+01:00".into())), Some(0));
    }
}
