//! Do all documents speak of the same version, run and collection?

use serde_json::Value;

use super::check::Check;
use super::documents::{Document, Role};
use super::rdf::term;
use crate::model::FindingKind;

const VERSION: &str = "http://www.w3.org/ns/dcat#version";

impl Check<'_> {
    /// The version and dataset of every document are those of the folder that it lies in; the run
    /// of the receipt is that of DCAT; item, collection and file name agree.
    pub(super) fn versions(&mut self) {
        let documents = self.documents;
        for role in [Role::Checksums, Role::Receipt, Role::Release, Role::Report] {
            for document in documents.of(role) {
                self.own(document, "dataset_version_id", documents.version.as_str());
                self.own(document, "dataset", &documents.dataset);
            }
        }
        for role in [Role::Collection, Role::Item] {
            for document in documents.of(role) {
                for member in ["kfm:dataset_version_id", "dataset_version_id"] {
                    self.own(document, member, documents.version.as_str());
                }
            }
        }
        self.record_version();
        self.bundle_version();
        self.run();
        self.items();
        self.rows();
        self.report();
    }

    fn disagree(&mut self, key: &str, what: &str, expected: String, actual: &str) {
        let hint = format!("the document gives another {what}: find out which is right");
        self.differ(FindingKind::DocumentsDisagree, key, &hint, expected, actual);
    }

    /// Holds a member, of the document or of its `properties`, against what the key says.
    fn own(&mut self, document: &Document, member: &str, expected: &str) {
        for place in [document.json.get(member), document.json.pointer("/properties")] {
            let value = match place {
                Some(Value::Object(properties)) => properties.get(member),
                other => other,
            };
            if let Some(actual) = value.and_then(Value::as_str)
                && actual != expected
            {
                let (what, expected) = (member.to_owned(), format!("{expected} (its key)"));
                self.disagree(&document.key, &what, expected, actual);
            }
        }
    }

    fn record_version(&mut self) {
        let documents = self.documents;
        let (Some(dcat), Some(record)) = (&documents.dcat, documents.record()) else { return };
        let key = documents.key_of(Role::Dcat);
        let version = documents.version.as_str();
        let said = [
            dcat.object(&record, VERSION),
            dcat.own_term(&record, &["dataset_version_id", "datasetVersionId"]),
            record
                .strip_prefix("dcat://")
                .and_then(|rest| Some(rest.split_once('@')?.1.to_owned())),
        ];
        for actual in said.into_iter().flatten().filter(|actual| actual != version) {
            self.disagree(&key, "version", format!("{version} (its key)"), &actual);
        }
    }

    /// A bundle that names versions of this dataset, and not this one, is that of another.
    fn bundle_version(&mut self) {
        let documents = self.documents;
        let Some(prov) = &documents.prov else { return };
        let stem = format!("dcat://{}@", documents.dataset);
        let own = format!("{stem}{}", documents.version);
        let named = prov.subjects_with(term::TYPE);
        let mut versions = named.iter().filter(|subject| subject.starts_with(&stem)).peekable();
        let first = versions.peek().map(ToString::to_string);
        if let Some(first) = first
            && !versions.any(|subject| *subject == own)
        {
            let key = documents.key_of(Role::Prov);
            self.disagree(&key, "version", format!("{own} (its key)"), &first);
        }
    }

    fn run(&mut self) {
        let documents = self.documents;
        let (Some(dcat), Some(record)) = (&documents.dcat, documents.record()) else { return };
        let Some(receipt) = documents.one(Role::Receipt) else { return };
        let Some(run) = receipt.json.get("run_id").and_then(Value::as_str) else { return };
        let runs = dcat.objects(&record, term::GENERATED_BY);
        if let Some(first) = runs.first()
            && !runs.iter().any(|one| one == run)
        {
            let expected = format!("{first} ({})", documents.key_of(Role::Dcat));
            self.disagree(&receipt.key, "run", expected, run);
        }
    }

    fn items(&mut self) {
        let documents = self.documents;
        let collection = documents.one(Role::Collection);
        let collection = collection.and_then(|one| Some((&one.key, one.json.get("id")?.as_str()?)));
        for item in documents.of(Role::Item) {
            let text = |member: &str| item.json.get(member).and_then(Value::as_str);
            let name = item.key.rsplit('/').next().and_then(|name| name.strip_suffix(".json"));
            if let (Some(id), Some(name)) = (text("id"), name)
                && id != name
            {
                self.disagree(&item.key, "id", format!("{name} (its key)"), id);
            }
            if let (Some(actual), Some((key, id))) = (text("collection"), collection)
                && actual != id
            {
                self.disagree(&item.key, "collection", format!("{id} ({key})"), actual);
            }
        }
    }

    /// DCAT and the items count the same rows.
    fn rows(&mut self) {
        let documents = self.documents;
        let (Some(dcat), Some(record)) = (&documents.dcat, documents.record()) else { return };
        let rows = |item: &Document| {
            let count = |name: &str| item.json.get("properties")?.get(name)?.as_u64();
            count("table:row_count").or_else(|| count("kfm:row_count"))
        };
        let counted: Option<u64> = documents.of(Role::Item).map(rows).sum();
        let Some(item) = documents.one(Role::Item) else { return };
        let said = dcat.own_term(&record, &["row_count", "rowCount"]);
        if let (Some(counted), Some(said)) = (counted, said.and_then(|text| text.parse().ok()))
            && counted != said
        {
            let said: u64 = said;
            let expected = format!("{said} ({})", documents.key_of(Role::Dcat));
            self.disagree(&item.key, "count of rows", expected, &counted.to_string());
        }
    }

    /// The receipt's `report_digest` is that of the report that lies there.
    fn report(&mut self) {
        let documents = self.documents;
        let Some(receipt) = documents.one(Role::Receipt) else { return };
        let Some(report) = documents.one(Role::Report) else { return };
        let stated = receipt.json.pointer("/validation/report_digest").and_then(Value::as_str);
        if let Some(stated) = stated.and_then(|text| text.parse().ok()) {
            self.hold_digest(&receipt.key, &report.key, stated);
        }
    }
}
