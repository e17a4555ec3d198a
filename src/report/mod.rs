//! Who wants to know? Progress bars, plain lines, log records and the summary: folds over events.

mod bars;
mod eta;
mod history;
mod json;
mod junit;
mod lines;
mod logs;
mod one_line;
mod pace;
mod summary;
#[cfg(test)]
mod tests;
mod text;
mod textfile;
mod waiting;
mod words;

pub(crate) use bars::Bars;
pub(crate) use history::{Past, history, trends};
pub(crate) use json::JsonLines;
pub(crate) use junit::{Unbegun, junit, junit_unbegun};
pub(crate) use lines::Lines;
pub(crate) use logs::Logs;
pub(crate) use one_line::one_line;
pub(crate) use summary::summary;
pub(crate) use text::{TextFields, TextLines};
pub(crate) use textfile::{Ran, textfile};
pub(crate) use waiting::waiting;
pub(crate) use words::{count, counted, fit, fit_to, wrap};
