//! The platform's own documents: their formats, each with its JSON Schema.

mod files;
mod receipt;
mod release;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

pub(super) use files::ListedFile;
use files::{Checksums, RawManifest};
use receipt::RunReceipt;
use release::Release;

/// A document of the platform that has a format of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Format {
    /// `processed/<dataset>/<version>/checksums.json`.
    Checksums,
    /// `raw/<dataset>/<acquisition>/manifest.json`.
    RawManifest,
    /// `catalog/<dataset>/<version>/receipts/run_receipt.json`.
    RunReceipt,
    /// `releases/<dataset>/<version>/release.json`.
    Release,
}

impl Format {
    /// Every format.
    pub(crate) const ALL: [Self; 4] =
        [Self::Checksums, Self::RawManifest, Self::RunReceipt, Self::Release];

    /// Its name, as `coppice schema` takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Checksums => "checksums",
            Self::RawManifest => "raw-manifest",
            Self::RunReceipt => "run-receipt",
            Self::Release => "release",
        }
    }

    /// Its JSON Schema (2020-12). Members that it does not name are allowed.
    pub(crate) fn schema(self) -> Value {
        match self {
            Self::Checksums => self.of::<Checksums>(),
            Self::RawManifest => self.of::<RawManifest>(),
            Self::RunReceipt => self.of::<RunReceipt>(),
            Self::Release => self.of::<Release>(),
        }
    }

    fn of<T: JsonSchema>(self) -> Value {
        let generator = SchemaSettings::draft2020_12().into_generator();
        let mut schema = generator.into_root_schema_for::<T>().to_value();
        if let Some(members) = schema.as_object_mut() {
            let name = self.name();
            members.insert("title".to_owned(), json!(format!("Coppice {name}")));
            members.insert("$id".to_owned(), json!(format!("urn:coppice:schema:{name}:v1")));
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The files are for editors and other programs: `coppice schema <name>` writes them.
    #[test]
    fn the_schemas_of_the_repository_are_current() {
        for format in Format::ALL {
            let schema = format.schema();
            jsonschema::draft202012::meta::validate(&schema).unwrap();
            let root = env!("CARGO_MANIFEST_DIR");
            let file = format!("{root}/schemas/{}.schema.json", format.name());
            let current = serde_json::to_string_pretty(&schema).unwrap() + "\n";
            if std::env::var_os("UPDATE_SCHEMAS").is_some() {
                fs::write(&file, &current).unwrap();
            }
            assert!(
                fs::read_to_string(&file).unwrap_or_default() == current,
                "{file} is stale: run `UPDATE_SCHEMAS=1 cargo test --lib catalog::formats`"
            );
        }
    }

    fn documents(name: &str, folder: &Path, into: &mut Vec<Value>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                documents(name, &path, into);
            } else if path.ends_with(name) {
                into.push(serde_json::from_slice(&fs::read(path).unwrap()).unwrap());
            }
        }
    }

    /// Each format takes every document of the fixture, misses each member that it asks for, and
    /// holds the digests to their form.
    #[test]
    fn the_fixture_keeps_the_formats_and_what_breaks_them_is_refused() {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/kansas");
        for (format, name, folder) in [
            (Format::Checksums, "checksums.json", "processed"),
            (Format::RawManifest, "manifest.json", "raw"),
            (Format::RunReceipt, "run_receipt.json", "catalog"),
            (Format::Release, "release.json", "releases"),
        ] {
            let schema = format.schema();
            let validator = jsonschema::validator_for(&schema).unwrap();
            let mut found = Vec::new();
            documents(name, &fixture.join(folder), &mut found);
            assert!(found.len() >= 3, "{name}");
            for document in &found {
                assert!(validator.is_valid(document), "{document:#}");
            }
            for member in schema["required"].as_array().unwrap() {
                let mut broken = found[0].clone();
                broken.as_object_mut().unwrap().remove(member.as_str().unwrap()).unwrap();
                assert!(!validator.is_valid(&broken), "{name} without {member}");
            }
            let mut without = found[0].clone();
            let version = |member: &String| member != "version" && !member.ends_with("_version");
            without.as_object_mut().unwrap().retain(|member, _| version(member));
            assert!(!validator.is_valid(&without), "{name} without a version");
            let text = found[0].to_string().replace("\"v1\"", "\"v2\"");
            let later = text.replace("\"version\":1", "\"version\":2");
            assert!(!validator.is_valid(&serde_json::from_str(&later).unwrap()), "{name} of v2");
        }
    }
}
