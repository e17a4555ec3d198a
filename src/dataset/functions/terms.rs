//! Functions that make RDF terms in the syntax of N-Quads out of text.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use datafusion::prelude::SessionContext;
use oxigraph::model::{Literal, NamedNode};

/// Registers `rdf_iri(text)`, `rdf_literal(text)`, `rdf_literal_lang(text, language)` and
/// `rdf_literal_typed(text, datatype IRI)`. NULL in any argument gives NULL; what is no IRI or
/// language tag fails the query.
pub(super) fn register(context: &SessionContext) {
    add(context, "rdf_iri", 1, |args| Ok(NamedNode::new(args[0])?.to_string()));
    add(context, "rdf_literal", 1, |args| Ok(Literal::new_simple_literal(args[0]).to_string()));
    add(context, "rdf_literal_lang", 2, |args| {
        Ok(Literal::new_language_tagged_literal(args[0], args[1])?.to_string())
    });
    add(context, "rdf_literal_typed", 2, |args| {
        Ok(Literal::new_typed_literal(args[0], NamedNode::new(args[1])?).to_string())
    });
}

type Term = std::result::Result<String, Box<dyn std::error::Error + Send + Sync>>;

fn add(context: &SessionContext, name: &'static str, arity: usize, term: fn(&[&str]) -> Term) {
    let call = move |args: &[ColumnarValue]| -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(args)?;
        let texts = arrays
            .iter()
            .map(|array| Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone()))
            .collect::<Result<Vec<StringArray>>>()?;
        let terms = terms(name, &texts, term)?;
        let scalar = args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        Ok(if scalar {
            ColumnarValue::Scalar(datafusion::scalar::ScalarValue::try_from_array(&terms, 0)?)
        } else {
            ColumnarValue::Array(terms)
        })
    };
    let (text, inputs) = (DataType::Utf8, vec![DataType::Utf8; arity]);
    context.register_udf(create_udf(name, inputs, text, Volatility::Immutable, Arc::new(call)));
}

fn terms(name: &str, texts: &[StringArray], term: fn(&[&str]) -> Term) -> Result<ArrayRef> {
    let rows = texts[0].len();
    let mut out = StringBuilder::with_capacity(rows, rows * 48);
    let mut args = Vec::with_capacity(texts.len());
    for row in 0..rows {
        if texts.iter().any(|column| column.is_null(row)) {
            out.append_null();
            continue;
        }
        args.clear();
        args.extend(texts.iter().map(|column| column.value(row)));
        match term(&args) {
            Ok(text) => out.append_value(text),
            Err(error) => return exec_err!("{name} cannot take {args:?}: {error}"),
        }
    }
    Ok(Arc::new(out.finish()))
}
