//! Who sees a run's events on this terminal: bars, plain lines or log records.

use std::io::IsTerminal;

use indicatif::ProgressDrawTarget;

use super::args::{Global, LogFormat};
use crate::journal::Listener;
use crate::model::Board;
use crate::report::{Bars, Lines, Logs};

/// Chooses the listeners, and gives the board that they sample.
pub(super) fn listeners(global: &Global, quiet: bool) -> (Vec<Box<dyn Listener>>, Board) {
    let board = Board::default();
    if quiet {
        return (Vec::new(), board);
    }
    let shown: Box<dyn Listener> = match global.log_format {
        LogFormat::Json => Box::new(Logs),
        LogFormat::Text if std::io::stderr().is_terminal() => {
            Box::new(Bars::new(ProgressDrawTarget::stderr(), board.clone()))
        }
        LogFormat::Text => Box::new(Lines::new(std::io::stderr(), board.clone())),
    };
    (vec![shown], board)
}
