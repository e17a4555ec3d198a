//! `coppice rehearse`, `restore`, `rebuild`, `rollback` and `resume`: they end with a receipt.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::args::{
    ExistingArg, Format, Global, PromoteArgs, RebuildArgs, RehearseArgs, RestoreArgs, RollbackArgs,
    RunArgs,
};
use super::ask_args::ResumeArgs;
use super::entry::state;
use super::exit::Exit;
use super::output::{self, Trouble};
use super::overlap::Overlap;
use super::plans::{Chosen, choose};
use super::reports;
use super::signals::{Signals, end_now};
use super::standing::tell_of_pause;
use super::state::State;
use super::told::Told;
use super::{added, args, confirm, only, plan, since};
use crate::canonical::{Existing, Filter};
use crate::journal::{Journal, RunPhase, RunState, waits};
use crate::model::{self, Failure, Outcome, RunMode};
use crate::plan::BackTo;
use crate::receipt::Receipt;
use crate::recovery::{self, Governance, Prepared, Promote, Refusal, Request, Since, Watch};
use crate::report;

/// `coppice rehearse`.
pub(super) async fn rehearse(global: &Global, args: &RehearseArgs) -> Result<Exit, Trouble> {
    if args.promote.promote.is_some() {
        return Box::pin(promote(global, args)).await;
    }
    let state = state(global)?;
    let mut request = begin(global, RunMode::Rehearse, &args.env, &args.run, &state).await?;
    request.accept.clone_from(&args.waive.accept);
    request.keep = args.keep;
    request.snapshot.clone_from(&args.snapshot);
    request.as_of = args.as_of;
    if args.dry_run {
        return plan::show(global, &state, request).await;
    }
    let lock = Overlap::lock(state.dir(), &request.file, &request.env)?;
    go(global, &state, request, &args.run, Extra { lock: Some(lock), since: None }).await
}

/// `coppice rehearse --promote`: a restore that takes over from a rehearsal.
async fn promote(global: &Global, args: &RehearseArgs) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let mut request = begin(global, RunMode::Restore, &args.env, &args.run, &state).await?;
    let PromoteArgs { promote, no_rebuild, existing: kept, incident_at } = &args.promote;
    request.promote = promote.map(|run| Promote { run, rebuild: !no_rebuild });
    request.existing = kept.map(existing);
    request.incident_at = *incident_at;
    request.accept.clone_from(&args.waive.accept);
    if args.dry_run {
        return plan::show(global, &state, request).await;
    }
    go(global, &state, request, &args.run, Extra::default()).await
}

fn existing(existing: ExistingArg) -> Existing {
    match existing {
        ExistingArg::Keep => Existing::Keep,
        ExistingArg::Replace => Existing::Replace,
    }
}

/// `coppice restore`.
pub(super) async fn restore(global: &Global, args: &RestoreArgs) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let mut request = begin(global, RunMode::Restore, &args.env, &args.run, &state).await?;
    request.accept.clone_from(&args.waive.accept);
    request.snapshot.clone_from(&args.snapshot);
    request.as_of = args.as_of;
    request.incident_at = args.incident_at;
    request.existing = args.existing.map(existing);
    request.filter = Filter {
        zones: args.zone.into_iter().collect(),
        datasets: args.dataset.clone().into_iter().collect(),
        prefix: args.prefix.clone(),
    };
    if args.dry_run {
        return plan::show(global, &state, request).await;
    }
    go(global, &state, request, &args.run, Extra::default()).await
}

/// `coppice rebuild`.
pub(super) async fn rebuild(global: &Global, args: &RebuildArgs) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let mut request = begin(global, RunMode::Rebuild, &args.env, &args.run, &state).await?;
    request.accept.clone_from(&args.waive.accept);
    request.only = only::jobs(&args.only, &request.plan)?;
    request.reprove = args.reprove;
    let since = args.since_plan.as_ref().map(|named| match named {
        Some(name) => Since::Named(name.clone()),
        None => Since::Last,
    });
    if args.dry_run {
        let journal = state.journal().await?;
        if let Some(since) = &since
            && !since::narrow(global, &mut request, journal, since, false).await?
        {
            return Ok(Exit::Done);
        }
        return plan::show(global, &state, request).await;
    }
    go(global, &state, request, &args.run, Extra { lock: None, since }).await
}

/// `coppice rollback`.
pub(super) async fn rollback(global: &Global, args: &RollbackArgs) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let mut request = begin(global, RunMode::Rollback, &args.env, &args.run, &state).await?;
    if args.take_down {
        request.only = only::taken_down(&args.only, &request.plan)?;
        request.back_to = BackTo::Nothing;
    } else {
        request.only = only::jobs(&args.only, &request.plan)?;
    }
    if args.dry_run {
        return plan::show(global, &state, request).await;
    }
    go(global, &state, request, &args.run, Extra::default()).await
}

/// `coppice resume`.
pub(super) async fn resume(global: &Global, args: &ResumeArgs) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let journal = state.journal_of(args.run).await?;
    let setting = recovery::kept(args.run, &*journal).await?.setting;
    let mut lock = match setting.mode {
        RunMode::Rehearse => Some(Overlap::lock(state.dir(), &setting.plan, &setting.name)?),
        _ => None,
    };
    if let Some(lock) = &mut lock {
        lock.is_for(args.run);
    }
    let told = Told {
        args: args.report.clone(),
        plan: setting.plan_name,
        file: setting.plan,
        environment: setting.name,
        mode: setting.mode,
        redactor: global.redactor.clone(),
    };
    told.check()?;
    tell_of_pause(&*journal, args.run).await?;
    let quiet = args.report.quiet;
    let (watch, over) = watch(global, quiet, args.no_wait);
    let done = recovery::resume(args.run, state.dir(), journal, watch).await;
    over.cancel();
    let ended = match done {
        Ok(run) => conclude(global, &state, &run, quiet),
        Err(failure) => Err(failure.into()),
    };
    let seen = ended.as_ref().map(|(exit, receipt)| (*exit, receipt.as_ref()));
    let exit = told.tell(&state, seen).await;
    ended?;
    Ok(exit)
}

/// What all runs are asked alike.
pub(super) fn request(
    global: &Global,
    mode: RunMode,
    env: &args::EnvArgs,
    run: &RunArgs,
    state: &State,
) -> Result<Request, Trouble> {
    let Chosen { plan, env: name } = choose(env)?;
    Ok(Request {
        mode,
        file: absolute(&env.plan),
        plan,
        env: name,
        state: state.dir().to_owned(),
        snapshot: None,
        as_of: None,
        only: Vec::new(),
        reprove: false,
        back_to: BackTo::Former,
        filter: Filter::default(),
        existing: None,
        incident_at: None,
        accept: Vec::new(),
        promote: None,
        keep: false,
        dry_run: false,
        governance: Governance {
            reason: run.reason.clone(),
            actor: run.actor.clone(),
            confirm: run.confirm.clone(),
            expect_plan: run.expect_plan.clone(),
        },
        redactor: global.redactor.clone(),
    })
}

/// The same for a run, which is told too when its plan cannot be read: files that stand still look
/// good.
async fn begin(
    global: &Global,
    mode: RunMode,
    env: &args::EnvArgs,
    run: &RunArgs,
    state: &State,
) -> Result<Request, Trouble> {
    let tried = request(global, mode, env, run, state);
    if let Err(trouble) = &tried {
        let told = Told {
            args: run.report.clone(),
            plan: env.plan.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            file: absolute(&env.plan),
            environment: env.env.clone().unwrap_or_default(),
            mode,
            redactor: global.redactor.clone(),
        };
        told.tell(state, Err(trouble)).await;
    }
    tried
}

fn absolute(path: &std::path::Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What only some runs have.
#[derive(Default)]
struct Extra {
    /// What another rehearsal would need.
    lock: Option<Overlap>,
    /// The plan since which a job must have changed.
    since: Option<Since>,
}

async fn go(
    global: &Global,
    state: &State,
    mut request: Request,
    args: &RunArgs,
    extra: Extra,
) -> Result<Exit, Trouble> {
    let told = Told {
        args: args.report.clone(),
        plan: request.plan.plan.metadata.name.clone(),
        file: request.file.clone(),
        environment: request.env.clone(),
        mode: request.mode,
        redactor: global.redactor.clone(),
    };
    told.check()?;
    confirm::ask(&mut request)?;
    let ended = Box::pin(drive(global, state, request, args, extra)).await;
    let seen = ended.as_ref().map(|(exit, receipt)| (*exit, receipt.as_ref()));
    let exit = told.tell(state, seen).await;
    ended?;
    Ok(exit)
}

/// Runs to the end, unless there is nothing to do.
async fn drive(
    global: &Global,
    state: &State,
    mut request: Request,
    args: &RunArgs,
    mut extra: Extra,
) -> Result<(Exit, Option<Receipt>), Trouble> {
    let journal = state.journal().await?;
    let quiet = args.report.quiet;
    if let Some(since) = &extra.since
        && !since::narrow(global, &mut request, journal.clone(), since, quiet).await?
    {
        return Ok((Exit::Done, None));
    }
    let asked = request.only.clone();
    let prepared = prepare(request, journal).await?;
    if !quiet {
        added::tell(&asked, &prepared.graph)?;
        for line in recovery::promotion_told(&prepared).await? {
            output::note(&line);
        }
    }
    late(&prepared);
    if let Some(lock) = &mut extra.lock {
        lock.is_for(prepared.run);
    }
    let (watch, ended) = watch(global, quiet, args.no_wait);
    let done = recovery::execute(prepared, watch).await;
    ended.cancel();
    conclude(global, state, &done?, quiet)
}

/// Says so where the snapshot is from after the incident: it may hold the damage.
pub(super) fn late(prepared: &Prepared) {
    let record = &prepared.record;
    if let (Some(as_of), Some(incident)) = (record.as_of, record.incident_at)
        && as_of > incident
    {
        let (as_of, at) = (model::moment(as_of), model::moment(incident));
        output::note(&format!(
            "the snapshot is of {as_of}, after the incident at {at}, and may hold the damage; an \
             older one: --as-of TIME, or --snapshot ID of `coppice snapshots`"
        ));
    }
}

/// Resolves and compiles what was asked.
pub(super) async fn prepare(
    request: Request,
    journal: Arc<dyn Journal>,
) -> Result<Prepared, Trouble> {
    recovery::prepare(request, journal).await.map_err(refused)
}

/// Why a run cannot start, for the terminal.
pub(super) fn refused(refusal: Refusal) -> Trouble {
    match refusal {
        Refusal::Failure(failure) => Trouble::Failure(failure),
        Refusal::Problems(problems) => Trouble::Problems(problems),
    }
}

/// How this command watches its run: Ctrl-C drains it, a second one kills the process.
fn watch(global: &Global, quiet: bool, no_wait: bool) -> (Watch, CancellationToken) {
    let ended = CancellationToken::new();
    let cancel = CancellationToken::new();
    let (listeners, board) = reports::listeners(global, quiet);
    tokio::spawn(drain_on_signal(cancel.clone(), ended.clone()));
    let redactor = global.redactor.clone();
    let waits = !no_wait && std::io::stderr().is_terminal();
    (Watch { listeners, board, cancel, waits, redactor }, ended)
}

async fn drain_on_signal(cancel: CancellationToken, ended: CancellationToken) {
    let Some(mut signals) = Signals::listen() else { return };
    tokio::select! {
        () = ended.cancelled() => return,
        () = signals.next() => {}
    }
    output::note("stopping: what is in flight comes to rest; again: stops at once");
    cancel.cancel();
    tokio::select! {
        () = ended.cancelled() => {}
        () = signals.next() => end_now(),
    }
}

/// Prints the receipt of a run that ended, or how to go on with one that did not.
fn conclude(
    global: &Global,
    state: &State,
    run: &RunState,
    quiet: bool,
) -> Result<(Exit, Option<Receipt>), Trouble> {
    let ended = matches!(run.phase, RunPhase::Finished(_));
    let receipt = if ended { recovery::stored_receipt(state.dir(), run.run)? } else { None };
    let Some(receipt) = receipt else {
        if let Some(exit) = waiting(global, run)? {
            return Ok((exit, None));
        }
        return Err(Failure::cancelled()
            .hint(format!("go on with it: coppice resume {}", run.run))
            .into());
    };
    let path = recovery::receipt_path(state.dir(), run.run);
    if quiet && global.format != Format::Json {
        // One line of a log, however long.
        output::plain(&report::one_line(&receipt))?;
    } else {
        output::result(global.format, &receipt, || {
            report::summary(&receipt, Some(&path.display().to_string()))
        })?;
    }
    let exit = exit_of(&receipt);
    // The receipt was stored before scratch was cleared.
    if run.phase != RunPhase::Finished(receipt.predicate.outcome) {
        let hint = format!("clear what is left: coppice discard {}", run.run);
        output::note(&format!("scratch was not cleared; {hint}"));
        return Ok((Exit::Found, Some(receipt)));
    }
    Ok((exit, Some(receipt)))
}

/// Says what a run waits for whose process ends because nothing but an approval is missing.
fn waiting(global: &Global, run: &RunState) -> Result<Option<Exit>, Failure> {
    let missing: Vec<_> = waits(run).into_iter().filter(|wait| wait.kind == "approval").collect();
    if run.phase != RunPhase::Running || missing.is_empty() {
        return Ok(None);
    }
    let document = serde_json::json!({ "run_id": run.run, "state": "waiting", "waiting": missing });
    output::result(global.format, &document, || {
        let mut lines = vec![format!("run {} waits, and can be resumed", run.run)];
        for wait in &missing {
            lines.push(format!("  {}\n    {}", wait.what, wait.unblock));
        }
        lines.push(format!("then go on with: coppice resume {}", run.run));
        lines.join("\n")
    })?;
    Ok(Some(Exit::Waiting))
}

/// What a receipt means to a script.
pub(super) fn exit_of(receipt: &Receipt) -> Exit {
    let predicate = &receipt.predicate;
    match (predicate.outcome, predicate.objectives.met) {
        (Outcome::Recovered, Some(false)) => Exit::Missed,
        (Outcome::Recovered, _) => Exit::Done,
        _ => Exit::Found,
    }
}
