//! What the catalog declares of a table, columns and reference system, held against the artifacts.

use datafusion::arrow::datatypes::DataType;

use super::crs::Crs;
use super::held::is_public;
use super::session::Table;
use crate::model::{Finding, FindingKind};

/// The kinds of values that declarations and files have names for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Text,
    Integer,
    Real,
    Boolean,
    Binary,
    Date,
    Time,
}

/// What differs between the catalog and the artifacts of a table.
pub(super) fn differences(table: &Table) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some((key, _)) = table.parts.first() else { return findings };
    let of = |finding: Finding| finding.of_version(Some(&table.version.version)).at(key);
    let columns: Vec<String> = table
        .version
        .columns
        .iter()
        .filter_map(|(name, kind)| column(table, name, kind.as_deref()?))
        .collect();
    if !columns.is_empty() {
        let hint = "the artifact and the catalog's `table:columns` disagree: publish a version in \
                    which they agree";
        let finding = Finding::warning(FindingKind::ColumnsMismatch, hint);
        // Names of columns are shown of public data alone.
        let actual = if is_public(&table.version) {
            columns.join("; ")
        } else {
            format!("{} columns that differ", columns.len())
        };
        findings.push(of(finding.differs("the columns that the catalog declares", actual)));
    }
    let artifact = table.version.artifacts.iter().find(|artifact| artifact.key == *key);
    let declared = artifact.and_then(|artifact| artifact.crs.as_deref());
    if let (Some(text), Some(system)) = (declared, table.system)
        && let Some(declared) = Crs::parse(text)
        && declared != system
    {
        let hint = "the catalog gives the coordinates another reference system than the artifact: \
                    publish a version in which they agree";
        let finding = Finding::blocking(FindingKind::CrsMismatch, hint);
        findings.push(of(finding.differs(declared, system)));
    }
    findings
}

/// What is wrong with one declared column. Columns that a job reads as geometry become that.
fn column(table: &Table, name: &str, declared: &str) -> Option<String> {
    let Ok(field) = table.schema.field_with_name(name) else {
        // Where types are found out, a column that no row has a value of is not there.
        return table.typed.then(|| format!("no column {name}"));
    };
    let (wanted, found) = (of_name(declared)?, of_type(field.data_type())?);
    let fits = wanted == found
        || (!table.typed
            && matches!(
                (wanted, found),
                (Family::Text, _)
                    | (Family::Real, Family::Integer)
                    | (Family::Date | Family::Time, Family::Text)
            ));
    (!fits).then(|| format!("{name} is {} instead of {declared}", field.data_type()))
}

/// The family of a declared type, where it is one of the usual names.
fn of_name(declared: &str) -> Option<Family> {
    let name = declared.to_ascii_lowercase();
    let stem = name.split(['(', '[', '<']).next().unwrap_or_default().trim();
    Some(match stem {
        "string" | "str" | "utf8" | "large_string" | "text" | "varchar" | "char" => Family::Text,
        "int" | "int8" | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32" | "uint64"
        | "integer" | "long" | "short" | "bigint" | "smallint" | "tinyint" => Family::Integer,
        "double" | "float" | "float16" | "float32" | "float64" | "real" => Family::Real,
        "bool" | "boolean" => Family::Boolean,
        "binary" | "large_binary" | "bytes" | "bytea" | "byte_array" | "wkb" => Family::Binary,
        "date" | "date32" | "date64" => Family::Date,
        "timestamp" | "timestamptz" | "datetime" => Family::Time,
        _ => return None,
    })
}

fn of_type(found: &DataType) -> Option<Family> {
    Some(match found {
        DataType::Boolean => Family::Boolean,
        DataType::Date32 | DataType::Date64 => Family::Date,
        DataType::Timestamp(..) => Family::Time,
        found if found.is_integer() => Family::Integer,
        found if found.is_floating() => Family::Real,
        found if found.is_string() => Family::Text,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Family::Binary,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_of_one_family_are_the_same() {
        for (name, found) in [
            ("string", DataType::Utf8View),
            ("VARCHAR(20)", DataType::Utf8),
            ("int64", DataType::Int32),
            ("double", DataType::Float32),
            ("boolean", DataType::Boolean),
            ("binary", DataType::BinaryView),
            ("date", DataType::Date32),
        ] {
            assert_eq!(of_name(name), of_type(&found), "{name} {found}");
            assert!(of_name(name).is_some());
        }
        assert_eq!(of_name("geometry"), None);
        assert_eq!(of_type(&DataType::Null), None);
        assert_ne!(of_name("int64"), of_type(&DataType::Utf8));
    }
}
