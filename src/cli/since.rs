//! `coppice rebuild --since-plan`: what the changed jobs touch.

use std::sync::Arc;

use serde_json::json;

use super::args::Global;
use super::output::{self, Trouble};
use super::run::refused;
use crate::journal::Journal;
use crate::recovery::{self, Compared, Request, Since};

/// Narrows a rebuild to the jobs that changed; `false`, and says so, where none did.
pub(super) async fn narrow(
    global: &Global,
    request: &mut Request,
    journal: Arc<dyn Journal>,
    since: &Since,
    quiet: bool,
) -> Result<bool, Trouble> {
    let compared = recovery::since_plan(request, journal, since).await.map_err(refused)?;
    if compared.changed.is_empty() {
        let document = json!({ "ok": true, "since": compared.since, "changed": [] });
        output::result(global.format, &document, || nothing(&compared, quiet))?;
        return Ok(false);
    }
    for changed in compared.changed.iter().filter(|_| !quiet) {
        output::note(&format!("{} changed: {}", changed.job, changed.differs.join("; ")));
    }
    request.only = compared.changed.into_iter().map(|changed| changed.job).collect();
    Ok(true)
}

fn nothing(compared: &Compared, quiet: bool) -> String {
    if quiet {
        return format!("coppice: nothing changed since the plan of run {}", compared.since);
    }
    format!(
        "nothing changed since the plan of run {}\n({}); nothing was done\n\
         whether it is also what is live: coppice drift",
        compared.since,
        crate::model::moment(compared.started_at)
    )
}
