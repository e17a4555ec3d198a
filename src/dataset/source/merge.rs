use datafusion::arrow::datatypes::{Field, Schema};

use crate::dataset::DatasetError;

/// Joins the schemas of the parts of a version: a column that one of them has not is NULL there;
/// one of another type is refused with both.
pub(super) fn merged(parts: &[(String, Schema)]) -> Result<Schema, DatasetError> {
    let mut fields: Vec<(Field, &String)> = Vec::new();
    for (at, (key, schema)) in parts.iter().enumerate() {
        for (known, _) in &mut fields {
            if schema.field_with_name(known.name()).is_err() {
                known.set_nullable(true);
            }
        }
        for field in schema.fields() {
            let Some((known, first)) =
                fields.iter_mut().find(|(known, _)| known.name() == field.name())
            else {
                let nullable = field.is_nullable() || at > 0;
                fields.push((field.as_ref().clone().with_nullable(nullable), key));
                continue;
            };
            if known.data_type() != field.data_type() {
                return Err(DatasetError::Parts {
                    column: field.name().clone(),
                    one: (known.data_type().to_string(), (*first).clone()),
                    other: (field.data_type().to_string(), key.clone()),
                });
            }
            known.set_nullable(known.is_nullable() || field.is_nullable());
        }
    }
    Ok(Schema::new(fields.into_iter().map(|(field, _)| field).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::DataType;

    use super::*;

    #[test]
    fn a_column_more_is_null_elsewhere_and_another_type_is_refused() {
        let of = |columns: &[(&str, DataType)]| {
            let field = |(name, kind): &(&str, DataType)| Field::new(*name, kind.clone(), false);
            Schema::new(columns.iter().map(field).collect::<Vec<_>>())
        };
        let one = of(&[("id", DataType::Int64), ("old", DataType::Utf8)]);
        let two = of(&[("id", DataType::Int64), ("new", DataType::Utf8)]);
        let merged_both = merged(&[("a".into(), one.clone()), ("b".into(), two)]).unwrap();
        let nullable: Vec<_> =
            merged_both.fields().iter().map(|f| (f.name().as_str(), f.is_nullable())).collect();
        assert_eq!(nullable, [("id", false), ("old", true), ("new", true)]);
        let other = of(&[("id", DataType::Utf8)]);
        let error = merged(&[("a".into(), one), ("b".into(), other)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the column `id` is Int64 in `a` and Utf8 in `b`, which are parts of one table"
        );
    }
}
