//! Labels that records carry: readers go by them, so they may not be freer than what the records
//! were made of.

use std::collections::BTreeSet;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;

use crate::model::{Audience, Code, Failure, Finding, FindingKind, JobId, PolicyLabel};

/// The column of search records with their label.
const COLUMN: &str = "policy_label";

/// What a record's label is held against.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// The job.
    pub(super) job: JobId,
    /// The strictest label of what it reads.
    pub(super) label: Option<PolicyLabel>,
    /// Who reads its records.
    pub(super) audience: Audience,
}

/// Ends the rows at the first batch with a label that may not stand there.
pub(super) fn guard(rows: SendableRecordBatchStream, held: Held) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let checked = rows.and_then(move |batch| {
        let checked = check(&batch, &held).map(|()| batch);
        std::future::ready(checked.map_err(|failure| DataFusionError::External(Box::new(failure))))
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, checked))
}

fn check(batch: &RecordBatch, held: &Held) -> Result<(), Failure> {
    // Records without the column, or with one of another type, are refused by the sink.
    let Some(column) = batch.column_by_name(COLUMN) else { return Ok(()) };
    let Ok(labels) = cast(column, &DataType::Utf8) else { return Ok(()) };
    let distinct: BTreeSet<&str> = labels.as_string::<i32>().iter().flatten().collect();
    let mut wrong = distinct.iter().filter(|text| !may_stand(text, held));
    wrong.next().map_or(Ok(()), |_| Err(refused(held)))
}

/// Unknown labels are nobody's; a known one must keep a record from all that its sources keep it
/// from, and let it come where it is brought.
fn may_stand(text: &str, held: &Held) -> bool {
    let (Ok(label), Some(least)) = (text.parse::<PolicyLabel>(), held.label) else { return false };
    !label.is_freer_than(least) && label.may_reach(held.audience)
}

fn refused(held: &Held) -> Failure {
    let least = held.label.map_or("missing or unknown", PolicyLabel::name);
    let hint = format!(
        "{} reads data labelled {least} for a {} audience: its query must give every record a \
         label that is no freer, and that may go there",
        held.job,
        held.audience.name()
    );
    let mut finding = Finding::blocking(FindingKind::PolicyDenied, hint.clone())
        .differs(least, "a label that is freer, unknown, or may not go there");
    finding.blocks = vec![held.job.to_string()];
    let message = format!("records of {} carry a policy label that they may not have", held.job);
    Failure::permanent(Code::GateShut, message).hint(hint).with_findings(vec![finding]).plain()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::StringViewArray;
    use datafusion::arrow::datatypes::{Field, Schema};

    use super::*;

    fn labels(given: &[&str], label: PolicyLabel, audience: Audience) -> bool {
        let field = Field::new(COLUMN, DataType::Utf8View, true);
        let array = Arc::new(StringViewArray::from(given.to_vec()));
        let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap();
        let job = "search/a".parse().unwrap();
        check(&batch, &Held { job, label: Some(label), audience }).is_ok()
    }

    #[test]
    fn a_record_is_never_freer_than_what_it_was_made_of() {
        use Audience::{Governed, Public};
        assert!(labels(&["public", "public_generalized"], PolicyLabel::Public, Public));
        // Both may go anywhere.
        assert!(labels(&["public"], PolicyLabel::PublicGeneralized, Public));
        assert!(!labels(&["public", "restricted"], PolicyLabel::Restricted, Governed));
        assert!(labels(&["restricted", "internal"], PolicyLabel::Restricted, Governed));
        assert!(!labels(&["restricted"], PolicyLabel::Public, Public));
        assert!(!labels(&["PUBLIC"], PolicyLabel::Public, Public));
        assert!(!labels(&["quarantine"], PolicyLabel::Public, Governed));
    }
}
