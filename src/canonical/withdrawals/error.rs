use crate::model::{Code, DatasetVersionId, Failure, PolicyLabel};
use crate::store::StoreError;

/// Says why a list of withdrawals cannot be trusted. No line is quoted: it may name what is not
/// public.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WithdrawalError {
    /// It is not there.
    #[error("the list of withdrawals {url} is not there")]
    Absent { url: String },
    /// It cannot be read.
    #[error("failed to read the list of withdrawals")]
    Unreadable(#[source] StoreError),
    /// A line is none of ours.
    #[error("line {line} of the list of withdrawals {url} is no withdrawal: {why}")]
    Line { url: String, line: usize, why: String },
    /// A label may only become stricter.
    #[error(
        "line {line} of the list of withdrawals relabels {version} as {}, which is freer than {}",
        to.name(), from.map_or("a missing or unknown label", PolicyLabel::name)
    )]
    Freer { line: usize, version: DatasetVersionId, from: Option<PolicyLabel>, to: PolicyLabel },
}

impl From<WithdrawalError> for Failure {
    fn from(error: WithdrawalError) -> Self {
        let text = format!("gate withdrawals is shut: {error}");
        let shut = Self::permanent(Code::GateShut, text);
        match error {
            WithdrawalError::Absent { .. } => shut.hint(
                "put the list where the plan says it is; an empty file says that nothing was \
                 withdrawn",
            ),
            WithdrawalError::Unreadable(source) => {
                let kind = Self::from(source).kind;
                Self { kind, ..shut }.hint("nothing is restored while nobody can tell what was erased")
            }
            WithdrawalError::Line { .. } => {
                shut.hint("append the line again, whole; `coppice schema withdrawals` shows its form")
            }
            WithdrawalError::Freer { .. } => shut.hint(
                "labels only tighten here: to make data freer, publish a new version with its label",
            ),
        }
    }
}
