//! `coppice init`: puts the environment's markers on its targets.

use serde_json::json;

use super::args::{EnvArgs, Global, RunArgs};
use super::entry::state;
use super::exit::Exit;
use super::output::{self, Trouble};
use super::run::request;
use crate::model::RunMode;
use crate::recovery;

/// `coppice init`.
pub(super) async fn run(global: &Global, args: &EnvArgs) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let request = request(global, RunMode::Rebuild, args, &RunArgs::default(), &state)?;
    let journal = state.journal().await?;
    let env = request.env.clone();
    let world = recovery::open(&request, journal).await.map_err(super::run::refused)?;
    let put = recovery::markers::init(&world).await;
    world.close().await?;
    let marked = put?;
    output::result(
        global.format,
        &json!({ "environment": env, "marked": marked }),
        || match marked.as_slice() {
            [] => format!("every target of {env} carries its marker already"),
            some => format!("marked as {env}:\n  {}", some.join("\n  ")),
        },
    )?;
    Ok(Exit::Done)
}
