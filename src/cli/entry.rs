use std::process::ExitCode;

use clap::Parser;

use super::args::{Cli, Command, Global, LogFormat};
use super::exit::Exit;
use super::output::{self, Trouble};
use super::state::State;
use super::{
    check, forget, holds, init, plan, prune, run, runs, shell, snapshot, snapshots, status, verify,
};
use crate::model::{Code, Failure};
use crate::report::JsonLines;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // Prints help and usage errors by itself, with exit 0 and 2.
    let cli = Cli::parse();
    set_up_logs(cli.global.log_format);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::permanent(Code::Internal, "failed to start").because(&error);
            output::trouble(cli.global.format, &failure.into());
            return Exit::Found.into();
        }
    };
    let format = cli.global.format;
    let ended = runtime.block_on(dispatch(cli));
    runtime.shutdown_background();
    match ended {
        Ok(exit) => exit.into(),
        Err(trouble) => {
            output::trouble(format, &trouble);
            trouble.exit().into()
        }
    }
}

async fn dispatch(cli: Cli) -> Result<Exit, Trouble> {
    let global = &cli.global;
    match cli.command {
        Command::Snapshot(args) => snapshot::run(global, &args).await,
        Command::Snapshots { store } => snapshots::run(global, &store).await,
        Command::Forget(args) => forget::run(global, &args).await,
        Command::Prune(args) => prune::run(global, &args).await,
        Command::Hold(args) => holds::hold(global, &args).await,
        Command::Release(args) => holds::release(global, &args).await,
        Command::Verify(args) => verify::run(global, &args).await,
        Command::Init(args) => init::run(global, &args).await,
        Command::Check(args) => check::run(global, &args).await,
        Command::Plan(args) => plan::run(global, &args).await,
        Command::Rehearse(args) => run::rehearse(global, &args).await,
        Command::Restore(args) => run::restore(global, &args).await,
        Command::Rebuild(args) => run::rebuild(global, &args).await,
        Command::Rollback(args) => run::rollback(global, &args).await,
        Command::Resume { run } => run::resume(global, run).await,
        Command::Status { run } => status::status(global, run).await,
        Command::Runs => runs::list(global).await,
        Command::Discard { run } => runs::discard(global, run).await,
        Command::Receipt { run, restricted } => runs::receipt(global, run, restricted).await,
        Command::Schema { document } => done(shell::schema(document)),
        Command::Completions { shell } => done(shell::completions(shell)),
        Command::Man => done(shell::man()),
    }
}

fn done(result: Result<(), Failure>) -> Result<Exit, Trouble> {
    result.map(|()| Exit::Done).map_err(Trouble::from)
}

/// Finds the state directory that the command line names.
pub(super) fn state(global: &Global) -> Result<State, Trouble> {
    Ok(State::find(global.state.as_deref())?)
}

fn set_up_logs(format: LogFormat) {
    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::fmt::format::JsonFields;
    let filter = |default: &str| {
        EnvFilter::try_from_env("COPPICE_LOG").unwrap_or_else(|_| EnvFilter::new(default))
    };
    let builder = tracing_subscriber::fmt().with_writer(std::io::stderr);
    // Setting it a second time in one process cannot happen.
    let _ = match format {
        LogFormat::Text => builder.with_env_filter(filter("warn")).try_init(),
        LogFormat::Json => builder
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines)
            .with_env_filter(filter("coppice=info,warn"))
            .try_init(),
    };
}
