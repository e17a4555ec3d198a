//! `coppice drift`: are the live projections still what the canonical data say?

use serde_json::json;

use super::args::{DriftArgs, Global, RunArgs};
use super::entry::state;
use super::exit::Exit;
use super::output::{self, Trouble};
use super::run::{refused, request};
use crate::model::{Redact, RunMode, clock};
use crate::recovery::{self, Drift};
use crate::report::count;

/// `coppice drift`.
pub(super) async fn run(global: &Global, args: &DriftArgs) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let request = request(global, RunMode::Rebuild, &args.env, &RunArgs::default(), &state)?;
    let journal = state.journal().await?;
    let environment = request.env.clone();
    let mut jobs = recovery::drift(request, journal, args.deep).await.map_err(refused)?;
    for drift in &mut jobs {
        for differs in &mut drift.differs {
            *differs = global.redactor.text(differs);
        }
    }
    let ok = jobs.iter().all(|drift| drift.differs.is_empty());
    let document = json!({
        "ok": ok, "environment": environment, "deep": args.deep, "jobs": jobs
    });
    output::result(global.format, &document, || {
        text(&jobs, args.deep, &format!("{} --env {environment}", args.env.plan.display()))
    })?;
    Ok(if ok { Exit::Done } else { Exit::Found })
}

fn text(jobs: &[Drift], deep: bool, plan: &str) -> String {
    let mut lines = Vec::new();
    for drift in jobs {
        let word = if drift.differs.is_empty() { "same " } else { "DRIFT" };
        let rows = drift.rows_found.map(|rows| format!("{} rows", count(rows))).unwrap_or_default();
        let proven = drift.proof_at.map(|at| format!("proven {}", at.format("%Y-%m-%d %H:%MZ")));
        let job = drift.job.as_str();
        let line = format!("{word}  {job:28}  {rows:>16}  {}", proven.unwrap_or_default());
        lines.push(line.trim_end().to_owned());
        lines.extend(drift.differs.iter().map(|differs| format!("         {differs}")));
    }
    let drifted: Vec<_> = jobs.iter().filter(|drift| !drift.differs.is_empty()).collect();
    let how =
        if deep { "read back and compared" } else { "by names and counts; --deep reads back" };
    lines.push(match drifted.as_slice() {
        [] => format!("no drift: {} jobs, {how}", jobs.len()),
        some => format!("{} of {} jobs drifted, {how}", some.len(), jobs.len()),
    });
    if drifted.iter().any(|drift| drift.expected.is_some()) {
        lines.push(format!("build anew what drifted: coppice rebuild {plan}"));
    }
    let orphans = drifted.iter().filter(|drift| drift.expected.is_none() && !drift.moved);
    let only: Vec<_> = orphans.map(|drift| format!("--only {}", drift.job)).collect();
    if !only.is_empty() {
        lines
            .push("without a job: put it back into the plan; to take it down, say then".to_owned());
        lines.push(format!("  coppice rollback {plan} --take-down {}", only.join(" ")));
    }
    if drifted.iter().any(|drift| drift.moved) {
        lines
            .push("moved: to take it down where it was, point the plan there once more".to_owned());
    }
    lines.extend(clock());
    lines.join("\n")
}
