use std::path::Path;
use std::sync::Arc;

use super::inputs::Bring;
use super::made;
use super::room::{Declared, Room};
use crate::engine::StepContext;
use crate::model::{Code, CommandRun, CommandSink, Failure, Given, MadeFile};
use crate::plan::{RebuildParams, ResolvedInput};
use crate::process::Ended;
use crate::recovery::World;
use crate::recovery::source::{pinned, pins_of, version_of};

/// What a program made, and what is to be said of its run.
pub(in crate::recovery) struct Made {
    /// The files.
    pub(in crate::recovery) files: Vec<MadeFile>,
    /// For the journal and the receipt.
    pub(in crate::recovery) run: CommandRun,
    /// The files are in it: they are gone when it is dropped.
    pub(in crate::recovery) room: Box<dyn Send>,
}

/// Runs the program of a job over its inputs, and takes what it made.
pub(in crate::recovery) async fn make(
    world: &Arc<World>,
    params: &RebuildParams,
    sink: &CommandSink,
    cx: &StepContext,
) -> Result<Made, Failure> {
    let base = world.setting.plan.parent().unwrap_or(Path::new("/"));
    let room = Room::new(world, &params.job)?;
    room.bring(&params.files, base)?;
    let inputs = inputs(world, &room, params, cx).await?;
    // Where another run took over meanwhile, what the program reaches is not ours.
    world.still_locked().await?;
    let (args, env) = (&sink.args, &sink.env);
    let declared = Declared { program: &sink.program, args, env, limit: sink.limit() };
    let program = room.program(&declared, base)?;
    let Ended { took, output } = program.run(&cx.cancel).await?;
    let secrets =
        program.secrets.iter().map(|(name, secret)| (name.clone(), secret.expose().to_owned()));
    let (job, folder) = (params.job.clone(), room.output());
    let (names, secrets) = (sink.outputs.clone(), secrets.collect::<Vec<_>>());
    let files = tokio::task::spawn_blocking(move || made::files(&job, &folder, &names, &secrets));
    let files = files.await.map_err(|error| {
        Failure::permanent(Code::Internal, "a task of a program's outputs was lost").because(&error)
    })??;
    refuse_empty(params, &files)?;
    let words = |text: &str| world.redactor.words(&params.job, text);
    let run = CommandRun {
        program: sink.program.clone(),
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        inputs,
        outputs: files.clone(),
        stdout: words(&output.stdout),
        stderr: words(&output.stderr),
    };
    Ok(Made { files, run, room: Box::new(room) })
}

async fn inputs(
    world: &Arc<World>,
    room: &Room,
    params: &RebuildParams,
    cx: &StepContext,
) -> Result<Vec<Given>, Failure> {
    let verified = pinned(cx).await?;
    let bring = Bring { world, room, meter: &cx.meter };
    let mut all = Vec::new();
    for input in &params.inputs {
        all.push(match input {
            ResolvedInput::Dataset { table, dataset, version, artifacts, .. } => {
                let known = version_of(world, params, dataset, version).await?;
                let pins = pins_of(world, &known, &verified);
                bring.dataset(table, &known, &pins, *artifacts).await?
            }
            ResolvedInput::Catalog { versions } => bring.catalogs(versions).await?,
            ResolvedInput::Projection { job, generation, sink } => {
                bring.projection(job, *generation, sink).await?
            }
        });
    }
    Ok(all)
}

/// An empty file is what a program leaves that went wrong and did not say so.
fn refuse_empty(params: &RebuildParams, files: &[MadeFile]) -> Result<(), Failure> {
    let empty = files.iter().find(|file| file.size == 0);
    let Some(file) = empty.filter(|_| !params.expect.allow_empty) else { return Ok(()) };
    let message = format!("the output `{}` of {} is empty", file.name, params.job);
    Err(Failure::permanent(Code::StepFailed, message)
        .hint("look at its program; where that is right, say `expect: { allow_empty: true }`")
        .plain())
}
