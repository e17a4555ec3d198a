use super::{DatasetVersionId, Failure, JobId, Output};

/// What a piece of work had in its hands, and may quote.
#[derive(Debug, Clone, Copy, Default)]
pub struct Touched<'a> {
    /// The job whose rows it moved.
    pub job: Option<&'a JobId>,
    /// The dataset version that it read.
    pub version: Option<&'a DatasetVersionId>,
}

/// Keeps what only some may see out of what leaves the process: journal, log, report, receipt.
pub trait Redact: Send + Sync {
    /// Hides the keys that a text names.
    fn text(&self, text: &str) -> String;

    /// Hides what a failure names, and all of its words where they may quote values.
    fn failure(&self, touched: Touched<'_>, failure: Failure) -> Failure;

    /// Hides what the findings of an output name.
    fn output(&self, output: Output) -> Output;

    /// Whether log records of a library may be written: its words may quote anything.
    fn may_log(&self, target: &str) -> bool;
}
