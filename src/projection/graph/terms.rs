use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use oxigraph::model::{NamedNode, Term};

use super::GraphError;
use crate::model::GraphSink;

/// The columns of a quad; the graph may be NULL, which is the default graph.
pub(super) const COLUMNS: [&str; 4] = GraphSink::COLUMNS;

/// Stands between the terms of a record. No term in N-Quads syntax holds it, and it sorts as the
/// space between them does.
const BETWEEN: u8 = b'\n';

pub(super) fn schema() -> SchemaRef {
    let field = |name: &str| Field::new(name, DataType::Utf8, name == "graph");
    Arc::new(Schema::new(COLUMNS.map(field).to_vec()))
}

/// Checks that a query's result is quads, in any text type.
pub(super) fn check(schema: &SchemaRef) -> Result<(), GraphError> {
    for column in COLUMNS {
        let field = schema.field_with_name(column);
        let good = field.is_ok_and(|field| {
            field.data_type().is_string()
                || (column == "graph" && field.data_type() == &DataType::Null)
        });
        if !good {
            return Err(GraphError::Column { column });
        }
    }
    match schema.fields().iter().find(|field| !COLUMNS.contains(&field.name().as_str())) {
        Some(field) => Err(GraphError::Unknown { column: field.name().clone() }),
        None => Ok(()),
    }
}

/// The terms of one batch, by column.
fn columns(batch: &RecordBatch) -> Result<[StringArray; 4], GraphError> {
    check(&batch.schema())?;
    let text = |column: &&str| -> Result<StringArray, GraphError> {
        let array = batch.column_by_name(column).map(|array| cast(array, &DataType::Utf8));
        Ok(array.transpose()?.map_or_else(|| StringArray::new_null(0), |it| it.as_string().clone()))
    };
    let [s, p, o, g] = COLUMNS;
    Ok([text(&s)?, text(&p)?, text(&o)?, text(&g)?])
}

/// Hands each quad of a batch to `each` as a record: its terms in their one canonical form.
pub(super) fn each_record(
    batch: &RecordBatch,
    mut each: impl FnMut(&[u8]) -> Result<(), GraphError>,
) -> Result<(), GraphError> {
    let columns = columns(batch)?;
    let mut record = Vec::new();
    for row in 0..batch.num_rows() {
        record.clear();
        for (index, (name, column)) in COLUMNS.into_iter().zip(&columns).enumerate() {
            if index > 0 {
                record.push(BETWEEN);
            }
            let text = column.is_valid(row).then(|| column.value(row));
            record.extend_from_slice(canonical(name, text)?.as_bytes());
        }
        each(&record)?;
    }
    Ok(())
}

fn canonical(column: &'static str, text: Option<&str>) -> Result<String, GraphError> {
    let bad = |why| Err(GraphError::Term { column, why });
    let Some(text) = text else {
        return if column == "graph" { Ok(String::new()) } else { bad("NULL") };
    };
    if text.starts_with("_:") {
        return bad("a blank node");
    }
    if column == "object" && text.starts_with('"') {
        return match text.parse::<Term>() {
            Ok(term @ Term::Literal(_)) => Ok(term.to_string()),
            _ => bad("no literal in N-Quads syntax"),
        };
    }
    match text.parse::<NamedNode>() {
        Ok(node) => Ok(node.to_string()),
        Err(_) => bad("no IRI in N-Quads syntax"),
    }
}

/// Collects records back into batches.
pub(super) struct Batches {
    columns: [StringBuilder; 4],
    rows: usize,
}

/// Rows in one batch.
const FULL: usize = 8192;

impl Batches {
    pub(super) fn new() -> Self {
        Self { columns: Default::default(), rows: 0 }
    }

    pub(super) fn add(&mut self, terms: [&str; 4]) {
        for (column, term) in self.columns.iter_mut().zip(terms) {
            column.append_option((!term.is_empty()).then_some(term));
        }
        self.rows += 1;
    }

    pub(super) fn add_record(&mut self, record: &[u8]) -> Result<(), GraphError> {
        self.add(split(record).ok_or(GraphError::Unsorted)?);
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= FULL
    }

    /// What was collected since the last time, if anything.
    pub(super) fn take(&mut self) -> Result<Option<RecordBatch>, GraphError> {
        if std::mem::take(&mut self.rows) == 0 {
            return Ok(None);
        }
        let arrays = self.columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
        Ok(Some(RecordBatch::try_new(schema(), arrays.collect())?))
    }
}

/// The four terms of a record; an empty graph is the default graph.
pub(super) fn split(record: &[u8]) -> Option<[&str; 4]> {
    let mut terms = std::str::from_utf8(record).ok()?.split(char::from(BETWEEN));
    Some([terms.next()?, terms.next()?, terms.next()?, terms.next()?])
}
