//! `coppice check`: could a run start now? Changes nothing, fails closed.

use std::sync::Arc;

use serde_json::json;

use super::args::{EnvArgs, Global, RunArgs};
use super::entry::state;
use super::exit::Exit;
use super::output::{self, Trouble};
use super::run::request;
use crate::journal::Journal;
use crate::model::{Redact, RunMode};
use crate::recovery::{self, Probe};

/// `coppice check`.
pub(super) async fn run(global: &Global, args: &EnvArgs) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let request = request(global, RunMode::Rebuild, args, &RunArgs::default(), &state)?;
    let journal: Arc<dyn Journal> = Arc::new(state.journal().await?);
    let mut probes = recovery::probe(&request, journal).await?;
    for probe in &mut probes {
        probe.seen = global.redactor.text(&probe.seen);
        probe.hint = probe.hint.take().map(|hint| global.redactor.text(&hint));
    }
    let ok = probes.iter().all(|probe| probe.ok);
    let document = json!({ "ok": ok, "environment": request.env, "probes": probes });
    output::result(global.format, &document, || table(&probes, ok))?;
    Ok(if ok { Exit::Done } else { Exit::Found })
}

fn table(probes: &[Probe], ok: bool) -> String {
    let mut lines = Vec::new();
    for probe in probes {
        let mark = if probe.ok { "ok  " } else { "FAIL" };
        lines.push(format!("{mark}  {:14}  {}", probe.id, probe.seen));
        if let Some(hint) = &probe.hint {
            lines.push(format!("      {:14}  do: {hint}", ""));
        }
    }
    lines.push(if ok { "ready".to_owned() } else { "not ready".to_owned() });
    lines.join("\n")
}
