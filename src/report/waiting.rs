//! What a run waits for, as people read it.

use crate::journal::Wait;
use crate::model::moment;

/// What it waits for, since when, and the command that ends it: two lines.
pub(crate) fn waiting(wait: &Wait) -> String {
    let since = moment(wait.since);
    let until = wait.until.map(|until| format!(" until {}", moment(until)));
    let until = until.unwrap_or_default();
    format!("waiting    {}, since {since}{until}\n  unblock  {}", wait.what, wait.unblock)
}
