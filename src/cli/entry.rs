use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;

use super::args::{Cli, Command, Global, LogFormat};
use super::exit::Exit;
use super::output::{self, Trouble};
use super::state::State;
use super::{
    ask, check, drift, forget, generations, history, holds, init, plan, prune, run, runs, shell,
    sign_off, snapshot, snapshots, status, verify, watch,
};
use crate::access::{Redactor, RestrictedFile};
use crate::journal::AskKind;
use crate::model::{Code, Failure, Redact};
use crate::report::{JsonLines, TextFields, TextLines};

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse().and_then(Cli::can_be_printed) {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let redactor = cli.global.redactor.clone();
    set_up_logs(cli.global.log_format, &redactor);
    keep_quiet_about_panics(&redactor);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::permanent(Code::Internal, "failed to start").because(&error);
            output::trouble(cli.global.format, &redactor, &failure.into());
            return Exit::Found.into();
        }
    };
    let format = cli.global.format;
    let ended = runtime.block_on(dispatch(cli));
    // Its threads are waited for: glibc before 2.37 may read a thread's memory after it is gone when
    // one is let go just as it ends, and a run that went well would end by a signal. What hangs, such
    // as a read of the terminal, is not waited for longer.
    runtime.shutdown_timeout(Duration::from_millis(500));
    let exit = match ended {
        Ok(exit) => exit,
        Err(trouble) => {
            output::trouble(format, &redactor, &trouble);
            trouble.exit()
        }
    };
    output::hidden(format, &redactor);
    exit.into()
}

/// Prints help, or what is wrong with the command line: as a document where one is asked for.
fn misused(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && wants_json(std::env::args()) {
        let text = error.to_string();
        let (message, hint) = text.split_once("\n\n").unwrap_or((&text, ""));
        let message = message.trim_start_matches("error: ");
        let failure = Failure::permanent(Code::Usage, message).hint(hint.trim());
        output::misused(&failure);
        return Exit::Usage.into();
    }
    let _best_effort = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}

fn wants_json(args: impl Iterator<Item = String>) -> bool {
    let args: Vec<String> = args.collect();
    let apart = args.windows(2).any(|two| two[0] == "--format" && two[1] == "json");
    apart || args.iter().any(|arg| arg == "--format=json")
}

async fn dispatch(cli: Cli) -> Result<Exit, Trouble> {
    let global = &cli.global;
    prepare_redaction(global)?;
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
        Command::Rehearse(args) => Box::pin(run::rehearse(global, &args)).await,
        Command::Restore(args) => run::restore(global, &args).await,
        Command::Rebuild(args) => Box::pin(run::rebuild(global, &args)).await,
        Command::Rollback(args) => run::rollback(global, &args).await,
        Command::Resume(args) => run::resume(global, &args).await,
        Command::Pause(args) => ask::of_run(global, AskKind::Pause, &args).await,
        Command::Continue(args) => ask::of_run(global, AskKind::Continue, &args).await,
        Command::Retry(args) => ask::of_step(global, AskKind::Retry, &args).await,
        Command::Skip(args) => ask::of_step(global, AskKind::Skip, &args).await,
        Command::Approve(args) => ask::of_step(global, AskKind::Approve, &args).await,
        Command::Status { run, watch: true, .. } => watch::watch(global, run).await,
        Command::Status { run, restricted, .. } => status::status(global, run, restricted).await,
        Command::Drift(args) => drift::run(global, &args).await,
        Command::Generations(args) => generations::run(global, &args).await,
        Command::History(args) => history::run(global, &args).await,
        Command::SignOff(args) => sign_off::run(global, &args),
        Command::Runs => runs::list(global).await,
        Command::Discard { run, give_up } => runs::discard(global, run, give_up).await,
        Command::Receipt { run, restricted } => runs::receipt(global, run, restricted).await,
        Command::Schema { document } => done(shell::schema(document)),
        Command::Completions { shell } => done(shell::completions(shell)),
        Command::Man { to } => done(shell::man(to.as_deref())),
    }
}

fn done(result: Result<(), Failure>) -> Result<Exit, Trouble> {
    result.map(|()| Exit::Done).map_err(Trouble::from)
}

/// Finds the state directory that the command line names.
pub(super) fn state(global: &Global) -> Result<State, Trouble> {
    Ok(State::find(global.state.as_deref(), global.journal.as_deref())?)
}

/// Opens the file for hidden names before any work, and tells which paths are ours.
fn prepare_redaction(global: &Global) -> Result<(), Failure> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    for place in std::env::current_dir().into_iter().chain(home) {
        global.redactor.know_place(&place);
    }
    let Some(path) = &global.restricted_to else { return Ok(()) };
    let made = RestrictedFile::create(path).and_then(|file| global.redactor.keep_in(file));
    made.map_err(|error| {
        Failure::permanent(Code::Usage, format!("failed to create {}", path.display()))
            .because(&error)
            .hint("--restricted-to names a file that is not there yet")
    })
}

/// A panic's own words may quote data; where it happened does not.
fn keep_quiet_about_panics(redactor: &Arc<Redactor>) {
    let redactor = redactor.clone();
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if redactor.may_log("panic") {
            usual(panic);
        } else {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            output::note(&format!("a bug was met at {place}; what it says may not be public"));
        }
    }));
}

fn set_up_logs(format: LogFormat, redactor: &Arc<Redactor>) {
    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::fmt::format::JsonFields;
    let filter = |default: &str| {
        EnvFilter::try_from_env("COPPICE_LOG").unwrap_or_else(|_| EnvFilter::new(default))
    };
    let redact: Arc<dyn Redact> = redactor.clone();
    let builder =
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(output::colours());
    // Setting it a second time in one process cannot happen.
    let _ = match format {
        LogFormat::Text => builder
            .fmt_fields(TextFields(redact.clone()))
            .event_format(TextLines { inner: tracing_subscriber::fmt::format(), redact })
            .with_env_filter(filter("warn"))
            .try_init(),
        LogFormat::Json => builder
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines(redact))
            .with_env_filter(filter("coppice=info,warn"))
            .try_init(),
    };
}
