//! `coppice sign-off`: somebody answers for a drill.

use super::args::Global;
use super::entry::state;
use super::exit::Exit;
use super::output::{self, Trouble};
use super::report_args::SignOffArgs;
use crate::{recovery, report};

/// `coppice sign-off`.
pub(super) fn run(global: &Global, args: &SignOffArgs) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let signed = recovery::sign_off(state.dir(), args.run, &args.by, &args.correction)?;
    output::result(global.format, &signed, || {
        let count = report::counted(signed.corrections.len() as u64, "correction");
        format!(
            "drill {} signed off by {}\n\
             with {count}; this cannot be added to later\nrecord {}",
            signed.drill,
            signed.by,
            recovery::sign_off_path(state.dir(), args.run).display()
        )
    })?;
    Ok(Exit::Done)
}
