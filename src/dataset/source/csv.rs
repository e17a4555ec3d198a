use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig};
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;

use super::open::{Files, Opened};
use crate::dataset::DatasetError;

/// Opens CSV files with a header as one table; an empty field is NULL.
///
/// A column's type is told from all of its values, and is the narrowest that keeps each of them:
/// boolean, integer or double; else text. So `007` stays what it is.
pub(super) async fn open(context: &SessionContext, files: &Files) -> Result<Opened, DatasetError> {
    let header = config(files)?.infer_schema(&context.state()).await.map_err(DatasetError::Run)?;
    let names = header.file_schema.ok_or_else(|| DatasetError::Malformed {
        key: files.names[0].1.clone(),
        why: "it has no header".to_owned(),
    })?;
    let texts = names.fields().iter().map(|field| Field::new(field.name(), DataType::Utf8, true));
    let texts: SchemaRef = Arc::new(Schema::new(texts.collect::<Vec<_>>()));
    let kinds = kinds(context, table(files, Arc::clone(&texts))?).await?;
    let typed = texts.fields().iter().zip(kinds).map(|(field, kind)| {
        Field::new(field.name(), kind.map_or(DataType::Utf8, Kind::data_type), true)
    });
    let typed = Arc::new(Schema::new(typed.collect::<Vec<_>>()));
    Ok(Opened { provider: Arc::new(table(files, typed)?), geometry: None })
}

fn config(files: &Files) -> Result<ListingTableConfig, DatasetError> {
    let format = CsvFormat::default()
        .with_has_header(true)
        .with_schema_infer_max_rec(1)
        .with_newlines_in_values(true);
    let options = ListingOptions::new(Arc::new(format)).with_file_extension(".csv");
    Ok(ListingTableConfig::new_with_multi_paths(files.urls()?).with_listing_options(options))
}

fn table(files: &Files, schema: SchemaRef) -> Result<ListingTable, DatasetError> {
    ListingTable::try_new(config(files)?.with_schema(schema)).map_err(DatasetError::Engine)
}

/// The kind of each column, `None` where it has no value.
async fn kinds(
    context: &SessionContext,
    table: ListingTable,
) -> Result<Vec<Option<Kind>>, DatasetError> {
    let frame = context.read_table(Arc::new(table)).map_err(DatasetError::Engine)?;
    let mut kinds = vec![None; frame.schema().fields().len()];
    let mut batches = frame.execute_stream().await.map_err(DatasetError::Run)?;
    while let Some(batch) = batches.try_next().await.map_err(DatasetError::Run)? {
        for (kind, column) in kinds.iter_mut().zip(batch.columns()) {
            for value in column.as_string::<i32>().iter().flatten() {
                *kind = Some(Kind::of(value).or_wider(*kind));
            }
        }
    }
    Ok(kinds)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Integer,
    Double,
    Text,
}

impl Kind {
    fn of(value: &str) -> Self {
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

    fn or_wider(self, other: Option<Self>) -> Self {
        match (self, other) {
            (kind, None) => kind,
            (kind, Some(other)) if kind == other => kind,
            (Self::Integer, Some(Self::Double)) | (Self::Double, Some(Self::Integer)) => {
                Self::Double
            }
            _ => Self::Text,
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Text => DataType::Utf8,
        }
    }
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
            assert_eq!(Kind::of(value), kind, "{value}");
        }
        assert_eq!(Kind::Integer.or_wider(Some(Kind::Double)), Kind::Double);
        assert_eq!(Kind::Integer.or_wider(Some(Kind::Boolean)), Kind::Text);
    }
}
