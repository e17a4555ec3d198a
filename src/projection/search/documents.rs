use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::{Float64Type, TimestampMicrosecondType};
use tantivy::TantivyDocument;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing,
    TextOptions, Value,
};
use tantivy::tokenizer::{AsciiFoldingFilter, RemoveLongFilter, TextAnalyzer};

use super::SearchError;
use super::records::{COLUMNS, Kind, schema};
use super::tokenizer::Words;

/// The analyzer of titles, bodies and names.
const ANALYZER: &str = "words";

/// The fields of the index: one for each column, each name on its own, and the place of a record
/// among the rows.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    pub(super) schema: Schema,
    columns: Vec<Field>,
    pub(super) name: Field,
    ordinal: Field,
}

/// The name of the fast field with the place of a record among the rows.
pub(super) const ORDINAL: &str = "ordinal";

impl Fields {
    pub(super) fn new() -> Self {
        let words = TextFieldIndexing::default()
            .set_tokenizer(ANALYZER)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let words = TextOptions::default().set_indexing_options(words);
        let mut builder = Schema::builder();
        let columns = COLUMNS.map(|(name, _, kind)| match (name, kind) {
            ("title" | "body", _) => builder.add_text_field(name, words.clone().set_stored()),
            // Asked through `name`, and kept here as it was given.
            ("names", _) => builder.add_text_field(name, STORED),
            (_, Kind::Text) => builder.add_text_field(name, STRING | STORED),
            (_, Kind::Time) => builder.add_i64_field(name, INDEXED | FAST | STORED),
            (_, Kind::Number) => builder.add_f64_field(name, INDEXED | FAST | STORED),
        });
        let name = builder.add_text_field("name", words);
        let ordinal = builder.add_u64_field(ORDINAL, FAST);
        Self { schema: builder.build(), columns: columns.to_vec(), name, ordinal }
    }

    pub(super) fn column(&self, name: &str) -> Field {
        let index = COLUMNS.iter().position(|(column, ..)| *column == name);
        self.columns[index.unwrap_or_default()]
    }

    /// Hands each row of a batch in normal form to `each` as a document.
    pub(super) fn each_document(
        &self,
        batch: &RecordBatch,
        first: u64,
        mut each: impl FnMut(TantivyDocument) -> Result<(), SearchError>,
    ) -> Result<(), SearchError> {
        for (row, ordinal) in (0..batch.num_rows()).zip(first..) {
            let mut document = TantivyDocument::new();
            document.add_u64(self.ordinal, ordinal);
            for (index, (name, _, kind)) in COLUMNS.into_iter().enumerate() {
                let (field, array) = (self.columns[index], batch.column(index));
                if array.is_null(row) {
                    continue;
                }
                match kind {
                    Kind::Text => {
                        let text = array.as_string::<i32>().value(row);
                        document.add_text(field, text);
                        if name == "names" {
                            text.split('|').for_each(|one| document.add_text(self.name, one));
                        }
                    }
                    Kind::Time => {
                        let times = array.as_primitive::<TimestampMicrosecondType>();
                        document.add_i64(field, times.value(row));
                    }
                    Kind::Number => {
                        document.add_f64(field, array.as_primitive::<Float64Type>().value(row));
                    }
                }
            }
            each(document)?;
        }
        Ok(())
    }

    /// The stored text of a column.
    pub(super) fn text<'a>(&self, document: &'a TantivyDocument, column: &str) -> Option<&'a str> {
        document.get_first(self.column(column)).and_then(|value| value.as_str())
    }

    /// The records that documents were made of.
    pub(super) fn batch(&self, documents: &[TantivyDocument]) -> Result<RecordBatch, SearchError> {
        let array = |(index, (_, _, kind)): (usize, (&str, bool, Kind))| -> ArrayRef {
            let values = documents.iter().map(|document| document.get_first(self.columns[index]));
            match kind {
                Kind::Text => {
                    let mut builder = StringBuilder::new();
                    values.for_each(|v| builder.append_option(v.and_then(|v| v.as_str())));
                    Arc::new(builder.finish())
                }
                Kind::Time => {
                    let mut builder = TimestampMicrosecondBuilder::new();
                    values.for_each(|v| builder.append_option(v.and_then(|v| v.as_i64())));
                    Arc::new(builder.finish().with_timezone("+00:00"))
                }
                Kind::Number => {
                    let mut builder = Float64Builder::new();
                    values.for_each(|v| builder.append_option(v.and_then(|v| v.as_f64())));
                    Arc::new(builder.finish())
                }
            }
        };
        let arrays = COLUMNS.into_iter().enumerate().map(array).collect();
        Ok(RecordBatch::try_new(schema(), arrays)?)
    }
}

/// Makes the analyzer known to an index; readers and writers need it alike.
pub(super) fn register_analyzer(index: &tantivy::Index) {
    let analyzer = TextAnalyzer::builder(Words::default())
        .filter(RemoveLongFilter::limit(255))
        .filter(AsciiFoldingFilter)
        .build();
    index.tokenizers().register(ANALYZER, analyzer);
}
