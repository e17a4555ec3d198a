//! The form in which quads of a server are compared: servers keep the values of numbers, times and
//! truth values, and not how they were written.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray as _, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use oxigraph::model::vocab::xsd;
use oxigraph::model::{Literal, NamedNode, NamedNodeRef, Term};
use oxsdatatypes::{Boolean, Date, DateTime, Decimal, Double, Float, Integer, Time};

use crate::model::Failure;
use crate::projection::graph::GraphError;
use crate::proof::{ColumnEncoding, RowEncoding, Rows};

const XSD: &str = "^^<http://www.w3.org/2001/XMLSchema#";

/// Whole numbers, whatever their bounds: servers keep them as integers.
const WHOLE: [NamedNodeRef<'static>; 13] = [
    xsd::INTEGER,
    xsd::BYTE,
    xsd::SHORT,
    xsd::INT,
    xsd::LONG,
    xsd::UNSIGNED_BYTE,
    xsd::UNSIGNED_SHORT,
    xsd::UNSIGNED_INT,
    xsd::UNSIGNED_LONG,
    xsd::POSITIVE_INTEGER,
    xsd::NEGATIVE_INTEGER,
    xsd::NON_POSITIVE_INTEGER,
    xsd::NON_NEGATIVE_INTEGER,
];

/// Encodes quads as `ColumnEncoding` does, with their objects by value.
///
/// Version 1. A literal of an XSD number, time or truth value becomes the canonical form of its
/// value, and whole numbers of every type become `xsd:integer`; all other terms are as they are, and
/// so is a literal that is no value of its type.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ByValue;

impl RowEncoding for ByValue {
    fn name(&self) -> &'static str {
        "quads-by-value"
    }

    fn encode(&self, batch: &RecordBatch) -> Result<Rows, Failure> {
        let schema = batch.schema();
        let object = schema.index_of("object").map_err(GraphError::from)?;
        let texts = cast(batch.column(object), &DataType::Utf8).map_err(GraphError::from)?;
        let values: StringArray =
            texts.as_string::<i32>().iter().map(|text| Some(by_value(text?))).collect();
        let columns = batch.columns().iter().enumerate().map(|(index, column)| {
            let values = || Arc::new(values.clone()) as ArrayRef;
            let name = schema.field(index).name().clone();
            (name, if index == object { values() } else { Arc::clone(column) }, true)
        });
        let batch = RecordBatch::try_from_iter_with_nullable(columns).map_err(GraphError::from)?;
        ColumnEncoding.encode(&batch)
    }
}

fn by_value(term: &str) -> String {
    let value = term.contains(XSD).then(|| term.parse::<Term>().ok()).flatten();
    match value {
        Some(Term::Literal(literal)) => canonical(&literal).unwrap_or(literal).to_string(),
        _ => term.to_owned(),
    }
}

/// `None`: it is kept as it is.
fn canonical(literal: &Literal) -> Option<Literal> {
    let (text, datatype) = (literal.value(), literal.datatype());
    let whole = WHOLE.contains(&datatype);
    let value = match datatype {
        _ if whole => text.parse::<Integer>().ok()?.to_string(),
        xsd::DECIMAL => text.parse::<Decimal>().ok()?.to_string(),
        xsd::DOUBLE => text.parse::<Double>().ok()?.to_string(),
        xsd::FLOAT => text.parse::<Float>().ok()?.to_string(),
        xsd::BOOLEAN => text.parse::<Boolean>().ok()?.to_string(),
        xsd::DATE_TIME => text.parse::<DateTime>().ok()?.to_string(),
        xsd::DATE => text.parse::<Date>().ok()?.to_string(),
        xsd::TIME => text.parse::<Time>().ok()?.to_string(),
        _ => return None,
    };
    let datatype = if whole { xsd::INTEGER } else { datatype };
    Some(Literal::new_typed_literal(value, NamedNode::from(datatype)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_one_however_they_are_written_and_other_terms_stay() {
        let typed = |text: &str, of: &str| format!("\"{text}\"{XSD}{of}>");
        for (one, same) in [
            (typed("007", "int"), typed("7", "integer")),
            (typed("1.50", "decimal"), typed("1.5", "decimal")),
            (typed("1", "boolean"), typed("true", "boolean")),
            (typed("15", "double"), typed("1.5e1", "double")),
            (
                typed("2026-01-01T00:00:00.00Z", "dateTime"),
                typed("2026-01-01T00:00:00Z", "dateTime"),
            ),
        ] {
            assert_eq!(by_value(&one), by_value(&same));
        }
        assert_ne!(by_value(&typed("7", "integer")), by_value(&typed("8", "integer")));
        assert_ne!(by_value(&typed("7", "integer")), by_value(&typed("7", "decimal")));
        for as_it_is in ["<a:b>", "\"7\"", &typed("x", "integer"), &typed("ab", "hexBinary")] {
            assert_eq!(by_value(as_it_is), as_it_is);
        }
    }
}
