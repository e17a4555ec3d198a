//! `coppice plan`, and every `--dry-run`: what a run would do.

use super::args::{Format, Global, PlanArgs, RunArgs};
use super::entry::state;
use super::exit::Exit;
use super::output::{self, Trouble};
use super::preview;
use super::run::{late, prepare, request};
use super::state::State;
use crate::model::Failure;
use crate::plan::render;
use crate::recovery::{Prepared, Request, foresee};

/// `coppice plan`.
pub(super) async fn run(global: &Global, args: &PlanArgs) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let mut request = request(global, args.mode, &args.env, &RunArgs::default(), &state)?;
    request.snapshot.clone_from(&args.snapshot);
    request.as_of = args.as_of;
    show(global, &state, request).await
}

/// Compiles what was asked and prints what it would do; writes nothing.
pub(super) async fn show(
    global: &Global,
    state: &State,
    mut request: Request,
) -> Result<Exit, Trouble> {
    request.dry_run = true;
    let journal = state.journal().await?;
    let prepared = prepare(request, journal).await?;
    late(&prepared);
    let shown = shown(global.format, &prepared).await;
    // A private cluster may have been started for a look.
    prepared.world.close().await?;
    output::plain(&shown?)?;
    Ok(Exit::Done)
}

async fn shown(format: Format, prepared: &Prepared) -> Result<String, Failure> {
    Ok(match format {
        Format::Text => preview::text(&foresee(prepared).await?),
        Format::Json => format!("{:#}", preview::json(&foresee(prepared).await?)),
        Format::Dot => render::dot(&prepared.graph),
        Format::Mermaid => render::mermaid(&prepared.graph),
    })
}
