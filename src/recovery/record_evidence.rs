//! Evidence that search records cite: readers follow it, so it has to lead to what the catalogs
//! hold that the job reads.

use std::collections::BTreeSet;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;

use crate::canonical::catalog::Offers;
use crate::model::{Code, EvidenceRef, Failure, Finding, FindingKind, JobId};

/// The column of search records with their evidence.
const COLUMN: &str = "evidence_ref";

/// What a record's evidence is held against.
pub(super) struct Cites {
    /// The job.
    pub(super) job: JobId,
    /// Whether its records may be shown.
    pub(super) public: bool,
    /// What the catalogs that it reads offer.
    pub(super) offers: Offers,
}

/// Ends the rows at the first batch with a reference that leads nowhere.
pub(super) fn guard(rows: SendableRecordBatchStream, cites: Cites) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let checked = rows.and_then(move |batch| {
        let checked = check(&batch, &cites).map(|()| batch);
        std::future::ready(checked.map_err(|failure| DataFusionError::External(Box::new(failure))))
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, checked))
}

fn check(batch: &RecordBatch, cites: &Cites) -> Result<(), Failure> {
    // Records without the column, or with one of another type, are refused by the sink.
    let Some(column) = batch.column_by_name(COLUMN) else { return Ok(()) };
    let Ok(texts) = cast(column, &DataType::Utf8) else { return Ok(()) };
    let distinct: BTreeSet<&str> = texts.as_string::<i32>().iter().flatten().collect();
    let leads = |text: &&&str| {
        text.parse::<EvidenceRef>().is_ok_and(|reference| cites.offers.resolves(&reference))
    };
    let nowhere: Vec<&&str> = distinct.iter().filter(|text| !leads(text)).collect();
    nowhere.first().map_or(Ok(()), |first| Err(refused(cites, first, nowhere.len())))
}

fn refused(cites: &Cites, first: &str, count: usize) -> Failure {
    let job = &cites.job;
    let hint = format!(
        "{job} must give every record an `evidence_ref` that leads to a catalog record, item, run \
         or object of the versions that it reads"
    );
    let actual = if cites.public { first } else { "a reference that leads nowhere" };
    let mut finding = Finding::blocking(FindingKind::DanglingLink, hint.clone())
        .differs("something of the catalog", actual);
    finding.blocks = vec![job.to_string()];
    let what = if count == 1 { "a reference" } else { "references" };
    let message =
        format!("records of {job} cite as evidence {what} that the catalog does not have");
    Failure::permanent(Code::GateShut, message).hint(hint).with_findings(vec![finding]).plain()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use datafusion::arrow::array::StringViewArray;
    use datafusion::arrow::datatypes::{Field, Schema};

    use super::*;
    use crate::canonical::catalog::Documents;

    #[test]
    fn a_record_cites_what_the_catalog_has() {
        let version = "2026-02.abcd1234".parse().unwrap();
        let documents = [
            ("stac/collection.json", r#"{"id": "places"}"#),
            ("stac/items/one.json", r#"{"id": "one", "assets": {"data": {}}}"#),
        ];
        let documents: Vec<_> = documents
            .iter()
            .map(|(name, text)| {
                let key = format!("catalog/places/2026-02.abcd1234/{name}");
                (key, Bytes::from_static(text.as_bytes()))
            })
            .collect();
        let (documents, _) = Documents::parse("places", &version, &documents);
        let mut offers = Offers::default();
        offers.add(&documents);
        let cites = Cites { job: "search/a".parse().unwrap(), public: true, offers };
        let judged = |given: &[&str]| {
            let field = Field::new(COLUMN, DataType::Utf8View, true);
            let array = Arc::new(StringViewArray::from(given.to_vec()));
            let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]);
            check(&batch.unwrap(), &cites)
        };
        judged(&["stac://places/items/one", "stac://places/items/one#asset=data"]).unwrap();
        judged(&["graph://kfm/place/1"]).unwrap();
        for bad in [
            "stac://places/items/two",
            "stac://places/items/one#asset=other",
            "dcat://places@2026-02.abcd1234",
            "https://example.org/",
            "",
        ] {
            let failure = judged(&["stac://places/items/one", bad]).unwrap_err();
            assert_eq!(failure.code, Code::GateShut, "{bad}");
            assert_eq!(failure.findings[0].actual.as_deref(), Some(bad));
        }
    }
}
