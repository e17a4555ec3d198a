//! Who wants to know? Progress bars, plain lines, log records and the summary: folds over events.

mod bars;
mod eta;
mod json;
mod lines;
mod logs;
mod pace;
mod summary;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub(crate) use bars::Bars;
pub(crate) use json::JsonLines;
pub(crate) use lines::Lines;
pub(crate) use logs::Logs;
pub(crate) use summary::summary;
pub(crate) use text::{TextFields, TextLines};
pub(crate) use words::{bytes, count, wrap};
