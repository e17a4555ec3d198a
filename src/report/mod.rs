//! Who wants to know? Progress bars, plain lines, log records and the summary: folds over events.
