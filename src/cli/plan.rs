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
use crate::recovery::{Foresight, Prepared, Request, foresee};

/// `coppice plan`.
pub(super) async fn run(global: &Global, args: &PlanArgs) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let mut request = request(global, args.mode, &args.env, &RunArgs::default(), &state)?;
    request.snapshot.clone_from(&args.snapshot);
    request.as_of = args.as_of;
    // Who asks for the plan gets it, whatever it foresees.
    show(global, &state, request).await?;
    Ok(Exit::Done)
}

/// Compiles what was asked and prints what it would do; writes nothing. Says so by the exit code
/// where something is known to be in the way.
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
    let (shown, exit) = shown?;
    output::plain(&shown)?;
    Ok(exit)
}

async fn shown(format: Format, prepared: &Prepared) -> Result<(String, Exit), Failure> {
    let words: fn(&Foresight) -> String = match format {
        Format::Text => preview::text,
        Format::Json => |foresight| format!("{:#}", preview::json(foresight)),
        Format::Dot => return Ok((render::dot(&prepared.graph), Exit::Done)),
        Format::Mermaid => return Ok((render::mermaid(&prepared.graph), Exit::Done)),
    };
    let foresight = foresee(prepared).await?;
    let exit = if foresight.is_blocked() { Exit::Found } else { Exit::Done };
    Ok((words(&foresight), exit))
}
