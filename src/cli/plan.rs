//! `coppice plan`, and every `--dry-run`: what a run would do.

use std::sync::Arc;

use super::args::{Format, Global, PlanArgs, RunArgs};
use super::entry::state;
use super::exit::Exit;
use super::output::{self, Trouble};
use super::run::{prepare, request};
use super::state::State;
use crate::journal::Journal;
use crate::plan::render;
use crate::recovery::Request;

/// `coppice plan`.
pub(super) async fn run(global: &Global, args: &PlanArgs) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let mut request = request(global, args.mode, &args.env, &RunArgs::default(), &state)?;
    request.snapshot.clone_from(&args.snapshot);
    request.as_of = args.as_of;
    show(global, &state, request).await
}

/// Compiles what was asked and prints it; writes nothing.
pub(super) async fn show(
    global: &Global,
    state: &State,
    request: Request,
) -> Result<Exit, Trouble> {
    let journal: Arc<dyn Journal> = Arc::new(state.journal().await?);
    let prepared = prepare(request, journal).await?;
    let graph = &prepared.graph;
    output::plain(&match global.format {
        Format::Text => render::text(graph),
        Format::Json => format!("{:#}", render::json(graph)),
        Format::Dot => render::dot(graph),
        Format::Mermaid => render::mermaid(graph),
    })?;
    prepared.world.close().await?;
    Ok(Exit::Done)
}
