use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{RebuildJob, RecoveryPlan};

/// The JSON Schema (2020-12) of recovery plans, for editors.
pub(crate) fn recovery_plan_schema() -> Value {
    named::<RecoveryPlan>("recovery-plan", "Coppice recovery plan", false)
}

/// The JSON Schema (2020-12) of rebuild jobs, for editors.
pub(crate) fn rebuild_job_schema() -> Value {
    named::<RebuildJob>("rebuild-job", "Coppice rebuild job", false)
}

/// The same without references, so that a path in it leads to the members that it allows.
pub(super) fn inlined<T: JsonSchema>() -> Value {
    named::<T>("inlined", "Coppice document", true)
}

fn named<T: JsonSchema>(name: &str, title: &str, inline: bool) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = inline);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(members) = schema.as_object_mut() {
        members.insert("title".to_owned(), json!(title));
        members.insert("$id".to_owned(), json!(format!("urn:coppice:schema:{name}:v1")));
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_of_the_documents_is_described() {
        fn undescribed(at: &str, schema: &Value, found: &mut Vec<String>) {
            if let Some(members) = schema.get("properties").and_then(Value::as_object) {
                for (name, member) in members {
                    let at = format!("{at}/{name}");
                    // The one member of a variant is described by the variant.
                    let variant = members.len() == 1 && schema.get("description").is_some();
                    if member.get("description").is_none() && !variant {
                        found.push(at.clone());
                    }
                    undescribed(&at, member, found);
                }
            }
            for (key, inner) in schema.as_object().into_iter().flatten() {
                if matches!(key.as_str(), "items" | "additionalProperties") {
                    undescribed(at, inner, found);
                }
                for (index, branch) in inner.as_array().into_iter().flatten().enumerate() {
                    undescribed(&format!("{at}#{index}"), branch, found);
                }
            }
        }
        let mut found = Vec::new();
        undescribed("plan", &inlined::<RecoveryPlan>(), &mut found);
        undescribed("job", &inlined::<RebuildJob>(), &mut found);
        assert_eq!(found, Vec::<String>::new());
    }

    /// The files are for editors: `coppice schema <name>` writes them.
    #[test]
    fn the_schemas_of_the_repository_are_current() {
        for (name, schema) in
            [("recovery-plan", recovery_plan_schema()), ("rebuild-job", rebuild_job_schema())]
        {
            jsonschema::validator_for(&schema).unwrap();
            assert!(schema["title"].as_str().unwrap().starts_with("Coppice "));
            let file = format!("{}/schemas/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
            let current = serde_json::to_string_pretty(&schema).unwrap() + "\n";
            if std::env::var_os("UPDATE_SCHEMAS").is_some() {
                std::fs::write(&file, &current).unwrap();
            }
            assert!(
                std::fs::read_to_string(&file).unwrap() == current,
                "{file} is stale: run `UPDATE_SCHEMAS=1 cargo test --lib plan::schema`"
            );
        }
    }
}
