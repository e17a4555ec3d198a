//! `coppice generations`: what each target holds of each job.

use serde_json::json;

use super::args::{EnvArgs, Global, RunArgs};
use super::entry::state;
use super::exit::Exit;
use super::output::{self, Trouble};
use super::run::{refused, request};
use crate::model::{RunMode, clock};
use crate::recovery::{self, OfJob};
use crate::report::count;

/// `coppice generations`.
pub(super) async fn run(global: &Global, args: &EnvArgs) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let request = request(global, RunMode::Rollback, args, &RunArgs::default(), &state)?;
    let journal = state.journal().await?;
    let environment = request.env.clone();
    let jobs = recovery::generations(request, journal).await.map_err(refused)?;
    let document = json!({ "environment": environment, "jobs": jobs });
    output::result(global.format, &document, || text(&jobs))?;
    Ok(Exit::Done)
}

fn text(jobs: &[OfJob]) -> String {
    let mut lines = Vec::new();
    for of in jobs {
        let note = if of.in_plan { "" } else { "  (live where no job of the plan fills it)" };
        lines.push(format!("{}{note}", of.job));
        if of.generations.is_empty() {
            lines.push("  none".to_owned());
        }
        for line in &of.generations {
            let rows = line.rows.map(|rows| format!("{} rows", count(rows))).unwrap_or_default();
            let built = line.built_at.map(|at| format!("built {}", at.format("%Y-%m-%d %H:%MZ")));
            let line = format!(
                "  {:8}  {:16}  {rows:>16}  {}",
                line.state.name(),
                line.generation.short(),
                built.unwrap_or_default()
            );
            lines.push(line.trim_end().to_owned());
        }
    }
    lines.extend(clock());
    lines.join("\n")
}
